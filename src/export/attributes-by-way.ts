// Rows of the attribute table that exist for each direction of a flow: forward, and reverse under `flow.reverse.`.

import { RECORD, RECORD_FLAG } from "../flow/flow.ts";
import { dscpName, ecnName, icmpCodeName, icmpTypeName, tcpFlagTags } from "../flow/names.ts";
import { ABSENT, type Attribute } from "./attribute.ts";
import { conditional, REQUIRED, recommended } from "./requirement.ts";
import { PROTOCOL, type RecordRow } from "./row.ts";

/** Where one direction of a flow keeps what it measured. Byte numbers are those of `RecordRow.octet`. */
export interface Way {
  readonly prefix: "flow." | "flow.reverse.";
  readonly label: "forward" | "reverse";
  /** In words, of "has a … packet". */
  readonly ends: string;
  readonly packetsDelta: number;
  readonly bytesDelta: number;
  readonly packetsTotal: number;
  readonly bytesTotal: number;
  readonly flowLabel: number;
  /** The record has packets that way. */
  readonly flag: number;
  readonly tcpFlagsByte: number;
  readonly classByte: number;
  readonly ttlByte: number;
  readonly icmpTypeByte: number;
  readonly icmpCodeByte: number;
}

/** Source → destination. */
export const FORWARD: Way = {
  prefix: "flow.",
  label: "forward",
  ends: "source → destination",
  packetsDelta: RECORD.packetsDelta,
  bytesDelta: RECORD.bytesDelta,
  packetsTotal: RECORD.packetsTotal,
  bytesTotal: RECORD.bytesTotal,
  flowLabel: RECORD.flowLabel,
  flag: RECORD_FLAG.hasForward,
  tcpFlagsByte: 0,
  classByte: 2,
  ttlByte: 0,
  icmpTypeByte: 0,
  icmpCodeByte: 1,
};

/** Destination → source. */
export const REVERSE: Way = {
  prefix: "flow.reverse.",
  label: "reverse",
  ends: "destination → source",
  packetsDelta: RECORD.reversePacketsDelta,
  bytesDelta: RECORD.reverseBytesDelta,
  packetsTotal: RECORD.reversePacketsTotal,
  bytesTotal: RECORD.reverseBytesTotal,
  flowLabel: RECORD.reverseFlowLabel,
  flag: RECORD_FLAG.hasReverse,
  tcpFlagsByte: 1,
  classByte: 3,
  ttlByte: 1,
  icmpTypeByte: 2,
  icmpCodeByte: 3,
};

/** What {@link Way} counted: never absent. */
export function counterAttributes(way: Way): readonly Attribute[] {
  const bytes = "Layer-3 bytes (IP packets, their headers included)";
  const packets = "Packets on the wire (segments of offloaded packets counted one by one)";
  const since = { delta: "since the previous record", total: "since the flow began" };
  const row = (name: string, word: number, unit: string, description: string): Attribute => {
    return { name: way.prefix + name, kind: "counter", unit, requirement: REQUIRED, description, word };
  };
  return [
    row("bytes.delta", way.bytesDelta, "By", `${bytes} ${way.ends}, ${since.delta}.`),
    row("packets.delta", way.packetsDelta, "{packet}", `${packets} ${way.ends}, ${since.delta}.`),
    row("bytes.total", way.bytesTotal, "By", `${bytes} ${way.ends}, ${since.total}.`),
    row("packets.total", way.packetsTotal, "{packet}", `${packets} ${way.ends}, ${since.total}.`),
  ];
}

/** TCP flags, while the flow has had a packet that way. */
export function tcpFlagAttributes(way: Way): readonly Attribute[] {
  const present = `TCP, when the flow has had a ${way.label} packet and is not one of later fragments`;
  const hasFlags = (row: RecordRow): boolean =>
    row.protocol === PROTOCOL.tcp &&
    hasTransportHeader(row) &&
    (row.word(way.packetsTotal) | row.word(way.packetsTotal + 1)) !== 0;
  return [
    {
      name: `${way.prefix}tcp.flags.bits`,
      kind: "int",
      requirement: conditional(present),
      description: `Union of the TCP flags ${way.ends} since the flow began, as the header's octet.`,
      read: (row) => (hasFlags(row) ? row.octet(RECORD.octets, way.tcpFlagsByte) : ABSENT),
    },
    {
      name: `${way.prefix}tcp.flags.tags`,
      kind: "strings",
      requirement: conditional(present),
      description: "The same by name, in bit order: `FIN`, `SYN`, `RST`, `PSH`, `ACK`, `URG`, `ECE`, `CWR`.",
      read: (row) => (hasFlags(row) ? tcpFlagTags(row.octet(RECORD.octets, way.tcpFlagsByte)) : undefined),
    },
  ];
}

/** Later fragments are a flow without ports and types: their transport header is in another packet. */
function hasTransportHeader(row: RecordRow): boolean {
  return row.word(RECORD.communityPorts) !== 0;
}

/** IP header fields of the first packet that way. */
export function ipAttributes(way: Way): readonly Attribute[] {
  const present = `when the record has a ${way.label} packet`;
  const first = `first packet ${way.ends} in the record`;
  const dscp = (row: RecordRow): number => row.octet(RECORD.octets, way.classByte) >>> 2;
  const ecn = (row: RecordRow): number => row.octet(RECORD.octets, way.classByte) & 3;
  return [
    {
      name: `${way.prefix}ip.dscp.id`,
      kind: "int",
      requirement: conditional(present),
      description: `Differentiated services code point of the ${first}.`,
      read: (row) => (row.has(way.flag) ? dscp(row) : ABSENT),
    },
    {
      name: `${way.prefix}ip.dscp.name`,
      kind: "string",
      hasFewValues: true,
      requirement: recommended(`${present} and the code point has a name`),
      description: "IANA's name of that code point.",
      read: (row) => (row.has(way.flag) ? dscpName(dscp(row)) : undefined),
    },
    {
      name: `${way.prefix}ip.ecn.id`,
      kind: "int",
      requirement: conditional(present),
      description: `Explicit congestion notification bits of the ${first}.`,
      read: (row) => (row.has(way.flag) ? ecn(row) : ABSENT),
    },
    {
      name: `${way.prefix}ip.ecn.name`,
      kind: "string",
      hasFewValues: true,
      requirement: recommended(present),
      description: "RFC 3168's name of those bits.",
      read: (row) => (row.has(way.flag) ? ecnName(ecn(row)) : undefined),
    },
    {
      name: `${way.prefix}ip.ttl`,
      kind: "int",
      requirement: conditional(present),
      description: `Time to live (IPv6: hop limit) of the ${first}.`,
      read: (row) => (row.has(way.flag) ? row.octet(RECORD.ttl, way.ttlByte) : ABSENT),
    },
    {
      name: `${way.prefix}ip.flow_label`,
      kind: "int",
      requirement: conditional(`IPv6, ${present}`),
      description: `IPv6 flow label of the ${first}.`,
      read: (row) => (row.has(way.flag) && row.ipVersion === 6 ? row.word(way.flowLabel) : ABSENT),
    },
  ];
}

/** ICMP type and code of the first packet that way. */
export function icmpAttributes(way: Way): readonly Attribute[] {
  const present = `ICMP and ICMPv6, when the record has a ${way.label} packet and is not one of later fragments`;
  const first = `first packet ${way.ends} in the record`;
  const hasIcmp = (row: RecordRow): boolean =>
    row.has(way.flag) &&
    hasTransportHeader(row) &&
    (row.protocol === PROTOCOL.icmp || row.protocol === PROTOCOL.icmpv6);
  const type = (row: RecordRow): number => row.octet(RECORD.icmp, way.icmpTypeByte);
  const code = (row: RecordRow): number => row.octet(RECORD.icmp, way.icmpCodeByte);
  return [
    {
      name: `${way.prefix}icmp.type.id`,
      kind: "int",
      requirement: conditional(present),
      description: `ICMP type of the ${first}.`,
      read: (row) => (hasIcmp(row) ? type(row) : ABSENT),
    },
    {
      name: `${way.prefix}icmp.type.name`,
      kind: "string",
      hasFewValues: true,
      requirement: recommended(`${present} and the type is assigned`),
      description: "IANA's name of that type in lower snake case.",
      read: (row) => (hasIcmp(row) ? icmpTypeName(row.protocol, type(row)) : undefined),
    },
    {
      name: `${way.prefix}icmp.code.id`,
      kind: "int",
      requirement: conditional(present),
      description: `ICMP code of the ${first}.`,
      read: (row) => (hasIcmp(row) ? code(row) : ABSENT),
    },
    {
      name: `${way.prefix}icmp.code.name`,
      kind: "string",
      hasFewValues: true,
      requirement: recommended(`${present} and the code is assigned`),
      description: "IANA's name of that code in lower snake case.",
      read: (row) => (hasIcmp(row) ? icmpCodeName(row.protocol, type(row), code(row)) : undefined),
    },
  ];
}
