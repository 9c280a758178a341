// The table of span attributes: what each is called, means, and where in a record it is read.
// The OTLP encoder, both standard output formats, docs/attributes.md and their tests are made from it.

import { END_REASON, RECORD, RECORD_FLAG, SPAN_KIND } from "../flow/flow.ts";
import { protocolName } from "../flow/names.ts";
import { formatMac, writeMac } from "../lib/address.ts";
import {
  ABSENT,
  type Attribute,
  type AttributeGroup,
  type AttributeSelection,
  positive,
} from "./attribute.ts";
import { counterAttributes, FORWARD, icmpAttributes, ipAttributes, REVERSE } from "./attributes-by-way.ts";
import { NAT_GROUP } from "./attributes-nat.ts";
import { TCP_ATTRIBUTES } from "./attributes-tcp.ts";
import { DETAIL_GROUPS } from "./attributes-tunnel.ts";
import { conditional, REQUIRED, recommended } from "./requirement.ts";
import { ID_BYTES, type RecordRow } from "./row.ts";
import { formatAddress, networkType, writeAddress } from "./span.ts";

const DIRECTIONS = new Map<number, string>([
  [SPAN_KIND.client, "forward"],
  [SPAN_KIND.server, "reverse"],
  [SPAN_KIND.internal, "unknown"],
]);

const END_REASONS = new Map<number, string>([
  [END_REASON.idleTimeout, "idle_timeout"],
  [END_REASON.activeTimeout, "active_timeout"],
  [END_REASON.endOfFlowDetected, "end_of_flow_detected"],
  [END_REASON.forcedEnd, "forced_end"],
  [END_REASON.lackOfResources, "lack_of_resources"],
]);

/** What any record can have, in the order they are written; those of `DETAIL_GROUPS` come after them. */
const RECORD_ATTRIBUTES: readonly Attribute[] = [
  ...flowAttributes(),
  ...endpointAttributes(),
  ...counterAttributes(FORWARD),
  ...counterAttributes(REVERSE),
  ...TCP_ATTRIBUTES,
  ...interfaceAttributes(),
  ...ipAttributes(FORWARD),
  ...ipAttributes(REVERSE),
  ...icmpAttributes(FORWARD),
  ...icmpAttributes(REVERSE),
  {
    name: "flow.sampling.rate",
    kind: "int",
    requirement: { level: "opt_in", when: "when `capture.sampling` is above 1" },
    description:
      "One flow in so many was counted, chosen by a hash of its key: a whole flow, or nothing of it. Counts are those of this flow, not multiplied.",
    read: (row) => (row.word(RECORD.samplingRate) > 1 ? row.word(RECORD.samplingRate) : ABSENT),
  },
];

/** What only records with a detail row can have. */
const GROUPS: readonly AttributeGroup[] = [...DETAIL_GROUPS, NAT_GROUP];

/** All of the table, under its own names. */
export const EVERY_ATTRIBUTE: AttributeSelection = {
  record: RECORD_ATTRIBUTES,
  groups: GROUPS,
  isNamedTold: () => true,
  semconv: "1.30",
};

/** The table: every attribute a span can have, in the order they are written. */
export const ATTRIBUTES: readonly Attribute[] = [
  ...RECORD_ATTRIBUTES,
  ...GROUPS.flatMap(({ attributes }) => attributes),
];

function flowAttributes(): readonly Attribute[] {
  return [
    {
      name: "flow.community_id",
      kind: "string",
      requirement: REQUIRED,
      description: "Community ID version 1 of the flow, with the configured seed.",
      read: communityId,
      write: writeCommunityId,
    },
    {
      name: "flow.direction",
      kind: "string",
      hasFewValues: true,
      requirement: REQUIRED,
      description:
        "`forward`: the initiator is local to this node; `reverse`: only the responder is; `unknown`: the initiator is unknown, or neither end is local.",
      read: (row) => DIRECTIONS.get(row.spanKind) ?? "unknown",
    },
    {
      name: "flow.end_reason",
      kind: "string",
      hasFewValues: true,
      requirement: REQUIRED,
      description:
        "Why the record was made, as IPFIX flowEndReason names it: `idle_timeout`, `active_timeout`, `end_of_flow_detected`, `forced_end`, `lack_of_resources`.",
      read: (row) => END_REASONS.get(row.endReason),
    },
    {
      name: "network.type",
      kind: "string",
      hasFewValues: true,
      requirement: REQUIRED,
      semconv: "stable",
      description: "`ipv4` or `ipv6`.",
      read: (row) => networkType(row.ipVersion),
    },
    {
      name: "network.transport",
      kind: "string",
      hasFewValues: true,
      requirement: REQUIRED,
      semconv: "stable",
      description:
        "IANA's protocol name in lower case (`tcp`, `udp`, `icmp` …), or its number where it has none.",
      read: (row) => protocolName(row.protocol),
    },
  ];
}

function endpointAttributes(): readonly Attribute[] {
  return (["source", "destination"] as const).flatMap((end): readonly Attribute[] => {
    const word = end === "source" ? RECORD.sourceAddress : RECORD.destinationAddress;
    const shift = end === "source" ? 0 : 16;
    const role = end === "source" ? "initiator" : "responder";
    return [
      {
        name: `${end}.address`,
        kind: "string",
        requirement: REQUIRED,
        semconv: "development",
        description: `Address of the ${role}, as RFC 5952 writes it.`,
        read: (row) => formatAddress(row.octets, row.octetOffset(word), row.ipVersion),
        write: (row, octets, at) => writeAddress(row, word, octets, at),
      },
      {
        name: `${end}.port`,
        kind: "int",
        requirement: REQUIRED,
        semconv: "development",
        description: `Port of the ${role}; 0 where the protocol has none.`,
        read: (row) => (row.word(RECORD.ports) >>> shift) & 0xffff,
      },
    ];
  });
}

function interfaceAttributes(): readonly Attribute[] {
  return [
    {
      name: "network.interface.index",
      kind: "int",
      requirement: conditional("when the observation point is known"),
      description: "Index of the interface whose hook counted the flow.",
      read: (row) => positive(row.word(RECORD.ifindex)),
    },
    {
      name: "network.interface.name",
      kind: "string",
      hasFewValues: true,
      requirement: recommended("when the observation point is known and has a name"),
      semconv: "development",
      description: "Name of that interface.",
      read: (row) => row.batch.interfaceName(row.word(RECORD.ifindex)),
    },
    {
      name: "network.interface.mac",
      kind: "string",
      requirement: conditional("when the interface's link layer has addresses and a forward packet was seen"),
      description:
        "Link-layer address the source's packets came from, six pairs of hexadecimal digits with colons.",
      read: (row) =>
        row.has(RECORD_FLAG.hasMac) ? formatMac(row.octets, row.octetOffset(RECORD.sourceMac)) : undefined,
      write: (row, octets, at) =>
        row.has(RECORD_FLAG.hasMac) ? writeMac(row.octets, row.octetOffset(RECORD.sourceMac), octets, at) : 0,
    },
    {
      name: "network.vlan.id",
      kind: "int",
      requirement: conditional("when the packets have an 802.1Q or 802.1ad tag"),
      description: "VLAN id of the outermost tag.",
      read: (row) => positive(row.word(RECORD.vlanId)),
    },
  ];
}

function communityId(row: RecordRow): string {
  const { communityIds } = row.batch;
  const start = row.index * ID_BYTES.communityId;
  const octets = Buffer.from(communityIds.buffer, communityIds.byteOffset, communityIds.byteLength);
  return octets.toString("latin1", start, start + ID_BYTES.communityId);
}

function writeCommunityId(row: RecordRow, octets: Uint8Array, at: number): number {
  const { communityIds } = row.batch;
  const start = row.index * ID_BYTES.communityId;
  for (let i = 0; i < ID_BYTES.communityId; i++) octets[at + i] = communityIds[start + i] as number;
  return ID_BYTES.communityId;
}
