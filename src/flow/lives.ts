// The lives of 5-tuples in the table's slots: how one begins, what each look at it adds, how it ends.
// Comes in: values and events, word by word. Goes out: slots, and records by way of the teller.

import { EXPORTED } from "../capture/exported.ts";
import { DETAILS_WORDS, KEY_WORDS, number64, SHARED } from "../capture/record.ts";
import { WallClock } from "./clock.ts";
import { type FindDetails, noteBaseDetails, noteDetails, noteDetailsAtEnd } from "./detail-notes.ts";
import { RULE } from "./direction.ts";
import { restoreSlot } from "./exported-log.ts";
import { END_REASON } from "./flow.ts";
import { firstSeenNs, hasBegunAnew, lifeStartNs } from "./life-start.ts";
import { notePackets, noteReopened } from "./notes.ts";
import { Orienter } from "./orienter.ts";
import { EVENT_WORD, NEVER_NS, Reading } from "./reading.ts";
import { SLOT, SLOT_NUMBERS, SLOT_WAY, SLOT_WORDS, STATE, TOLD } from "./slot-layout.ts";
import { FlowSlots } from "./slots.ts";
import { Starts } from "./starts.ts";
import { Teller, type TellerOptions } from "./teller.ts";
import { type FindFlow, TranslationLinks } from "./translation-links.ts";
import type { Translations } from "./translations.ts";
import { ahead, pendingOf } from "./untold.ts";

const NO_DETAILS = new Uint32Array(DETAILS_WORDS);

/** What flows are judged by beside what is seen of them. */
export interface LivesOptions extends Omit<TellerOptions, "links"> {
  /** Absent: nothing is ever found. */
  readonly findDetails?: FindDetails | undefined;
  /** As {@link LivesOptions.findDetails}. */
  readonly findFlow?: FindFlow | undefined;
}

/** Slots with what befell their flows; one per table. */
export class Lives {
  readonly slots: FlowSlots;
  readonly clock: WallClock = new WallClock();
  /** What the last look found. */
  readonly reading: Reading = new Reading();
  readonly teller: Teller;
  readonly links: TranslationLinks;
  /** Number of the present scan, modulo 256. */
  scan = 0;
  created = 0;
  released = 0;
  absent = 0;
  packetsAbsent = 0;
  livesMerged = 0;
  /** Packets seen and not told, but for those in rows that are held. */
  #pending = 0;
  readonly #orienter: Orienter;
  readonly #findDetails: FindDetails;
  readonly #findFlow: FindFlow;
  readonly #starts: Starts;

  constructor(
    options: LivesOptions & { readonly translations: Translations },
    capacity: number,
    seed: number,
  ) {
    this.slots = new FlowSlots(capacity, seed);
    this.#starts = new Starts(this.slots, this.clock);
    this.#orienter = new Orienter(this.slots, options.context);
    const { translations, context, findFlow = (): undefined => undefined } = options;
    this.links = new TranslationLinks(this.slots, translations, context, findFlow);
    this.teller = new Teller(this.slots, this.reading, this.clock, { ...options, links: this.links });
    this.#findFlow = findFlow;
    this.#findDetails = options.findDetails ?? ((): undefined => undefined);
  }

  /** Packets seen of any flow, and neither told nor filtered. */
  get packetsPending(): number {
    return this.#pending + this.teller.packetsHeld;
  }

  /**
   * Takes in a key, its value and, where the value says that there are any, its details; fills {@link reading}. Returns
   * the flow's slot, a new one where it is unknown.
   */
  observe(
    keys: Uint32Array,
    key: number,
    values: Uint32Array,
    value: number,
    details: Uint32Array,
    detail: number,
    nowNs: number,
  ): number {
    const { reading } = this;
    const incarnation = values[value + SHARED.incarnation] as number;
    reading.loadValue(values, value);
    let slot = this.slots.find(keys, key);
    if (slot >= 0 && hasBegunAnew(this.slots, slot, reading, incarnation)) {
      this.lose(slot);
      slot = -1;
    }
    if (slot < 0) {
      const firstNs = Math.min(firstSeenNs(reading, nowNs), nowNs);
      const oldNs = Math.min(firstNs, lifeStartNs(reading, values, value, nowNs) - 1);
      slot = this.#open(keys, key, incarnation === 0 ? firstNs : oldNs);
    }
    const row = slot * SLOT_WORDS;
    if (incarnation > (this.slots.words[row + SLOT.incarnation] as number)) {
      if (reading.hasDetails) noteBaseDetails(this.slots, slot, details, detail);
      this.#endUnnoticed(slot, values, value, nowNs);
      reading.loadValue(values, value);
    }
    if (reading.packets === 0)
      reading.lastSeenNs = this.slots.numbers[slot * SLOT_NUMBERS + TOLD.timeNs] as number;
    this.#note(slot, values, value);
    if (reading.hasDetails) noteDetails(this.slots, slot, details, detail);
    return slot;
  }

  /** Takes in what the kernel's table has of a slot, by its key: {@link observe}; −1 where it has nothing. */
  lookAt(slot: number, nowNs: number): number {
    const { keys } = this.slots;
    const key = slot * KEY_WORDS;
    const value = this.#findFlow(keys, key);
    if (value === undefined) return -1;
    const details = this.#findDetails(keys, key) ?? NO_DETAILS;
    return this.observe(keys, key, value, 0, details, 0, nowNs);
  }

  /** Takes in an opened event at `at`: the flow has a slot, and its first packet's time, before any scan. */
  opened(words: Uint32Array, at: number): void {
    const timeNs = number64(words, at + EVENT_WORD.time);
    const slot = this.slots.find(words, at);
    if (slot < 0) this.#beginWith(this.#open(words, at, timeNs), words, at);
    else this.#starts.lower(slot, timeNs);
  }

  /**
   * Takes in a reopened event at `at`: tells the old life up to the base, begins the new one. An event of an entry
   * that was removed since says nothing, and one whose flow is unknown is left to the scan, which finds the same.
   */
  reopened(words: Uint32Array, at: number, nowNs: number): void {
    const slot = this.slots.find(words, at);
    if (slot < 0) return;
    const timeNs = number64(words, at + EVENT_WORD.time);
    const incarnation = words[at + EVENT_WORD.incarnation] as number;
    const own = this.slots.words[slot * SLOT_WORDS + SLOT.incarnation] as number;
    if (incarnation <= own || timeNs < (this.slots.numbers[slot * SLOT_NUMBERS + TOLD.timeNs] as number))
      return;
    const { reading } = this;
    reading.loadReopened(words, at);
    const state = this.slots.words[slot * SLOT_WORDS + SLOT.state] as number;
    reading.firstWay = (state & STATE.firstWay) >>> STATE.firstWayShift;
    const firstNs = noteReopened(this.slots, slot, reading, words, at);
    if (firstNs !== NEVER_NS) this.#starts.beginRecord(slot, firstNs);
    this.slots.tcp.note(slot, reading);
    noteDetailsAtEnd(this.slots, slot, words, at, this.#findDetails);
    this.#endLife(slot, reading.lastSeenNs, nowNs);
    this.livesMerged += incarnation - own - 1;
    this.#startLife(slot, incarnation, timeNs);
    this.#beginWith(slot, words, at);
  }

  /** Tells what `reading` adds; keeps the pending sum. */
  tell(slot: number, reason: number, nowNs: number): void {
    const before = this.pendingOf(slot);
    this.teller.tell(slot, this.reading, reason, nowNs);
    this.#pending += this.pendingOf(slot) - before;
  }

  /** Packets seen of a slot's flow and not told. */
  pendingOf(slot: number): number {
    return pendingOf(this.slots, slot);
  }

  /** Frees a slot whose flow has ended. */
  release(slot: number): void {
    this.#pending -= this.pendingOf(slot);
    const state = this.slots.words[slot * SLOT_WORDS + SLOT.state] as number;
    if ((state & STATE.hasHeldRows) !== 0) this.teller.sendHeld(true, slot);
    this.teller.noteEnded(slot);
    this.#starts.forget(slot);
    this.links.close(slot);
    this.slots.remove(slot);
    this.released++;
  }

  /** Begins with what an agent before this one has told of a flow. */
  adopt(keys: Uint32Array, key: number, values: Uint32Array, value: number): void {
    const slot = restoreSlot(this.slots, keys, key, values, value);
    const next = values[value + EXPORTED.nextIncarnation] as number;
    if (next !== 0) this.#starts.resume(slot, next, values, value + EXPORTED.nextStart);
    const state = slot * SLOT_WORDS + SLOT.state;
    this.slots.words[state] = (this.slots.words[state] as number) | (this.scan << STATE.scanShift);
    this.links.begin(slot);
    this.created++;
  }

  /** Frees a slot whose entry is gone from the kernel; what was pending cannot be told. */
  lose(slot: number): void {
    this.absent++;
    this.packetsAbsent += this.pendingOf(slot);
    this.release(slot);
  }

  #open(keys: Uint32Array, key: number, startNs: number): number {
    const slot = this.slots.insert(keys, key);
    const row = slot * SLOT_WORDS;
    const state = this.slots.words[row + SLOT.state] as number;
    this.slots.words[row + SLOT.state] = state | (this.scan << STATE.scanShift);
    this.created++;
    this.#starts.begin(slot, startNs);
    this.links.begin(slot);
    return slot;
  }

  /** The event at `at` is of the life's first packet. */
  #beginWith(slot: number, words: Uint32Array, at: number): void {
    const state = slot * SLOT_WORDS + SLOT.state;
    const firstWay = ((words[at + EVENT_WORD.octets] as number) >>> 8) & 1;
    const others = (this.slots.words[state] as number) & ~STATE.firstWay;
    this.slots.words[state] = others | (firstWay << STATE.firstWayShift);
    this.#orienter.byPacket(slot, words, at);
  }

  /** The value has a later life than the slot: its event was lost. The base it keeps is where the old life ended. */
  #endUnnoticed(slot: number, values: Uint32Array, value: number, nowNs: number): void {
    const { reading } = this;
    const { words } = this.slots;
    const row = slot * SLOT_WORDS;
    const incarnation = values[value + SHARED.incarnation] as number;
    const startNs = lifeStartNs(reading, values, value, nowNs);
    reading.loadBase(values, value + SHARED.basePackets);
    const low = (words[row + SLOT.ways] as number) & SLOT_WAY.flagsMask;
    const high = (words[row + SLOT.ways + 1] as number) & SLOT_WAY.flagsMask;
    reading.tcpFlags = (low >>> SLOT_WAY.flagsShift) | ((high >>> SLOT_WAY.flagsShift) << 8);
    if (((words[row + SLOT.state] as number) & STATE.orientationMask) === 0)
      this.#orienter.byValue(slot, this.reading, values, value);
    this.#endLife(slot, startNs - 1, nowNs);
    this.livesMerged += incarnation - (words[row + SLOT.incarnation] as number) - 1;
    this.#startLife(slot, incarnation, startNs);
  }

  /** Tells the life that ended at the counts of {@link reading}. */
  #endLife(slot: number, lastNs: number, nowNs: number): void {
    this.reading.lastSeenNs = lastNs;
    this.reading.lastCountedNs = lastNs;
    this.#noteSeen(slot * SLOT_WORDS);
    this.tell(slot, END_REASON.endOfFlowDetected, nowNs);
    this.released++;
    this.created++;
  }

  /** The counts of {@link reading} are where the new life begins, or what was told, if a scan ran ahead of them. */
  #startLife(slot: number, incarnation: number, startNs: number): void {
    const { words, numbers } = this.slots;
    const row = slot * SLOT_WORDS;
    const told = slot * SLOT_NUMBERS;
    for (let i = 0; i < 4; i++) {
      numbers[told + i] = Math.max(numbers[told + i] as number, this.reading.counts[i] as number);
    }
    this.slots.setBase(slot, numbers, told);
    words[row + SLOT.recordNumber] = 0;
    words[row + SLOT.incarnation] = incarnation;
    const detail = this.slots.detailRow(slot);
    if (detail !== 0) this.slots.details.beginLife(detail);
    this.slots.tcp.close(slot);
    const kept = STATE.live | STATE.hasHooks | STATE.hasHeldRows | STATE.scanMask | STATE.hasDetails;
    words[row + SLOT.state] = (words[row + SLOT.state] as number) & kept;
    words[row + SLOT.ways] = (words[row + SLOT.ways] as number) & SLOT_WAY.entered;
    words[row + SLOT.ways + 1] = (words[row + SLOT.ways + 1] as number) & SLOT_WAY.entered;
    this.#starts.beginLater(slot, incarnation, startNs);
    this.links.begin(slot);
  }

  /** Adds to the slot what the value of {@link reading} shows beside its counts. */
  #note(slot: number, values: Uint32Array, value: number): void {
    const { words } = this.slots;
    const row = slot * SLOT_WORDS;
    const hasMore = this.#noteSeen(row);
    const firstNs = notePackets(this.slots, slot, this.reading, values, value);
    if (firstNs !== NEVER_NS) this.#starts.beginRecord(slot, firstNs);
    this.slots.tcp.note(slot, this.reading);
    let state = words[row + SLOT.state] as number;
    state &= ~(STATE.scanMask | STATE.reasonMask | STATE.firstWay);
    state |= (this.scan << STATE.scanShift) | STATE.hasHooks;
    state |= this.reading.firstWay << STATE.firstWayShift;
    words[row + SLOT.state] = state;
    const rule = (state & STATE.orientationMask) >>> (STATE.orientationShift + 1);
    const isOpenToChange = (state & STATE.kindMask) === 0 && rule !== RULE.handshake;
    const mustAsk = hasMore || rule === 0 || this.#orienter.hasNews(this.scan);
    if (isOpenToChange && mustAsk) this.#orienter.byValue(slot, this.reading, values, value);
  }

  /** Adds what {@link reading} counts beyond the last look to the pending sum; true where it is more. */
  #noteSeen(row: number): boolean {
    const { words } = this.slots;
    const { packets } = this.reading;
    const more = ahead(packets, words[row + SLOT.seen] as number);
    if (more === 0) return false;
    this.#pending += more;
    words[row + SLOT.seen] = packets;
    return true;
  }
}
