// Writes what a record tells of the other view of its conversation, turned to the flow's orientation.

import { ICMP_PAIRING, KEY_WORDS } from "../capture/record.ts";
import { highPort, lowPort } from "./direction.ts";
import { RECORD_DETAIL, RECORD_DETAIL_FLAG } from "./flow.ts";
import { LINK_BIT, LINK_BITS, LINK_WORDS, type TranslationLinks } from "./translation-links.ts";

/**
 * Writes to the detail row at `at` of `out`, where the slot is a view of a translated conversation.
 * @param forward way that leads from source to destination
 */
export function writeTranslation(
  out: Uint32Array,
  at: number,
  links: TranslationLinks,
  slot: number,
  forward: number,
): void {
  const row = links.rowOf(slot);
  if (row === 0) return;
  const { words } = links;
  const key = row * LINK_WORDS;
  const bits = words[key + LINK_BITS] as number;
  const isAlong = ((bits & LINK_BIT.ownWay) !== 0 ? 1 : 0) === forward;
  const way = ((bits & LINK_BIT.otherWay) !== 0 ? 1 : 0) ^ (isAlong ? 0 : 1);
  for (let i = 0; i < 4; i++) {
    out[at + RECORD_DETAIL.natSource + i] = words[key + way * 4 + i] as number;
    out[at + RECORD_DETAIL.natDestination + i] = words[key + (1 - way) * 4 + i] as number;
  }
  const isEcho = ((words[key + KEY_WORDS - 1] as number) & 0xff) === ICMP_PAIRING.echo;
  if (!isEcho) {
    const low = lowPort(words, key);
    const high = highPort(words, key);
    out[at + RECORD_DETAIL.natPorts] = way === 0 ? low | (high << 16) : high | (low << 16);
  }
  const traces = links.tracesTranslation(slot) ? RECORD_DETAIL_FLAG.tracesNat : 0;
  const isBehind = (bits & LINK_BIT.isTranslated) === 0 ? RECORD_DETAIL_FLAG.isNatBehind : 0;
  const told = (bits & LINK_BIT.isParted) === 0 ? RECORD_DETAIL_FLAG.hasNat | isBehind : 0;
  const flags = at + RECORD_DETAIL.flags;
  out[flags] = (out[flags] as number) | told | traces;
}
