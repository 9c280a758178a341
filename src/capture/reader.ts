// Reading the maps: ring drain, scan in slices, removal, counters, clock. Comes in: a Probe. Goes out: batches over
// buffers that are reused at the next call. Never decodes a flow.

import { counterWords, decodeCounters } from "./counters.ts";
import { nulTerminated } from "./library.ts";
import type { Probe, Side } from "./probe.ts";
import {
  type CaptureClock,
  DETAILS_BYTES,
  type FlowEventBatch,
  type FlowSampleBatch,
  KEY_BYTES,
  KEY_WORDS,
  number64,
  type ScanReach,
  VALUE_BYTES,
} from "./record.ts";
import { COUNTER_NAMES, type KernelCounter } from "./stats.ts";

/**
 * Entries of one slice: reading it, or taking all of it out of the map, takes at most about 1 ms, well below the 10 ms
 * between ring drains, and what was read is still in the processor's caches when it is taken.
 */
export const SLICE_ENTRIES = 1024;

const DRAIN_BYTES = 1 << 20;
const ENOENT = -2;
/** MERMINBPF_SCAN_END. */
const SCAN_END = 0x7fffffff;

/** Flows taken out of the map: `count` keys as asked, their last values and details, and 1 where there was one. */
export interface TakenFlows extends FlowSampleBatch {
  readonly present: Uint8Array;
}

/** Run time and runs of one program. */
export interface RunStatistics {
  readonly nanoseconds: number;
  readonly runs: number;
}

/** Reads one probe's maps into its own buffers. */
export class Reader {
  readonly #probe: Probe;
  readonly #drain: Uint32Array = new Uint32Array(new ArrayBuffer(DRAIN_BYTES));
  readonly #keys: Uint32Array = new Uint32Array(new ArrayBuffer(SLICE_ENTRIES * KEY_BYTES));
  readonly #values: Uint32Array = new Uint32Array(new ArrayBuffer(SLICE_ENTRIES * VALUE_BYTES));
  readonly #details: Uint32Array = new Uint32Array(new ArrayBuffer(SLICE_ENTRIES * DETAILS_BYTES));
  readonly #takeKeys: Uint32Array = new Uint32Array(new ArrayBuffer(SLICE_ENTRIES * KEY_BYTES));
  readonly #takeValues: Uint32Array = new Uint32Array(new ArrayBuffer(SLICE_ENTRIES * VALUE_BYTES));
  readonly #takeDetails: Uint32Array = new Uint32Array(new ArrayBuffer(SLICE_ENTRIES * DETAILS_BYTES));
  readonly #present: Uint8Array = new Uint8Array(new ArrayBuffer(SLICE_ENTRIES));
  readonly #findKey: Uint32Array = new Uint32Array(new ArrayBuffer(KEY_BYTES));
  readonly #foundDetails: Uint32Array = new Uint32Array(new ArrayBuffer(DETAILS_BYTES));
  readonly #foundFlow: Uint32Array = new Uint32Array(new ArrayBuffer(VALUE_BYTES));
  readonly #counters: Uint32Array = counterWords();
  readonly #clock: Uint32Array = new Uint32Array(new ArrayBuffer(16));
  readonly #figures: Uint32Array = new Uint32Array(new ArrayBuffer(16));
  #generation: number;

  constructor(probe: Probe) {
    this.#probe = probe;
    this.#generation = probe.library.merminbpf_scan_generation(probe.handle);
  }

  /** The generation of the scan that was begun last. */
  get generation(): number {
    return this.#generation;
  }

  /** Takes what the ring holds, up to 1 MiB. `length` 0: it is empty. */
  drain(): FlowEventBatch {
    const { library, handle } = this.#probe;
    const length = library.merminbpf_ring_drain(handle, this.#drain, DRAIN_BYTES);
    return { length: this.#probe.check(length, "Cannot read the ring buffer"), words: this.#drain };
  }

  /** Bytes waiting in the ring. */
  ringBytesPending(): number {
    return this.#probe.library.merminbpf_ring_pending(this.#probe.handle);
  }

  /** Begins a scan of the flows; the programs see the new generation and the heartbeat. */
  beginScan(): void {
    this.#generation = (this.#generation + 1) >>> 0 || 1;
    const result = this.#probe.library.merminbpf_scan_begin(this.#probe.handle, this.#generation);
    this.#probe.check(result, "Cannot begin a scan of the flows");
  }

  /** Nothing is counted from here on, for good; scans go on as before. */
  stopCounting(): void {
    this.#probe.stopCounting();
  }

  /**
   * The next slice of the scan; undefined at its end.
   * @param reach `news`: flows without a packet since the scan before this one began are passed over, but for those
   *   that have details or packets that a candidate hook holds; slices may be empty then
   */
  nextSlice(reach: ScanReach = "all"): FlowSampleBatch | undefined {
    const { library, handle } = this.#probe;
    const since = reach === "all" ? 0 : this.#generation - 1;
    const count = library.merminbpf_scan_next(
      handle,
      this.#keys,
      this.#values,
      this.#details,
      SLICE_ENTRIES,
      since,
    );
    if (this.#probe.check(count, "Cannot read the flows") === SCAN_END) return undefined;
    return { count, keys: this.#keys, values: this.#values, details: this.#details };
  }

  /**
   * Removes flows, at most {@link SLICE_ENTRIES}: `count` keys of 12 words from `first` on.
   * @param reach of the scan that found them: after one for `news`, flows with a packet since it began stay
   */
  take(keys: Uint32Array, first: number, count: number, reach: ScanReach = "all"): TakenFlows {
    const { library, handle } = this.#probe;
    this.#takeKeys.set(keys.subarray(first * KEY_WORDS, (first + count) * KEY_WORDS));
    const result = library.merminbpf_flows_take(
      handle,
      this.#takeKeys,
      count,
      this.#takeValues,
      this.#takeDetails,
      this.#present,
      reach === "all" ? 0 : 1,
    );
    this.#probe.check(result, "Cannot remove flows");
    return {
      count,
      keys: this.#takeKeys,
      values: this.#takeValues,
      details: this.#takeDetails,
      present: this.#present,
    };
  }

  /** One flow's details by its key, 12 words from `at` on; undefined where it has none. Valid until the next call. */
  findDetails(keys: Uint32Array, at: number): Uint32Array | undefined {
    const { library, handle } = this.#probe;
    this.#findKey.set(keys.subarray(at, at + KEY_WORDS));
    const result = library.merminbpf_details_find(handle, this.#findKey, this.#foundDetails);
    if (result === ENOENT) return undefined;
    this.#probe.check(result, "Cannot find a flow's details");
    return this.#foundDetails;
  }

  /** One flow's value by its key, as {@link findDetails}. */
  findFlow(keys: Uint32Array, at: number): Uint32Array | undefined {
    const { library, handle } = this.#probe;
    this.#findKey.set(keys.subarray(at, at + KEY_WORDS));
    const result = library.merminbpf_flow_find(handle, this.#findKey, this.#foundFlow);
    if (result === ENOENT) return undefined;
    this.#probe.check(result, "Cannot find a flow");
    return this.#foundFlow;
  }

  /** Entries of FLOW_STATS in use. */
  entriesUsed(): number {
    return this.#probe.library.merminbpf_entries_used(this.#probe.handle);
  }

  /** Sets how many entries in use make the programs send a pressure event; 0: never. */
  setPressure(entries: number): void {
    const { library, handle } = this.#probe;
    this.#probe.check(
      library.merminbpf_pressure_set(handle, entries),
      "Cannot set the table's pressure mark",
    );
  }

  /** Begins the present scan anew: the programs see no new generation. */
  rescan(): void {
    const result = this.#probe.library.merminbpf_scan_begin(this.#probe.handle, this.#generation);
    this.#probe.check(result, "Cannot begin a scan of the flows");
  }

  /** COUNTERS, of whatever agents, summed over the CPUs, in the order of {@link COUNTER_NAMES}. */
  counters(): readonly KernelCounter[] {
    const { library, handle } = this.#probe;
    const result = library.merminbpf_counters_read(handle, this.#counters, COUNTER_NAMES.length);
    this.#probe.check(result, "Cannot read the counters");
    return decodeCounters(this.#counters);
  }

  /** Now, as the kernel's times are converted: monotonic, and the wall clock's distance from it. */
  clock(): CaptureClock {
    this.#probe.check(this.#probe.library.merminbpf_clock_read(this.#clock), "Cannot read the clock");
    const [monotonicLow, monotonicHigh, realLow, realHigh] = this.#clock as unknown as [
      number,
      number,
      number,
      number,
    ];
    const borrow = realLow < monotonicLow ? 1 : 0;
    return {
      monotonicLow,
      monotonicHigh,
      offsetLow: (realLow - monotonicLow) >>> 0,
      offsetHigh: (realHigh - monotonicHigh - borrow) >>> 0,
    };
  }

  /** Run time of one of our programs, while the kernel's BPF statistics are on. */
  runStatistics(side: Side): RunStatistics {
    const { library, handle } = this.#probe;
    const name = nulTerminated(`mermin_${side}`);
    const result = library.merminbpf_program_run_statistics(handle, name, this.#figures);
    this.#probe.check(result, "Cannot read the program's run statistics");
    return { nanoseconds: number64(this.#figures, 0), runs: number64(this.#figures, 2) };
  }
}
