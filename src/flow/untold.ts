// What of a flow's counts no record has told. Comes in: slots, a reading. Goes out: packets or bytes of both ways.

import type { Reading } from "./reading.ts";
import { SLOT, SLOT_NUMBERS, SLOT_WORDS, TOLD } from "./slot-layout.ts";
import type { FlowSlots } from "./slots.ts";

const WORD = 4294967296;

/** Packets (bytes) of both ways in `reading` that no record has told, held ones included; by a field of TOLD. */
export function untoldOf({ numbers }: FlowSlots, slot: number, reading: Reading, field: number): number {
  const told = slot * SLOT_NUMBERS + field;
  const { counts, held } = reading;
  const low = (counts[field] as number) + (held[field] as number) - (numbers[told] as number);
  const high = (counts[field + 1] as number) + (held[field + 1] as number) - (numbers[told + 1] as number);
  return Math.max(0, low) + Math.max(0, high);
}

/** Packets seen of a slot's flow and not told. */
export function pendingOf({ words, numbers }: FlowSlots, slot: number): number {
  const told = slot * SLOT_NUMBERS + TOLD.packets;
  const sum = (numbers[told] as number) + (numbers[told + 1] as number);
  return ahead(words[slot * SLOT_WORDS + SLOT.seen] as number, sum % WORD);
}

/** a − b of two counts modulo 2^32; 0 where a is a little behind, as a read that raced with packets can be. */
export function ahead(a: number, b: number): number {
  const difference = ((a % WORD) - b) >>> 0;
  return difference > 0xf0000000 ? 0 : difference;
}
