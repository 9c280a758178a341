// Which flows go when the kernel's table is nearly full: one-way flows of at most two packets, oldest first, then those
// that were quiet for longest. So a flood of first packets pushes out itself, never a long quiet conversation.
// Comes in: what a scan saw of each flow. Goes out: slots. Never touches the table.

import type { Reading } from "./reading.ts";

/** Of the kernel's entries: beyond this share in use flows are evicted … */
export const PRESSURE_SHARE = 0.9;
/** … until this share is. */
export const RELIEF_SHARE = 0.8;

/** One-way flows of no more packets than this go first. */
const SLIGHT_PACKETS = 2;
/** Buckets of quiet time: 32 an octave of milliseconds, so that times are told apart to 3 %. */
const OCTAVE = 32;
const OCTAVE_BITS = 5;
const MOST_QUIET_MS = 2 ** 30;
const BUCKETS = bucketOf(MOST_QUIET_MS) + 1;
const NS_PER_MS = 1e6;

/** The rank of every flow of one scan; 2 bytes a slot. */
export class Eviction {
  /** By slot: 1 goes first, `2 * BUCKETS` last; 0: not to be evicted. */
  #ranks = new Uint16Array(0);
  readonly #counts = new Uint32Array(2 * BUCKETS + 1);

  /** Bytes held. */
  get bytes(): number {
    return this.#ranks.byteLength + this.#counts.byteLength;
  }

  /** Forgets the ranks of the scan before. */
  begin(): void {
    this.#ranks.fill(0);
  }

  /** Ranks a flow that goes on, of which `reading` has the counts. */
  note(slot: number, reading: Reading, nowNs: number): void {
    if (slot >= this.#ranks.length) this.#grow(slot + 1);
    const quietMs = Math.max(0, Math.min((nowNs - reading.lastSeenNs) / NS_PER_MS, MOST_QUIET_MS));
    const low = reading.counts[0] as number;
    const high = reading.counts[1] as number;
    const isSlight = low + high <= SLIGHT_PACKETS && (low === 0 || high === 0);
    this.#ranks[slot] = (isSlight ? BUCKETS : 2 * BUCKETS) - bucketOf(quietMs | 0);
  }

  /** Chooses `wanted` of the flows noted, or all where there are fewer; those of one rank in the order of slots. */
  choose(wanted: number, evict: (slot: number) => void): void {
    const counts = this.#counts.fill(0);
    const ranks = this.#ranks;
    for (let slot = 0; slot < ranks.length; slot++) {
      const rank = ranks[slot] as number;
      counts[rank] = (counts[rank] as number) + 1;
    }
    let last = 1;
    let left = wanted;
    for (; last < counts.length && (counts[last] as number) <= left; last++) left -= counts[last] as number;
    for (let slot = 0; slot < ranks.length; slot++) {
      const rank = ranks[slot] as number;
      if (rank === 0 || rank > last || (rank === last && left-- <= 0)) continue;
      evict(slot);
    }
  }

  #grow(slots: number): void {
    const ranks = new Uint16Array(Math.max(slots, 1024, this.#ranks.length * 2));
    ranks.set(this.#ranks);
    this.#ranks = ranks;
  }
}

/** Logarithmic: the octave, and the highest bits within it. */
function bucketOf(quietMs: number): number {
  const shift = Math.max(0, 31 - Math.clz32(quietMs) - OCTAVE_BITS);
  return shift * OCTAVE + (quietMs >>> shift);
}
