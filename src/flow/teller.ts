// Makes records of slots: freezes the orientation, writes the row, asks the filter, remembers what was told.
// Rows of lives that ended before any scan saw their hooks are held until a scan has, or the flow goes.

import { KEY_WORDS, number64 } from "../capture/record.ts";
import type { WallClock } from "./clock.ts";
import { copy64 } from "./clock.ts";
import { writeDetail } from "./detail-row.ts";
import { type DirectionContext, spanKind } from "./direction.ts";
import type { ExportedLog } from "./exported-log.ts";
import { END_REASON, RECORD, type RecordFilter } from "./flow.ts";
import { HeldRows } from "./held-rows.ts";
import type { Reading } from "./reading.ts";
import { RecordBuffer } from "./record-buffer.ts";
import { ownerIfindex, type Telling, writeRecord } from "./record-row.ts";
import { SLOT, SLOT_NUMBERS, SLOT_WORDS, STATE, TOLD } from "./slot-layout.ts";
import { SlotPath } from "./slot-path.ts";
import type { FlowSlots } from "./slots.ts";
import type { TranslationLinks } from "./translation-links.ts";
import { writeTranslation } from "./translation-row.ts";
import { untoldOf } from "./untold.ts";

/** What decides about records beside the flows themselves. */
export interface TellerOptions {
  readonly context: DirectionContext;
  /** `capture.sampling`: one flow in so many is counted. Default 1. */
  readonly samplingRate?: number;
  /** Asked about lives with their first record, and about every record; absent: all are told. */
  readonly filter?: RecordFilter | undefined;
  readonly links: TranslationLinks;
  /** Told of every record of flows in the kernel's table; absent where nothing persists. */
  readonly exported?: ExportedLog | undefined;
}

/** Tells flows; owns the rows that wait to be taken. */
export class Teller {
  readonly records: RecordBuffer = new RecordBuffer();
  /** By IPFIX end reason. */
  readonly recordsByEndReason: number[] = [0, 0, 0, 0, 0, 0];
  packetsTold = 0;
  bytesTold = 0;
  /** Held for candidate hooks, then told or filtered. */
  packetsSettled = 0;
  bytesSettled = 0;
  /** Of what the filter left out: in neither of the counts above. */
  packetsFiltered = 0;
  bytesFiltered = 0;
  recordsFiltered = 0;
  /** Of views whose conversations are told by another: in none of the counts above. */
  packetsTranslated = 0;
  bytesTranslated = 0;
  /** In rows that wait for their hooks: neither told nor filtered yet. */
  packetsHeld = 0;
  readonly #slots: FlowSlots;
  readonly #context: DirectionContext;
  readonly #filter: RecordFilter | undefined;
  readonly #exported: ExportedLog | undefined;
  readonly #links: TranslationLinks;
  readonly #clock: WallClock;
  readonly #path: SlotPath;
  readonly #telling: Telling;
  readonly #held = new HeldRows();

  constructor(slots: FlowSlots, reading: Reading, clock: WallClock, options: TellerOptions) {
    this.#slots = slots;
    this.#path = new SlotPath(slots);
    this.#context = options.context;
    this.#filter = options.filter;
    this.#exported = options.exported;
    this.#links = options.links;
    this.#clock = clock;
    const samplingRate = options.samplingRate ?? 1;
    this.#telling = { slot: 0, reading, kind: 0, reason: 0, lastNs: 0, samplingRate, firstClientPort: 0 };
  }

  /** Tells what is new in `reading`, held packets included unless the flow goes on; nothing where nothing is. */
  tell(slot: number, reading: Reading, reason: number, nowNs: number): void {
    const isGoingOn = reason === END_REASON.activeTimeout;
    if (isGoingOn) reading.held.fill(0);
    const packets = untoldOf(this.#slots, slot, reading, TOLD.packets);
    if (packets === 0) return;
    const bytes = untoldOf(this.#slots, slot, reading, TOLD.bytes);
    if (this.#links.isToldElsewhere(slot)) {
      this.packetsTranslated += packets;
      this.bytesTranslated += bytes;
      this.#remember(slot, reading, nowNs);
      return;
    }
    const telling = this.#telling;
    telling.slot = slot;
    telling.reading = reading;
    telling.reason = reason;
    telling.lastNs = isGoingOn ? reading.lastCountedNs : reading.lastSeenNs;
    this.#freeze(slot, reading);
    if (((this.#slots.words[slot * SLOT_WORDS + SLOT.state] as number) & STATE.hasHooks) === 0) {
      this.#hold(slot);
      this.packetsHeld += packets;
      this.#remember(slot, reading, nowNs);
      return;
    }
    this.#noteBegun(slot);
    const isTold = this.#write(slot);
    this.#count(isTold, reason, packets, bytes);
    this.#remember(slot, reading, nowNs);
    // A record that alone is left out is done with as one that is told: the next agent goes on behind it.
    if (!this.#isFiltered(slot)) this.#exported?.told(this.#slots, slot, this.records.rowsMade);
  }

  /** Sends off held rows whose hooks are known by now; at the very end, or for one flow that goes, as they are. */
  sendHeld(isEnd: boolean, onlySlot: number = -1): void {
    const held = this.#held;
    let kept = 0;
    for (let row = 0; row < held.count; row++) {
      const slot = held.slotOf(row);
      const isWanted = onlySlot < 0 || slot === onlySlot;
      const state = this.#slots.words[slot * SLOT_WORDS + SLOT.state] as number;
      if (isWanted && (isEnd || (state & STATE.hasHooks) !== 0)) this.#sendHeldRow(row, slot);
      else held.move(row, kept++);
    }
    held.truncate(kept);
  }

  #noteBegun(slot: number): void {
    if (this.#slots.words[slot * SLOT_WORDS + SLOT.recordNumber] === 0)
      this.#exported?.begun(this.#slots, slot);
  }

  /** From here on, or no longer, flows are told that are taken out of the kernel's table. */
  noteTaken(isTaken: boolean): void {
    if (this.#exported !== undefined) this.#exported.isOfTaken = isTaken;
  }

  /** A flow leaves the table: the next agent must not know of it. */
  noteEnded(slot: number): void {
    this.#exported?.ended(this.#slots, slot, this.records.rowsMade);
  }

  /** Decides the span kind for good, unless no hook is known yet. */
  #freeze(slot: number, reading: Reading): void {
    const { words, bases } = this.#slots;
    const row = slot * SLOT_WORDS;
    const state = words[row + SLOT.state] as number;
    const orientation = (state & STATE.orientationMask) >>> STATE.orientationShift;
    const base = (words[row + SLOT.base] as number) * 4;
    const { counts, held } = reading;
    const low = (counts[0] as number) + (held[0] as number) > (bases[base] as number);
    const high = (counts[1] as number) + (held[1] as number) > (bases[base + 1] as number);
    this.#path.lookAt(row, orientation, low, high);
    this.#telling.firstClientPort = this.#context.localPortRange[0];
    this.#telling.kind = (state & STATE.kindMask) >>> STATE.kindShift;
    if (this.#telling.kind !== 0 || (state & STATE.hasHooks) === 0) return;
    const kind = spanKind(this.#slots.keys, slot * KEY_WORDS, orientation, this.#path, this.#context);
    this.#telling.kind = kind;
    words[row + SLOT.state] = state | (kind << STATE.kindShift);
  }

  /** Writes a record; false where it, or the flow's life, is filtered. */
  #write(slot: number): boolean {
    if (this.#isFiltered(slot)) return false;
    const { words } = this.#slots;
    const row = slot * SLOT_WORDS;
    const at = this.records.append();
    const out = this.records.words;
    writeRecord(out, at, this.#slots, this.#telling, this.#clock);
    out[at + RECORD.ifindex] = ownerIfindex(this.#path.forwardHook, this.#path.reverseHook);
    if (words[row + SLOT.recordNumber] === 0 && !this.#isFlowAccepted(at)) {
      words[row + SLOT.state] = (words[row + SLOT.state] as number) | STATE.filtered;
      return false;
    }
    this.#noteEnd(slot, out, at);
    if (!this.#isRecordAccepted(at)) return false;
    if (this.#hasDetail(slot)) {
      const detailAt = this.records.appendDetail();
      this.#writeDetail(this.records.details, detailAt, slot);
    }
    return true;
  }

  #hasDetail(slot: number): boolean {
    return this.#slots.detailRow(slot) !== 0 || this.#links.rowOf(slot) !== 0;
  }

  #writeDetail(out: Uint32Array, at: number, slot: number): void {
    const forward = this.#orientationOf(slot) & 1;
    const detail = this.#slots.detailRow(slot);
    if (detail !== 0) writeDetail(out, at, this.#slots.details, detail, forward);
    writeTranslation(out, at, this.#links, slot, forward);
  }

  #isFiltered(slot: number): boolean {
    return ((this.#slots.words[slot * SLOT_WORDS + SLOT.state] as number) & STATE.filtered) !== 0;
  }

  /** Asks the filter about the flow of the row appended last, at `at`, and takes the row away where it is not wanted. */
  #isFlowAccepted(at: number): boolean {
    if (this.#filter === undefined || this.#filter.acceptsFlow(this.records.words, at)) return true;
    this.records.withdraw();
    return false;
  }

  /** Likewise, about the row alone. */
  #isRecordAccepted(at: number): boolean {
    if (this.#filter === undefined || this.#filter.acceptsRecord(this.records.words, at)) return true;
    this.records.withdraw();
    return false;
  }

  #hold(slot: number): void {
    const { words } = this.#slots;
    const orientation = this.#orientationOf(slot);
    const at = this.#held.append(slot, orientation);
    writeRecord(this.#held.words, at, this.#slots, this.#telling, this.#clock);
    if (this.#hasDetail(slot)) {
      const detailAt = this.#held.appendDetail();
      this.#writeDetail(this.#held.details, detailAt, slot);
    }
    const state = slot * SLOT_WORDS + SLOT.state;
    words[state] = (words[state] as number) | STATE.hasHeldRows;
    this.#noteEnd(slot, this.#held.words, at);
  }

  /** A held row is the only record of its life: it is judged alone, once it is complete. */
  #sendHeldRow(row: number, slot: number): void {
    const at = this.#held.copyTo(this.records, row);
    this.#complete(at, slot, this.#held.orientationOf(row));
    const state = slot * SLOT_WORDS + SLOT.state;
    const { words } = this.#slots;
    words[state] = (words[state] as number) & ~STATE.hasHeldRows;
    const out = this.records.words;
    const packets = number64(out, at + RECORD.packetsDelta) + number64(out, at + RECORD.reversePacketsDelta);
    const bytes = number64(out, at + RECORD.bytesDelta) + number64(out, at + RECORD.reverseBytesDelta);
    const reason = (out[at + RECORD.identity] as number) >>> 24;
    const isTold = this.#isFlowAccepted(at) && this.#isRecordAccepted(at);
    if (isTold) this.#held.copyDetailTo(this.records, row);
    this.packetsHeld -= packets;
    this.#count(isTold, reason, packets, bytes);
  }

  /** Adds what only hooks tell to the row at `at`. */
  #complete(at: number, slot: number, orientation: number): void {
    const out = this.records.words;
    const isForwardSeen = number64(out, at + RECORD.packetsTotal) !== 0;
    const isReverseSeen = number64(out, at + RECORD.reversePacketsTotal) !== 0;
    const isTurned = (orientation & 1) === 1;
    this.#path.lookAt(
      slot * SLOT_WORDS,
      orientation,
      isTurned ? isReverseSeen : isForwardSeen,
      isTurned ? isForwardSeen : isReverseSeen,
    );
    const identity = out[at + RECORD.identity] as number;
    // A life that an agent before has begun to tell has its kind for good.
    if ((identity & 0xff0000) === 0) {
      const kind = spanKind(this.#slots.keys, slot * KEY_WORDS, orientation, this.#path, this.#context);
      out[at + RECORD.identity] = identity | (kind << 16);
    }
    out[at + RECORD.ifindex] = ownerIfindex(this.#path.forwardHook, this.#path.reverseHook);
  }

  #orientationOf(slot: number): number {
    const state = this.#slots.words[slot * SLOT_WORDS + SLOT.state] as number;
    return (state & STATE.orientationMask) >>> STATE.orientationShift;
  }

  #count(isTold: boolean, reason: number, packets: number, bytes: number): void {
    if (isTold) {
      this.packetsTold += packets;
      this.bytesTold += bytes;
      this.recordsByEndReason[reason] = (this.recordsByEndReason[reason] as number) + 1;
    } else {
      this.packetsFiltered += packets;
      this.bytesFiltered += bytes;
      this.recordsFiltered++;
    }
  }

  /** The next record begins after this one's end. */
  #noteEnd(slot: number, out: Uint32Array, at: number): void {
    copy64(this.#slots.words, slot * SLOT_WORDS + SLOT.recordStart, out, at + RECORD.endNs);
  }

  #remember(slot: number, reading: Reading, nowNs: number): void {
    const { words, numbers } = this.#slots;
    const row = slot * SLOT_WORDS;
    const told = slot * SLOT_NUMBERS;
    words[row + SLOT.recordNumber] = (words[row + SLOT.recordNumber] as number) + 1;
    words[row + SLOT.state] = (words[row + SLOT.state] as number) & ~(STATE.freshMask | STATE.hasStart);
    for (let i = 0; i < 4; i++) {
      const held = reading.held[i] as number;
      numbers[told + i] = Math.max((reading.counts[i] as number) + held, numbers[told + i] as number);
      if (i < 2) this.packetsSettled += held;
      else this.bytesSettled += held;
    }
    numbers[told + TOLD.timeNs] = nowNs;
    const detail = this.#slots.detailRow(slot);
    if (detail !== 0) this.#slots.details.remember(detail);
    this.#slots.tcp.remember(slot, reading);
  }
}
