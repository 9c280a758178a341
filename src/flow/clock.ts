// Monotonic to wall-clock time, exact to the nanosecond in two 32-bit words (low first), without bigint.

import type { CaptureClock } from "../capture/record.ts";

const WORD = 4294967296;
/** A wall clock set back further than this between two records is followed, see {@link raiseAbove}. */
const STEP_NS = 60e9;

/** Converts CLOCK_MONOTONIC of one poll to UnixNanos. */
export class WallClock {
  #offsetLow = 0;
  #offsetHigh = 0;

  /** Takes the offset CLOCK_REALTIME − CLOCK_MONOTONIC of a poll; returns its monotonic time in ns. */
  set(clock: CaptureClock): number {
    this.#offsetLow = clock.offsetLow >>> 0;
    this.#offsetHigh = clock.offsetHigh >>> 0;
    return clock.monotonicHigh * WORD + clock.monotonicLow;
  }

  /** Writes `monotonicNs` as UnixNanos into two words at `at`. */
  convert(monotonicNs: number, words: Uint32Array, at: number): void {
    const low = (monotonicNs >>> 0) + this.#offsetLow;
    words[at] = low;
    words[at + 1] = Math.floor(monotonicNs / WORD) + this.#offsetHigh + (low >= WORD ? 1 : 0);
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

/**
 * Raises `time` to one nanosecond after `floor` if it is not later, so that a slewed clock, or a packet that was
 * told before its generation was seen, makes no records overlap. A clock set back by more than a minute is believed.
 */
export function raiseAbove(time: Uint32Array, timeAt: number, floor: Uint32Array, floorAt: number): void {
  const ahead = difference64(time, timeAt, floor, floorAt);
  if (ahead > 0 || ahead < -STEP_NS) return;
  const low = (floor[floorAt] as number) + 1;
  time[timeAt] = low;
  time[timeAt + 1] = (floor[floorAt + 1] as number) + (low >= WORD ? 1 : 0);
}
