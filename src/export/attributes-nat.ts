// Rows of the attribute table that only records of translated conversations have: the tuple of the other view.

import { RECORD, RECORD_DETAIL, RECORD_DETAIL_FLAG } from "../flow/flow.ts";
import type { Attribute, AttributeGroup } from "./attribute.ts";
import { conditional } from "./requirement.ts";
import { ID_BYTES, type RecordRow } from "./row.ts";
import { formatAddress } from "./span.ts";

const PRESENT = "when the node translates the conversation, and conntrack told how";

/** The other tuple's ends, and its Community ID. */
export const NAT_GROUP: AttributeGroup = {
  attributes: [...(["source", "destination"] as const).flatMap(endAttributes), communityIdAttribute()],
  applies: (row) => (row.detailWord(RECORD_DETAIL.flags) & RECORD_DETAIL_FLAG.hasNat) !== 0,
};

function endAttributes(end: "source" | "destination"): readonly Attribute[] {
  const word = end === "source" ? RECORD_DETAIL.natSource : RECORD_DETAIL.natDestination;
  const shift = end === "source" ? 0 : 16;
  const view =
    "in the view of the conversation that has no record of its own: behind the translation, or before it";
  return [
    {
      name: `flow.nat.${end}.address`,
      kind: "string",
      requirement: conditional(PRESENT),
      description: `\`${end}.address\` ${view}.`,
      read: (row) => formatAddress(row.detailOctets, row.detailOctetOffset(word), row.ipVersion),
    },
    {
      name: `flow.nat.${end}.port`,
      kind: "int",
      requirement: conditional(PRESENT),
      description: `\`${end}.port\` in that view; 0 where the protocol has none.`,
      read: (row) => (row.detailWord(RECORD_DETAIL.natPorts) >>> shift) & 0xffff,
    },
  ];
}

function communityIdAttribute(): Attribute {
  return {
    name: "flow.nat.community_id",
    kind: "string",
    requirement: conditional(PRESENT),
    description:
      "`flow.community_id` of that view. Whichever is told, the trace id is derived from the translated one, which the next node sees.",
    read: readCommunityId,
  };
}

function readCommunityId(row: RecordRow): string {
  const at = (row.word(RECORD.detail) - 1) * ID_BYTES.communityId;
  return String.fromCharCode(...row.batch.natCommunityIds.subarray(at, at + ID_BYTES.communityId));
}
