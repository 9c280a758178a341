// Flows that the kernel's table has no more, though nobody took them. Comes in: lives, of which each knows the last scan that
// met it. Goes out: fewer of them, counted.

import type { Lives } from "./lives.ts";
import { SLOT, SLOT_WORDS, STATE } from "./slot-layout.ts";

/** Whole scans that a flow may be absent from before it is given up. */
const ABSENT_SCANS = 2;

/** Gives up the flows that {@link ABSENT_SCANS} whole scans did not meet. */
export function dropAbsent(lives: Lives): void {
  const { slots, scan } = lives;
  for (let slot = 0; slot < slots.end; slot++) {
    const state = slots.words[slot * SLOT_WORDS + SLOT.state] as number;
    if (state === 0) continue;
    const missed = (scan - ((state & STATE.scanMask) >>> STATE.scanShift)) & 0xff;
    if (missed >= ABSENT_SCANS) lives.lose(slot);
  }
}
