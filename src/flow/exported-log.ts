// What the next agent must know of each flow, kept until the record that told it is acknowledged.
// Comes in: slots, as they are when a record is made of them or they end. Goes out: entries of FLOW_EXPORTED, in order.

import { EXPORTED, EXPORTED_BYTES, EXPORTED_ENTRY_WORDS, EXPORTED_FLAG } from "../capture/exported.ts";
import { KEY_WORDS, number64 } from "../capture/record.ts";
import { copy64, write64 } from "./clock.ts";
import { DETAIL_NUMBER, DETAIL_NUMBERS } from "./details.ts";
import { SLOT, SLOT_NUMBERS, SLOT_WORDS, STATE, TOLD } from "./slot-layout.ts";
import type { FlowSlots } from "./slots.ts";

const FIRST_ENTRIES = 1024;
/** 29 MB. Beyond it the older half is taken for acknowledged: after a crash what was not would not be told again. */
const MOST_ENTRIES = 131_072;
/** Of the flows that FLOW_TAKEN has room for: what is written as acknowledged leaves it some turns later. */
const MOST_TAKEN_SHARE = 3 / 4;
const DETAIL_COUNTS = 5;
/** {@link EXPORTED.octets} of a flow that has ended. */
const ENDED = EXPORTED_FLAG.ended << 16;

/** Entries that may be written: `count` of them from entry `first` on. Valid until the log is written to. */
export interface ExportedEntries {
  readonly words: Uint32Array;
  readonly first: number;
  readonly count: number;
}

/** What the next agent needs of one table's flows. */
export class ExportedLog {
  /** Of flows told for the first time: written before their records are sent. */
  readonly #begun = new EntryQueue();
  readonly #told = new EntryQueue();
  readonly #mostTaken: number;

  /** @param takenCapacity flows that FLOW_TAKEN has room for; nearly so many that wait are too many, as entries are */
  constructor(takenCapacity: number) {
    this.#mostTaken = takenCapacity * MOST_TAKEN_SHARE;
  }

  /** Whether what is told now is of flows that are taken out of the kernel's table, which may hold others by their keys. */
  isOfTaken = false;

  /**
   * The first record of a life is about to be made: what ids are derived from is written in advance, so that it
   * has the same if it must be told again. What was told of the lives before stays as it is.
   */
  begun(slots: FlowSlots, slot: number): void {
    const at = this.#begun.append(slots, slot, 0);
    const { words } = this.#begun;
    const row = slot * SLOT_WORDS;
    const incarnation = slots.words[row + SLOT.incarnation] as number;
    let flags = EXPORTED_FLAG.begun | (this.isOfTaken ? EXPORTED_FLAG.ofTaken : 0);
    if (incarnation === 0) writeEntry(words, at, slots, slot);
    else {
      flags |= EXPORTED_FLAG.next;
      copy64(words, at + EXPORTED.nextStart, slots.words, row + SLOT.flowStart);
      words[at + EXPORTED.nextIncarnation] = incarnation;
    }
    words[at + EXPORTED.octets] = (words[at + EXPORTED.octets] as number) | (flags << 16);
  }

  /** A record was made of a slot; `rows` were made before and with it. */
  told(slots: FlowSlots, slot: number, rows: number): void {
    const at = this.#told.append(slots, slot, rows);
    writeEntry(this.#told.words, at, slots, slot);
  }

  /** A slot's flow has ended; `rows` were made before. The entry has the packets that the kernel counted of it. */
  ended(slots: FlowSlots, slot: number, rows: number): void {
    const at = this.#told.append(slots, slot, rows);
    if (++this.#told.ended >= this.#mostTaken) this.#told.releaseHalf();
    this.#told.words[at + EXPORTED.octets] = ENDED;
    write64(this.#told.words, at + EXPORTED.packets, packetsCounted(slots, slot));
  }

  /** Takes every entry that must be written before any further record is sent. */
  takeBegun(): ExportedEntries {
    return this.#begun.take(0, MOST_ENTRIES);
  }

  /** Takes the oldest entries, at most `most`, of which no more than `rows` rows must be acknowledged. */
  take(rows: number, most: number): ExportedEntries {
    return this.#told.take(rows, most);
  }
}

/** Entries, first in, first out. */
class EntryQueue {
  words: Uint32Array = new Uint32Array(FIRST_ENTRIES * EXPORTED_ENTRY_WORDS);
  /** Of each entry: how many rows must be acknowledged first. */
  #rows: Float64Array = new Float64Array(FIRST_ENTRIES);
  /** Those among them whose flow has ended. */
  ended = 0;
  #head = 0;
  #end = 0;
  /** Entries before this one are taken whatever is acknowledged. */
  #released = 0;

  /** Adds a slot's key with a zeroed value; returns the word offset of the value in {@link words}. */
  append(slots: FlowSlots, slot: number, rows: number): number {
    if (this.#end - this.#head >= MOST_ENTRIES) this.releaseHalf();
    if (this.#end === this.#rows.length) this.#makeRoom();
    this.#rows[this.#end] = rows;
    const at = this.#end++ * EXPORTED_ENTRY_WORDS;
    const key = slot * KEY_WORDS;
    for (let i = 0; i < KEY_WORDS; i++) this.words[at + i] = slots.keys[key + i] as number;
    this.words.fill(0, at + KEY_WORDS, at + EXPORTED_ENTRY_WORDS);
    return at + KEY_WORDS;
  }

  take(rows: number, most: number): ExportedEntries {
    const first = this.#head;
    const end = Math.min(this.#end, first + most);
    const { words } = this;
    while (this.#head < end && (this.#head < this.#released || (this.#rows[this.#head] as number) <= rows)) {
      if (words[this.#head * EXPORTED_ENTRY_WORDS + KEY_WORDS + EXPORTED.octets] === ENDED) this.ended--;
      this.#head++;
    }
    return { words, first, count: this.#head - first };
  }

  /** Has the older half taken, unless the half before is not yet. */
  releaseHalf(): void {
    if (this.#released > this.#head) return;
    this.#released = this.#head + ((this.#end - this.#head) >>> 1);
  }

  #makeRoom(): void {
    const capacity = this.#rows.length;
    if (this.#head >= capacity / 2) {
      this.words.copyWithin(0, this.#head * EXPORTED_ENTRY_WORDS, this.#end * EXPORTED_ENTRY_WORDS);
      this.#rows.copyWithin(0, this.#head, this.#end);
      this.#released = Math.max(0, this.#released - this.#head);
      this.#end -= this.#head;
      this.#head = 0;
      return;
    }
    const words = new Uint32Array(capacity * 2 * EXPORTED_ENTRY_WORDS);
    words.set(this.words);
    this.words = words;
    const rows = new Float64Array(capacity * 2);
    rows.set(this.#rows);
    this.#rows = rows;
  }
}

/** Packets of both ways at the last look: fewer than were told where a candidate's were added at the end. */
function packetsCounted({ numbers, words }: FlowSlots, slot: number): number {
  const at = slot * SLOT_NUMBERS + TOLD.packets;
  const told = (numbers[at] as number) + (numbers[at + 1] as number);
  return told + (((words[slot * SLOT_WORDS + SLOT.seen] as number) - told) | 0);
}

function writeEntry(out: Uint32Array, at: number, slots: FlowSlots, slot: number): void {
  const { words, numbers, bases } = slots;
  const row = slot * SLOT_WORDS;
  const told = slot * SLOT_NUMBERS;
  const base = (words[row + SLOT.base] as number) * 4;
  for (let i = 0; i < 4; i++) {
    write64(out, at + EXPORTED.packets + i * 2, numbers[told + i] as number);
    write64(out, at + EXPORTED.basePackets + i * 2, bases[base + i] as number);
  }
  copy64(out, at + EXPORTED.flowStart, words, row + SLOT.flowStart);
  copy64(out, at + EXPORTED.recordEnd, words, row + SLOT.recordStart);
  write64(out, at + EXPORTED.told, numbers[told + TOLD.timeNs] as number);
  out[at + EXPORTED.recordNumber] = words[row + SLOT.recordNumber] as number;
  out[at + EXPORTED.incarnation] = words[row + SLOT.incarnation] as number;
  const state = words[row + SLOT.state] as number;
  const orientation = (state & STATE.orientationMask) >>> STATE.orientationShift;
  const kind = (state & STATE.kindMask) >>> STATE.kindShift;
  const flags = (state & STATE.tracesTranslation) === 0 ? 0 : EXPORTED_FLAG.translated;
  out[at + EXPORTED.octets] = orientation | (kind << 8) | (flags << 16);
  slots.tcp.save(slot, out, at);
  const detail = slots.detailRow(slot);
  if (detail === 0) return;
  const from = detail * DETAIL_NUMBERS + DETAIL_NUMBER.told;
  for (let i = 0; i < DETAIL_COUNTS; i++)
    write64(out, at + EXPORTED.details + i * 2, slots.details.numbers[from + i] as number);
}

/** Makes a slot of what an agent before this one has told: key at `key`, value at `at`. Returns the slot. */
export function restoreSlot(
  slots: FlowSlots,
  keys: Uint32Array,
  key: number,
  values: Uint32Array,
  at: number,
): number {
  const slot = slots.insert(keys, key);
  const { words, numbers } = slots;
  const row = slot * SLOT_WORDS;
  const told = slot * SLOT_NUMBERS;
  const base = new Float64Array(4);
  for (let i = 0; i < 4; i++) {
    numbers[told + i] = number64(values, at + EXPORTED.packets + i * 2);
    base[i] = number64(values, at + EXPORTED.basePackets + i * 2);
  }
  if (base.some((count) => count !== 0)) slots.setBase(slot, base, 0);
  copy64(words, row + SLOT.flowStart, values, at + EXPORTED.flowStart);
  copy64(words, row + SLOT.recordStart, values, at + EXPORTED.recordEnd);
  numbers[told + TOLD.timeNs] = number64(values, at + EXPORTED.told);
  words[row + SLOT.recordNumber] = values[at + EXPORTED.recordNumber] as number;
  words[row + SLOT.incarnation] = values[at + EXPORTED.incarnation] as number;
  words[row + SLOT.seen] = (numbers[told] as number) + (numbers[told + 1] as number);
  const octets = values[at + EXPORTED.octets] as number;
  const oriented = (octets & 0xf) << STATE.orientationShift;
  // Where no record is told yet, the end of the last one is the start of the first.
  const start = words[row + SLOT.recordNumber] === 0 ? STATE.hasStart : 0;
  const traces = ((octets >>> 16) & EXPORTED_FLAG.translated) === 0 ? 0 : STATE.tracesTranslation;
  const kind = ((octets >>> 8) & 3) << STATE.kindShift;
  words[row + SLOT.state] = STATE.live | oriented | kind | start | traces;
  slots.tcp.restore(slot, values, at);
  restoreDetails(slots, slot, values, at + EXPORTED.details);
  return slot;
}

function restoreDetails(slots: FlowSlots, slot: number, values: Uint32Array, at: number): void {
  const end = at + DETAIL_COUNTS * 2;
  if (end > at + EXPORTED_BYTES / 4 || values.subarray(at, end).every((word) => word === 0)) return;
  const row = slots.openDetails(slot);
  const to = row * DETAIL_NUMBERS;
  for (let i = 0; i < DETAIL_COUNTS; i++) {
    const count = number64(values, at + i * 2);
    slots.details.numbers[to + DETAIL_NUMBER.seen + i] = count;
    slots.details.numbers[to + DETAIL_NUMBER.told + i] = count;
  }
}
