// What a slot keeps of its flow's details: as a look at them shows, and as a life ended.

import { DETAILS, DETAILS_WORDS } from "../capture/record.ts";
import { EVENT_WORD } from "./reading.ts";
import type { FlowSlots } from "./slots.ts";

/** What FLOW_DETAILS has under the key of 12 words at `at`, valid until the next call; undefined where nothing. */
export type FindDetails = (keys: Uint32Array, at: number) => Uint32Array | undefined;

/** Words of the counts in a reopened event: four overheads and the fragments. */
const EVENT_COUNT_WORDS = 10;

/** Notes the details at `at`. All zero: FLOW_DETAILS had none, what is known stays. */
export function noteDetails(slots: FlowSlots, slot: number, details: Uint32Array, at: number): void {
  if (isZero(details, at, DETAILS_WORDS)) return;
  slots.details.load(slots.detailRow(slot) || slots.openDetails(slot), details, at);
}

/** The details at `at` are of a later life: where that began, the slot's ended. Headers of its own stay. */
export function noteBaseDetails(slots: FlowSlots, slot: number, details: Uint32Array, at: number): void {
  if (isZero(details, at, DETAILS_WORDS)) return;
  const known = slots.detailRow(slot);
  if (known === 0 || !slots.details.hasHeaders(known)) {
    noteDetails(slots, slot, details, at);
    slots.details.restoreOldLife(slots.detailRow(slot));
  }
  const overhead = at + DETAILS.baseOverheadBytes;
  slots.details.setSeen(slots.detailRow(slot), details, overhead, at + DETAILS.baseFragments);
}

/**
 * Notes the counts of the life whose end the reopened event at `at` tells. Headers that no scan saw are looked up; where
 * there is nothing to find any more, the counts alone are kept.
 */
export function noteDetailsAtEnd(
  slots: FlowSlots,
  slot: number,
  event: Uint32Array,
  at: number,
  findDetails: FindDetails,
): void {
  const overhead = at + EVENT_WORD.overhead;
  let row = slots.detailRow(slot);
  if (row === 0 && isZero(event, overhead, EVENT_COUNT_WORDS)) return;
  if (row === 0 || !slots.details.hasHeaders(row)) {
    if (row === 0) row = slots.openDetails(slot);
    const found = findDetails(event, at);
    if (found !== undefined) slots.details.load(row, found, 0);
    if (found !== undefined) slots.details.restoreOldLife(row);
  }
  slots.details.setSeen(row, event, overhead, at + EVENT_WORD.fragments);
}

function isZero(words: Uint32Array, at: number, count: number): boolean {
  for (let i = at; i < at + count; i++) if (words[i] !== 0) return false;
  return true;
}
