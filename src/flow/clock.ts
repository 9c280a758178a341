// Monotonic to wall-clock time, exact to the nanosecond in two 32-bit words (low first), without bigint.

import type { CaptureClock } from "../capture/record.ts";
import { SLOT } from "./slot-layout.ts";

const WORD = 4294967296;
/** A record that would begin this long before its flow is no slewed clock's, nor of a packet that was read late. */
const STEP_NS = 60e9;

/**
 * Converts CLOCK_MONOTONIC of one poll to UnixNanos, and keeps the records of a flow apart when the wall clock is set.
 *
 * ```
 *              flow start ├──1──┤├──2──┤ horizon
 *   set back ──▶ ├──3──┤├──4──┤          ├──5──┤
 * ```
 *
 * Where the clock is set back beyond the flow's first packet, its records go before all that was told of it (3, 4), so
 * that they have the right time at once; where time comes to the flow's start again, they go on behind what was told
 * (5). Any other record begins at the end of the one before until time has passed that. A host that was suspended is a
 * step forward: CLOCK_MONOTONIC stood still. Steps are seen at the next poll. Only a second step far back in the life of
 * one flow may make its records overlap.
 */
export class WallClock {
  #offsetLow = 0;
  #offsetHigh = 0;
  /** The latest time told. */
  readonly #latest = new Uint32Array(2);
  /** The same when the clock was last set back. */
  readonly #horizon = new Uint32Array(2);

  /** Takes the offset CLOCK_REALTIME − CLOCK_MONOTONIC of a poll; returns its monotonic time in ns. */
  set(clock: CaptureClock): number {
    const low = clock.offsetLow >>> 0;
    const high = clock.offsetHigh >>> 0;
    const isBack = high < this.#offsetHigh || (high === this.#offsetHigh && low < this.#offsetLow);
    if (isBack) copy64(this.#horizon, 0, this.#latest, 0);
    this.#offsetLow = low;
    this.#offsetHigh = high;
    return clock.monotonicHigh * WORD + clock.monotonicLow;
  }

  /** Writes `monotonicNs` as UnixNanos into two words at `at`. */
  convert(monotonicNs: number, words: Uint32Array, at: number): void {
    const low = (monotonicNs >>> 0) + this.#offsetLow;
    words[at] = low;
    words[at + 1] = Math.floor(monotonicNs / WORD) + this.#offsetHigh + (low >= WORD ? 1 : 0);
    if (isBefore(this.#latest, 0, words, at)) copy64(this.#latest, 0, words, at);
  }

  /** Moves the start `time` of a record behind what was told of its flow, whose slot has its row at `row`. */
  startRecord(time: Uint32Array, timeAt: number, words: Uint32Array, row: number): void {
    const end = row + SLOT.recordStart;
    const flowStart = row + SLOT.flowStart;
    const isBack = isBefore(words, end, words, flowStart);
    const isFarBack = difference64(time, timeAt, words, flowStart) < -STEP_NS;
    if (!isBefore(words, end, time, timeAt) && (isBack || !isFarBack)) follow64(time, timeAt, words, end);
    if (!isBack || isBefore(time, timeAt, words, flowStart)) return;
    if (!isBefore(this.#horizon, 0, time, timeAt)) follow64(time, timeAt, this.#horizon, 0);
  }

  /** Moves the end of a record at `at` + 2 behind its start at `at`, and before what was told of its flow already. */
  endRecord(times: Uint32Array, at: number, words: Uint32Array, row: number): void {
    const end = at + 2;
    const flowStart = row + SLOT.flowStart;
    if (isBefore(times, at, words, flowStart) && !isBefore(times, end, words, flowStart))
      precede64(times, end, words, flowStart);
    if (isBefore(times, end, times, at)) copy64(times, end, times, at);
  }
}

/** a − b of two 64-bit times in ns; exact where they are less than 2^53 ns (104 days) apart. */
export function difference64(a: Uint32Array, aAt: number, b: Uint32Array, bAt: number): number {
  const high = (a[aAt + 1] as number) - (b[bAt + 1] as number);
  return high * WORD + ((a[aAt] as number) - (b[bAt] as number));
}

/** Copies a 64-bit value. */
export function copy64(to: Uint32Array, toAt: number, from: Uint32Array, fromAt: number): void {
  to[toAt] = from[fromAt] as number;
  to[toAt + 1] = from[fromAt + 1] as number;
}

/** Writes a whole number ≥ 0 below 2^53 as 64 bits. */
export function write64(to: Uint32Array, at: number, value: number): void {
  to[at] = value;
  to[at + 1] = value / WORD;
}

/** Whether a 64-bit value is less than another. */
function isBefore(a: Uint32Array, aAt: number, b: Uint32Array, bAt: number): boolean {
  const high = (a[aAt + 1] as number) - (b[bAt + 1] as number);
  return high < 0 || (high === 0 && (a[aAt] as number) < (b[bAt] as number));
}

/** Writes the nanosecond after a time. */
function follow64(to: Uint32Array, toAt: number, from: Uint32Array, fromAt: number): void {
  const low = (from[fromAt] as number) + 1;
  to[toAt] = low;
  to[toAt + 1] = (from[fromAt + 1] as number) + (low >= WORD ? 1 : 0);
}

/** Writes the nanosecond before a time. */
function precede64(to: Uint32Array, toAt: number, from: Uint32Array, fromAt: number): void {
  const low = (from[fromAt] as number) - 1;
  to[toAt] = low;
  to[toAt + 1] = (from[fromAt + 1] as number) - (low < 0 ? 1 : 0);
}
