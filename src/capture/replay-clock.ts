// The clock of a capture: its packets' wall-clock times as a small monotonic time that a double holds exactly.
//
//   monotonic = packet time − first packet's time + 1 day      offset = first packet's time − 1 day (64 bits)

import type { CapturedPacket } from "./packet.ts";
import type { CaptureClock } from "./record.ts";

const SECOND_NS = 1_000_000_000;
/** Room for packets that are older than the first one; and no time is 0. */
const FIRST_NS = 86_400 * SECOND_NS;
/** Half of what a double holds exactly: 52 days. */
const LATE_NS = 2 ** 52;
const WORD = 4294967296;

/** Converts packet times; counts from the packet it was last set by. */
export class ReplayClock {
  #seconds = 0;
  #nanoseconds = 0;
  #offsetLow = 0;
  #offsetHigh = 0;

  /** Counts from this packet on; returns its time. Times told before mean something else now. */
  set(packet: CapturedPacket): number {
    this.#seconds = packet.seconds;
    this.#nanoseconds = packet.nanoseconds;
    const offset = BigInt(packet.seconds) * BigInt(SECOND_NS) + BigInt(packet.nanoseconds) - BigInt(FIRST_NS);
    this.#offsetLow = Number(BigInt.asUintN(32, offset));
    this.#offsetHigh = Number(BigInt.asUintN(32, offset >> 32n));
    return FIRST_NS;
  }

  /** Monotonic ns of a packet; not positive for one that is a day or more older than the first. */
  timeOf(packet: CapturedPacket): number {
    return (packet.seconds - this.#seconds) * SECOND_NS + (packet.nanoseconds - this.#nanoseconds) + FIRST_NS;
  }

  /** True for a time from which on the clock should be set anew, when nothing depends on it. */
  isLate(timeNs: number): boolean {
    return timeNs >= LATE_NS;
  }

  /** The clock as the flow table reads it. */
  at(timeNs: number): CaptureClock {
    return {
      monotonicLow: timeNs % WORD,
      monotonicHigh: Math.floor(timeNs / WORD),
      offsetLow: this.#offsetLow,
      offsetHigh: this.#offsetHigh,
    };
  }
}
