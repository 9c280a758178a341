// Makes decorated batches for tests: by hand, field by field, or at random.

import fc from "fast-check";
import type { DecoratedBatch } from "../../src/decorate.ts";
import { RECORD, RECORD_WORDS } from "../../src/flow/flow.ts";
import { anyDetail, type DetailFields, detailRows, type LayerFields } from "./details.ts";

/** A record row as a test writes it; what is left out is 0. */
export interface RecordFields {
  /** Eight groups, as an IPv6 address has them. */
  readonly source?: readonly number[];
  readonly destination?: readonly number[];
  readonly ports?: readonly [source: number, destination: number];
  /** Default: the ports, of an ICMP record the types. */
  readonly communityPorts?: readonly [source: number, destination: number];
  readonly protocol: number;
  readonly ipVersion: 4 | 6;
  readonly spanKind: number;
  readonly endReason: number;
  readonly flags?: number;
  readonly startNs?: bigint;
  readonly endNs?: bigint;
  readonly ifindex?: number;
  /** Packets delta, bytes delta, packets total, bytes total. */
  readonly forward?: readonly bigint[];
  readonly reverse?: readonly bigint[];
  readonly tcpFlags?: readonly [forward: number, reverse: number];
  readonly trafficClass?: readonly [forward: number, reverse: number];
  readonly ttl?: readonly [forward: number, reverse: number];
  readonly flowLabels?: readonly [forward: number, reverse: number];
  /** Type and code forward, type and code reverse. */
  readonly icmp?: readonly [number, number, number, number];
  readonly handshakeNs?: number;
  readonly mac?: readonly number[];
  readonly vlanId?: number;
  readonly samplingRate?: number;
  readonly connectionState?: number;
  readonly responseNs?: bigint;
  readonly responseJitterNs?: number;
  /** Forward, reverse. */
  readonly retransmits?: readonly [number, number];
  readonly outOfOrder?: readonly [number, number];
  /** Left out: the record has no detail row. */
  readonly detail?: DetailFields | undefined;
}

/** Interfaces that {@link batchOf} knows by index. */
export const INTERFACES: ReadonlyMap<number, string> = new Map([
  [2, "eth0"],
  [3, "veth1234567890a"],
  [4, "büro"],
  [5, "a\x1b[31m"],
]);

/** IPv4 as groups of the mapped address. */
export function ipv4(a: number, b: number, c: number, d: number): readonly number[] {
  return [0, 0, 0, 0, 0, 0xffff, (a << 8) | b, (c << 8) | d];
}

/** A batch of `records`; ids are made of the row number, so that rows differ. */
export function batchOf(records: readonly RecordFields[]): DecoratedBatch {
  const count = records.length;
  const detailed = records.filter(({ detail }) => detail !== undefined).length;
  const batch = {
    count,
    words: new Uint32Array(count * RECORD_WORDS),
    details: detailRows(records.flatMap(({ detail }) => detail ?? [])),
    communityIds: new Uint8Array(count * 30),
    natCommunityIds: new Uint8Array(detailed * 30).fill(0x41),
    traceIds: new Uint8Array(count * 16),
    spanIds: new Uint8Array(count * 8),
    interfaceName: (ifindex: number): string | undefined => INTERFACES.get(ifindex),
    named: [],
  };
  const text = new TextEncoder();
  let detailRow = 0;
  for (const [index, record] of records.entries()) {
    const view = new DataView(batch.words.buffer, index * RECORD_WORDS * 4, RECORD_WORDS * 4);
    fill(view, record);
    if (record.detail !== undefined) view.setUint32(RECORD.detail * 4, ++detailRow, true);
    const digest = new Bun.CryptoHasher("sha1").update(String(index)).digest();
    batch.communityIds.set(text.encode(`1:${digest.toString("base64")}`), index * 30);
    batch.traceIds.set(digest.subarray(0, 16), index * 16);
    batch.spanIds.set(digest.subarray(12, 20), index * 8);
  }
  return batch;
}

/** `count` like records of TCP flows between different ports. */
export function tcpBatch(count: number): DecoratedBatch {
  return batchOf(
    Array.from({ length: count }, (_, index) => ({ ...TCP_RECORD, ports: [index & 0xffff, 443] as const })),
  );
}

/** A TCP record with a value in every field that a TCP record can have. */
export const TCP_RECORD: RecordFields = {
  source: ipv4(10, 1, 2, 3),
  destination: ipv4(192, 0, 2, 200),
  ports: [41234, 443],
  protocol: 6,
  ipVersion: 4,
  spanKind: 3,
  endReason: 3,
  flags: 1 | 2 | 4 | 16 | 32 | 64,
  startNs: 1_763_678_000_123_456_789n,
  endNs: 1_763_678_001_623_456_790n,
  ifindex: 2,
  forward: [12n, 3456n, 112n, 13_456n],
  reverse: [10n, 8_192n, 110n, 5_000_000_000n],
  tcpFlags: [0x1a, 0x12],
  trafficClass: [0xb8 | 2, 0],
  ttl: [64, 57],
  handshakeNs: 1_234_567,
  mac: [0x02, 0x42, 0xac, 0x11, 0x00, 0x02],
  vlanId: 100,
  connectionState: 7,
  responseNs: 5_000_000_000n,
  responseJitterNs: 4_000_000_000,
  retransmits: [3, 0],
  outOfOrder: [0, 4],
};

function fill(view: DataView, record: RecordFields): void {
  const word = (offset: number, value: number): void => view.setUint32(offset * 4, value, true);
  const octet = (offset: number, byte: number, value: number): void =>
    view.setUint8(offset * 4 + byte, value);
  const long = (offset: number, value: bigint): void => view.setBigUint64(offset * 4, value, true);
  for (const [group, value] of (record.source ?? []).entries())
    view.setUint16(RECORD.sourceAddress * 4 + group * 2, value);
  for (const [group, value] of (record.destination ?? []).entries()) {
    view.setUint16(RECORD.destinationAddress * 4 + group * 2, value);
  }
  const [sourcePort, destinationPort] = record.ports ?? [0, 0];
  word(RECORD.ports, sourcePort + destinationPort * 65_536);
  const types = record.protocol === 1 || record.protocol === 58 ? record.icmp : undefined;
  const [first, second] = record.communityPorts ?? [types?.[0] ?? sourcePort, types?.[2] ?? destinationPort];
  word(RECORD.communityPorts, first + second * 65_536);
  const identity = [record.protocol, record.ipVersion, record.spanKind, record.endReason];
  for (const [byte, value] of identity.entries()) octet(RECORD.identity, byte, value);
  word(RECORD.flags, record.flags ?? 0);
  long(RECORD.startNs, record.startNs ?? 0n);
  long(RECORD.endNs, record.endNs ?? 0n);
  word(RECORD.ifindex, record.ifindex ?? 0);
  const counters = [...(record.forward ?? [0n, 0n, 0n, 0n]), ...(record.reverse ?? [])];
  for (const [index, value] of counters.entries()) long(RECORD.packetsDelta + index * 2, value);
  const octets = [...(record.tcpFlags ?? [0, 0]), ...(record.trafficClass ?? [0, 0])];
  for (const [byte, value] of octets.entries()) octet(RECORD.octets, byte, value);
  for (const [byte, value] of (record.ttl ?? []).entries()) octet(RECORD.ttl, byte, value);
  for (const [index, value] of (record.flowLabels ?? []).entries()) word(RECORD.flowLabel + index, value);
  for (const [byte, value] of (record.icmp ?? []).entries()) octet(RECORD.icmp, byte, value);
  word(RECORD.handshakeNs, record.handshakeNs ?? 0);
  for (const [byte, value] of (record.mac ?? []).entries()) octet(RECORD.sourceMac, byte, value);
  word(RECORD.vlanId, record.vlanId ?? 0);
  word(RECORD.samplingRate, record.samplingRate ?? 0);
  word(RECORD.connectionState, record.connectionState ?? 0);
  long(RECORD.responseNs, record.responseNs ?? 0n);
  word(RECORD.responseJitterNs, record.responseJitterNs ?? 0);
  for (const [index, value] of (record.retransmits ?? []).entries())
    word(RECORD.retransmitsDelta + index, value);
  for (const [index, value] of (record.outOfOrder ?? []).entries())
    word(RECORD.outOfOrderDelta + index, value);
}

const octetArbitrary = fc.integer({ min: 0, max: 255 });
/** Types and codes with a name, often. */
const icmpArbitrary = fc.oneof(fc.constantFrom(0, 1, 3, 8, 128, 129), octetArbitrary);
const pair = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<[T, T]> => fc.tuple(value, value);
const groupsArbitrary = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
  minLength: 8,
  maxLength: 8,
});
const counters = fc.array(
  fc.oneof(fc.constant(0n), fc.bigInt(0n, 5_000n), fc.bigInt(0n, (1n << 63n) - 1n), fc.constant(1n << 53n)),
  { minLength: 4, maxLength: 4 },
);

/** Any record, sensible or not: every field over its whole range, common values often. */
export const anyRecord: fc.Arbitrary<RecordFields> = fc.record({
  source: groupsArbitrary,
  destination: groupsArbitrary,
  ports: pair(fc.integer({ min: 0, max: 65_535 })),
  protocol: fc.oneof(fc.constantFrom(1, 6, 17, 58), octetArbitrary),
  ipVersion: fc.constantFrom(4 as const, 6 as const),
  spanKind: fc.constantFrom(1, 2, 3),
  endReason: fc.integer({ min: 1, max: 5 }),
  flags: fc.integer({ min: 0, max: 127 }),
  startNs: fc.bigInt(0n, (1n << 63n) - 1n),
  endNs: fc.bigInt(0n, (1n << 63n) - 1n),
  ifindex: fc.constantFrom(0, 2, 3, 4, 99, 0x7fff_ffff),
  forward: counters,
  reverse: counters,
  tcpFlags: pair(octetArbitrary),
  trafficClass: pair(octetArbitrary),
  ttl: pair(octetArbitrary),
  flowLabels: pair(fc.integer({ min: 0, max: 0xf_ffff })),
  icmp: fc.tuple(icmpArbitrary, icmpArbitrary, icmpArbitrary, icmpArbitrary),
  handshakeNs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 0xffff_ffff })),
  mac: fc.array(octetArbitrary, { minLength: 6, maxLength: 6 }),
  vlanId: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 4094 })),
  samplingRate: fc.constantFrom(0, 1, 2, 1_000_000),
  connectionState: fc.integer({ min: 0, max: 10 }),
  responseNs: fc.oneof(fc.constant(0n), fc.bigInt(0n, (1n << 53n) - 1n)),
  responseJitterNs: fc.integer({ min: 0, max: 0xffff_ffff }),
  retransmits: pair(fc.integer({ min: 0, max: 0xffff_ffff })),
  outOfOrder: pair(fc.integer({ min: 0, max: 0xffff_ffff })),
  detail: fc.option(anyDetail, { nil: undefined }),
});

/** The record with counts and start below 2^53: what the official SDK, whose integers are numbers, can say too. */
export function toExact(record: RecordFields): RecordFields {
  const safe = (count: bigint): bigint => count % (1n << 53n);
  const { detail } = record;
  const layer = (fields: LayerFields | undefined): LayerFields | undefined =>
    fields && { ...fields, bytes: fields.bytes?.map(safe) ?? [] };
  return {
    ...record,
    startNs: safe(record.startNs ?? 0n),
    forward: record.forward?.map(safe) ?? [0n, 0n, 0n, 0n],
    reverse: record.reverse?.map(safe) ?? [],
    detail: detail && {
      ...detail,
      tunnel: layer(detail.tunnel),
      ipip: layer(detail.ipip),
      fragments: safe(detail.fragments ?? 0n),
    },
  };
}
