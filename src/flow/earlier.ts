// What an agent before this one has told, held against what the kernel counts. Comes in: entries of FLOW_EXPORTED,
// slices of FLOW_STATS. Goes out: slots, and how many packets nobody has told yet.

import { EXPORTED, EXPORTED_BYTES } from "../capture/exported.ts";
import { type FlowSampleBatch, KEY_WORDS, number64, VALUE_WORDS, WAY, WAY_WORDS } from "../capture/record.ts";
import type { Lives } from "./lives.ts";
import { SLOT_NUMBERS, TOLD } from "./slot-layout.ts";
import type { FlowSlots } from "./slots.ts";

/** Keys with values of FLOW_EXPORTED. */
export type ExportedFlows = Pick<FlowSampleBatch, "keys" | "values" | "count">;

/** In {@link TakenFlows}: the map had the key; or it stays, as an earlier flow with it is not acknowledged yet. */
export const PRESENT = { taken: 1, stays: 2 } as const;

/** Flows taken from the map: their last values, and one of {@link PRESENT}, or 0 where the map had not the key. */
export interface TakenFlows extends FlowSampleBatch {
  readonly present: Uint8Array;
}

/** Makes slots of flows that were told before. */
export function adoptFlows(lives: Lives, { keys, values, count }: ExportedFlows): void {
  for (let i = 0; i < count; i++) {
    const value = i * (EXPORTED_BYTES / 4);
    // A flow that nothing was told of has no start either.
    if (number64(values, value + EXPORTED.flowStart) !== 0) lives.adopt(keys, i * KEY_WORDS, values, value);
  }
}

/** Packets of a slice of FLOW_STATS that no record has told. */
export function countUntold(slots: FlowSlots, { keys, values, count }: FlowSampleBatch): number {
  let untold = 0;
  for (let i = 0; i < count; i++) {
    const low = i * VALUE_WORDS + WAY.packets;
    const counted = number64(values, low) + number64(values, low + WAY_WORDS);
    const slot = slots.find(keys, i * KEY_WORDS);
    const at = slot * SLOT_NUMBERS + TOLD.packets;
    const told = slot < 0 ? 0 : (slots.numbers[at] as number) + (slots.numbers[at + 1] as number);
    untold += Math.max(0, counted - told);
  }
  return untold;
}
