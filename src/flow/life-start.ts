// When a life began, by a look at a flow's value, and whether the value is of another entry than the one known.
// Comes in: a reading, the words of its value, the slot. Goes out: CLOCK_MONOTONIC in ns, or a claim.

import { number64, SHARED } from "../capture/record.ts";
import { NEVER_NS, type Reading } from "./reading.ts";
import { SLOT, SLOT_NUMBERS, SLOT_WORDS } from "./slot-layout.ts";
import type { FlowSlots } from "./slots.ts";

/** The first packet since the last record, of either way; `nowNs` where none was seen. */
export function firstSeenNs(reading: Reading, nowNs: number): number {
  const first = Math.min(reading.firstSeenNs[0] as number, reading.firstSeenNs[1] as number);
  return first === NEVER_NS ? nowNs : first;
}

/** When the present life of the value at `value` began: its SYN, else the first packet seen. */
export function lifeStartNs(reading: Reading, values: Uint32Array, value: number, nowNs: number): number {
  return number64(values, value + SHARED.synNs) || Math.min(firstSeenNs(reading, nowNs), nowNs);
}

/** True where the entry counts less than was told: another one, made after ours went without our doing. */
export function hasBegunAnew(
  { words, numbers }: FlowSlots,
  slot: number,
  { counts }: Reading,
  incarnation: number,
): boolean {
  const told = slot * SLOT_NUMBERS;
  for (let i = 0; i < 4; i++) if ((counts[i] as number) < (numbers[told + i] as number)) return true;
  return incarnation < (words[slot * SLOT_WORDS + SLOT.incarnation] as number);
}
