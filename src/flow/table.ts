// The flows that live: every scan of the kernel's map is held against it, and what is new becomes records.
// Comes in: FlowSampleBatch, FlowEventBatch, taken values. Goes out: FlowRecordBatch, keys of flows to take.
// Counts told are the kernel's own, so each delta is told once: told + pending = counted, at any moment.

import {
  type CaptureClock,
  DETAILS_WORDS,
  EVENT_BYTES,
  EVENT_KIND,
  type FlowEventBatch,
  type FlowSampleBatch,
  KEY_WORDS,
  OVERFLOW_EVENT_BYTES,
  REOPENED_EVENT_BYTES,
  type ScanReach,
  VALUE_WORDS,
} from "../capture/record.ts";
import { dropAbsent } from "./absent.ts";
import { adoptFlows, countUntold, type ExportedFlows, PRESENT, type TakenFlows } from "./earlier.ts";
import { PRESSURE_SHARE, RELIEF_SHARE } from "./eviction.ts";
import { END_REASON, type FlowRecordBatch } from "./flow.ts";
import { Judge } from "./judge.ts";
import type { EndedKeys } from "./key-list.ts";
import type { FlowTimeouts } from "./lifecycle.ts";
import { Lives, type LivesOptions } from "./lives.ts";
import { OverflowFlows } from "./overflow.ts";
import { ReachPlan } from "./reach-plan.ts";
import { RecordQueue } from "./record-queue.ts";
import { SLOT, SLOT_WORDS } from "./slot-layout.ts";
import { TOUCHED_KEYS } from "./slots.ts";
import type { TableStats } from "./stats.ts";
import { countTable } from "./table-stats.ts";
import { Translations } from "./translations.ts";
import { Translator } from "./translator.ts";

/** What a table needs beside its input. */
export interface FlowTableOptions extends LivesOptions {
  readonly timeouts: FlowTimeouts;
  /** Entries of the kernel's table: flows are evicted where it is nearly full. undefined: none ever is. */
  readonly mapCapacity?: number;
  /** Flows to have room for at first; the table grows. Default {@link mapCapacity}, else 1024. */
  readonly capacity?: number;
  /** Whether scans may leave out flows without news; the flows must then be found by `findFlow`. Default false. */
  readonly maySeekNews?: boolean;
  /** Of the hash over keys; default random, so that nobody can aim at one place. */
  readonly seed?: number;
}

/** Word of an event that begins with its kind. */
const EVENT_OCTETS = 14;
const FIRST_CAPACITY = 1024;
const FIRST_OVERFLOW_CAPACITY = 64;

/**
 * One scan: `beginScan`, `addSlice` for each slice, `endScan`; after any of these, take `takeEndedKeys` from the map and
 * `settle` them; then `takeRecords` until there are none. `addEvents` goes between any two calls. Owned by one thread.
 */
export class FlowTable {
  /** May be replaced while running: the next scan decides by it. */
  timeouts: FlowTimeouts;
  /** The records that wait. */
  readonly records: RecordQueue;
  /** Takes in what conntrack tells, between any two calls. */
  readonly translator: Translator;
  readonly #lives: Lives;
  readonly #overflowLives: Lives;
  readonly #overflow: OverflowFlows;
  readonly #mapCapacity: number | undefined;
  readonly #context: FlowTableOptions["context"];
  readonly #judge: Judge;
  #evicted = 0;
  #isPressed = false;
  #nowNs = 0;
  #isFinal = false;
  #isHandedOver = false;
  readonly #plan: ReachPlan;
  #reach: ScanReach = "all";
  /** Flows that the scan met and that are still there. */
  #met = 0;

  constructor(options: FlowTableOptions) {
    this.timeouts = options.timeouts;
    const seed = options.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
    const known = { ...options, translations: new Translations(seed) };
    this.#lives = new Lives(known, options.capacity ?? options.mapCapacity ?? FIRST_CAPACITY, seed);
    this.#overflowLives = new Lives({ ...known, exported: undefined }, FIRST_OVERFLOW_CAPACITY, seed);
    this.translator = new Translator(known.translations, [this.#lives.links, this.#overflowLives.links]);
    this.#overflow = new OverflowFlows(this.#overflowLives);
    this.records = new RecordQueue(this.#lives.teller.records, this.#overflowLives.teller.records);
    this.#mapCapacity = options.mapCapacity;
    this.#context = options.context;
    this.#judge = new Judge(this.#lives, options.timeouts, options.mapCapacity !== undefined);
    this.#plan = new ReachPlan(options.maySeekNews ?? false);
  }

  /** Begins a scan at the moment `clock`, of {@link reach}. */
  beginScan(clock: CaptureClock): void {
    this.#nowNs = this.#lives.clock.set(clock);
    this.#overflow.setClock(clock);
    if (this.#isPressed) this.#plan.wantAll();
    this.#reach = this.#plan.next({ timeouts: this.timeouts, revision: this.#context.revision });
    if (this.#reach === "all") this.#lives.scan = (this.#lives.scan + 1) & 0xff;
    this.#isPressed = false;
    this.#isFinal = false;
    this.#isHandedOver = false;
    this.#met = 0;
    this.#judge.begin(this.timeouts, this.#nowNs, this.#reach);
  }

  /**
   * Begins the last scan, at shutdown: every flow it meets is told and freed at once, as `forced_end` unless its
   * connection is closed. No flow is to be taken; whatever counts must be detached before. Any number of records waits.
   */
  beginFinalScan(clock: CaptureClock): void {
    this.#plan.wantAll();
    this.beginScan(clock);
    this.records.bound(Number.POSITIVE_INFINITY);
    this.#isFinal = true;
  }

  /**
   * Begins the last scan where flows go on without this agent: what is new of each is told, and none ends but those
   * that are in no entry of the kernel's.
   */
  beginHandover(clock: CaptureClock): void {
    this.#plan.wantAll();
    this.beginScan(clock);
    this.records.bound(Number.POSITIVE_INFINITY);
    this.#isHandedOver = true;
  }

  /** What the scan under way has to read: `news` leaves out what `Reader.nextSlice` may. */
  get reach(): ScanReach {
    return this.#reach;
  }

  /** Begins with flows that an agent before this one has told; before anything else comes in. */
  adopt(flows: ExportedFlows): void {
    adoptFlows(this.#lives, flows);
  }

  /** Packets of a slice that are in no record yet. */
  untoldIn(slice: FlowSampleBatch): number {
    return countUntold(this.#lives.slots, slice);
  }

  /** Takes in one slice of the scan. Records that are due are made at once, flows that end are collected. */
  addSlice(batch: FlowSampleBatch): void {
    const { slots } = this.#lives;
    for (let i = 0; i < batch.count; i++) {
      if (i % TOUCHED_KEYS === 0)
        slots.touch(batch.keys, i * KEY_WORDS, Math.min(batch.count - i, TOUCHED_KEYS));
      const slot = this.#observe(batch, i);
      this.#met++;
      if (this.#isFinal) this.#judge.force(slot);
      else if (this.#isHandedOver) this.#lives.tell(slot, END_REASON.activeTimeout, this.#nowNs);
      else this.#judge.decide(slot);
    }
  }

  /**
   * Ends the scan. One of everything gives up the flows that two of these did not meet, counted, and where the kernel's
   * table is nearly full, chooses flows to end for that; one for news ends the quiet flows that it has left out.
   * @param entriesUsed of the kernel's table, now; 0: not known
   */
  endScan(entriesUsed: number = 0): void {
    const { slots, teller } = this.#lives;
    if (this.#isFinal) {
      for (let slot = 0; slot < slots.end; slot++)
        if (slots.words[slot * SLOT_WORDS + SLOT.state] !== 0) this.#lives.lose(slot);
      this.#overflow.finish(this.#nowNs);
    } else if (this.#isHandedOver) {
      this.#overflow.finish(this.#nowNs);
    } else {
      if (this.#reach === "news") {
        if (!this.#judge.decideLeftOut()) this.#plan.wantAll();
      } else if (this.#met < slots.size) dropAbsent(this.#lives);
      this.#evict(entriesUsed - this.#judge.ended.count);
      this.#overflow.endScan(this.#nowNs, this.timeouts.maxRecordIntervalNs);
    }
    teller.sendHeld(this.#isFinal || this.#isHandedOver);
  }

  /**
   * Hands over the flows that the scan found to have ended since the last call: to be taken from the map, in slices, and
   * settled. Valid until the next slice, or the scan's end, comes in.
   */
  takeEndedKeys(): EndedKeys {
    const { ended } = this.#judge;
    const taken = { keys: ended.words, count: ended.count };
    ended.clear();
    return taken;
  }

  /**
   * Tells flows taken from the map for the last time, by their final values, and frees them. Where the map had not the
   * key, what was pending is counted as absent.
   */
  settle(taken: TakenFlows): void {
    const lives = this.#lives;
    lives.teller.noteTaken(true);
    for (let i = 0; i < taken.count; i++) {
      if (taken.present[i] === PRESENT.stays) continue;
      this.#met--;
      const known = lives.slots.find(taken.keys, i * KEY_WORDS);
      if (taken.present[i] !== PRESENT.taken) {
        if (known >= 0) lives.lose(known);
        continue;
      }
      const reason = known < 0 ? 0 : this.#judge.reasonOf(known);
      const slot = this.#observe(taken, i);
      lives.tell(slot, reason === 0 ? END_REASON.idleTimeout : reason, this.#nowNs);
      lives.release(slot);
      if (reason === END_REASON.lackOfResources) this.#evicted++;
    }
    lives.teller.noteTaken(false);
  }

  /** Takes in a drain of the ring, read at the moment `clock`. Records of unknown kind are left out. */
  addEvents(batch: FlowEventBatch, clock: CaptureClock): void {
    const nowNs = this.#lives.clock.set(clock);
    this.#overflow.setClock(clock);
    const { words } = batch;
    for (let at = 0, end = batch.length >>> 2; at + 2 <= end; ) {
      const bytes = words[at] as number;
      const event = at + 2;
      at = event + Math.ceil(bytes / 8) * 2;
      if (at > end || bytes < EVENT_BYTES) continue;
      this.#addEvent(words, event, bytes, nowNs);
    }
  }

  /** Hands over the oldest records in buffers that may be transferred; undefined where none wait. */
  takeRecords(): FlowRecordBatch | undefined {
    return this.records.take();
  }

  /** The counters as they are now. */
  stats(): TableStats {
    return countTable(this.#lives, this.#overflowLives, this.#overflow, {
      evicted: this.#evicted,
      translator: this.translator,
    });
  }

  /**
   * The first moment (CLOCK_MONOTONIC ns) at which, were there no further packet, a scan would find anything to do that
   * the last one did not: a replay need not scan before. 0: at once; infinite where no flow lives.
   */
  get nextDueNs(): number {
    return this.#overflow.size === 0 ? this.#judge.nextDueNs : 0;
  }

  /** True from when the kernel's table was found nearly full until the next scan begins. */
  get isPressed(): boolean {
    return this.#isPressed;
  }

  /** Bytes that the table holds. */
  get bytes(): number {
    const { bytes } = this.#lives.slots;
    return bytes + this.translator.bytes + this.#overflow.bytes + this.#judge.bytes;
  }

  #addEvent(words: Uint32Array, at: number, bytes: number, nowNs: number): void {
    const kind = (words[at + EVENT_OCTETS] as number) & 0xff;
    if (kind === EVENT_KIND.opened) this.#lives.opened(words, at);
    else if (kind === EVENT_KIND.reopened && bytes >= REOPENED_EVENT_BYTES)
      this.#lives.reopened(words, at, nowNs);
    else if (kind === EVENT_KIND.pressure) this.#isPressed = true;
    else if (kind === EVENT_KIND.overflow && bytes >= OVERFLOW_EVENT_BYTES) {
      this.#isPressed = true; // A full table makes no entry, and so no pressure event.
      this.#overflow.add(words, at, nowNs, this.timeouts.maxRecordIntervalNs);
    }
  }

  #observe({ keys, values, details }: FlowSampleBatch, index: number): number {
    const value = index * VALUE_WORDS;
    const detail = index * DETAILS_WORDS;
    return this.#lives.observe(keys, index * KEY_WORDS, values, value, details, detail, this.#nowNs);
  }

  /** @param entriesUsed of the kernel's table, once the flows that ended are taken */
  #evict(entriesUsed: number): void {
    if (this.#mapCapacity === undefined || entriesUsed <= this.#mapCapacity * PRESSURE_SHARE) return;
    // The flows that a scan for news left out have no rank: the next, which comes at once, ranks all.
    if (this.#reach === "news") this.#isPressed = true;
    else this.#judge.evict(entriesUsed - Math.floor(this.#mapCapacity * RELIEF_SHARE));
  }
}
