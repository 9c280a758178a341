// When there is something to do about flows without a further packet: they end, or a record is due. Comes in and goes
// out: CLOCK_MONOTONIC in ns, and the same in 32 bits for each slot.

/** 2^32 of these are 52 days: times are compared modulo that. */
const TICK_NS = 2 ** 20;

/** `timeNs`, at most 26 days away, in ticks, rounded up; never 0. */
export function dueTick(timeNs: number): number {
  return Math.ceil(timeNs / TICK_NS) >>> 0 || 1;
}

/** Calls `tell` with each slot whose tick in `due`, below `end`, is there or past at `nowNs`. */
export function findDue(due: Uint32Array, end: number, nowNs: number, tell: (slot: number) => void): void {
  const now = Math.floor(nowNs / TICK_NS) >>> 0;
  for (let slot = 0; slot < end; slot++) {
    const tick = due[slot] as number;
    if (tick !== 0 && ((now - tick) | 0) >= 0) tell(slot);
  }
}
