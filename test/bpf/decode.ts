// Flows and events of the maps as objects that tests can compare. Offsets are those of record.ts, which test/abi
// holds against flow.h; bytes are read by DataView, not by the agent's decoder.

import {
  EVENT,
  EVENT_KIND,
  FLOW_FLAG,
  type FlowEventBatch,
  type FlowSampleBatch,
  KEY,
  KEY_BYTES,
  SHARED,
  VALUE_BYTE,
  VALUE_BYTES,
  WAY,
  WAY_WORDS,
} from "../../src/capture/record.ts";
import { addressText, macText, pair, pair32, uint64 } from "./decode-bytes.ts";
import { type Details, decodeDetails } from "./decode-details.ts";

/** A key with its addresses as text: dotted, or eight groups written out. */
export interface Key {
  readonly low: string;
  readonly lowPort: number;
  readonly high: string;
  readonly highPort: number;
  readonly protocol: number;
  readonly ipVersion: number;
  readonly keyVlan: number;
  readonly keyTunnelId: number;
  readonly icmpPairing: number;
}

export interface Way {
  readonly packets: number;
  readonly bytes: number;
  readonly firstSeenNs: number;
  readonly lastSeenNs: number;
  readonly generation: number;
  readonly ownerHook: number;
  readonly flowLabel: number;
  readonly tcpFlags: number;
  readonly trafficClass: number;
  readonly ttl: number;
  readonly flags: number;
  readonly candidateHook: number;
  readonly candidatePackets: number;
  readonly candidateBytes: number;
  readonly icmpType: number;
  readonly icmpCode: number;
}

/** What is told of a connection's segments; an event and a value have the same. */
export interface Tcp {
  /** Bits of TCP_STATE. */
  readonly state: number;
  readonly responseSumNs: number;
  readonly responseCount: number;
  readonly responseJitterNs: number;
  readonly retransmits: readonly [number, number];
  readonly outOfOrder: readonly [number, number];
}

export interface Flow extends Key {
  readonly ways: readonly [Way, Way];
  readonly basePackets: readonly [number, number];
  readonly baseBytes: readonly [number, number];
  readonly synNs: number;
  readonly handshakeNs: number;
  readonly incarnation: number;
  readonly vlan: number;
  readonly mac: string;
  readonly firstWay: number;
  readonly initiator: number;
  readonly tcp: Tcp;
  readonly payloadNs: number;
  readonly sequenceEnd: readonly [number, number];
  readonly sequenceRaised: readonly [number, number];
  readonly flags: number;
  /** Undefined where the flow has none. */
  readonly details: Details | undefined;
}

export interface FlowEvent extends Key {
  /** Bytes of the record: 64, 96 or 256. */
  readonly size: number;
  readonly kind: number;
  readonly way: number;
  readonly timeNs: number;
  readonly tcpFlags: readonly [number, number];
  readonly incarnation: number;
  /** Of FLOW_EVENT_REOPENED. */
  readonly end?: {
    readonly packets: readonly [number, number];
    readonly bytes: readonly [number, number];
    readonly firstSeenNs: readonly [number, number];
    readonly lastSeenNs: readonly [number, number];
  };
  /** Of FLOW_EVENT_REOPENED: what the old life's entry had of its packets, and the base of the new life. */
  readonly reopened?: {
    readonly handshakeNs: number;
    readonly flowLabel: readonly [number, number];
    readonly trafficClass: readonly [number, number];
    readonly ttl: readonly [number, number];
    readonly vlan: number;
    readonly mac: string;
    readonly tunnelOverhead: readonly [number, number];
    readonly ipipOverhead: readonly [number, number];
    readonly fragments: number;
    readonly tcp: Tcp;
  };
  /** Of FLOW_EVENT_OVERFLOW. */
  readonly overflow?: {
    readonly packets: number;
    readonly bytes: number;
    readonly hook: number;
    readonly flowLabel: number;
    readonly vlan: number;
    readonly trafficClass: number;
    readonly ttl: number;
    readonly icmpType: number;
    readonly icmpCode: number;
    readonly hasEntered: boolean;
    readonly mac: string;
  };
}

/** Byte offsets in a value. */
const VALUE_TCP = {
  tcpState: SHARED.octets * 4 + 2,
  responseSumNs: SHARED.responseSumNs * 4,
  responseCount: SHARED.responseCount * 4,
  responseJitterNs: SHARED.responseJitterNs * 4,
  retransmits: SHARED.retransmits * 4,
  outOfOrder: SHARED.outOfOrder * 4,
};

export function decodeFlow(batch: FlowSampleBatch, index: number): Flow {
  const key = new DataView(batch.keys.buffer, batch.keys.byteOffset + index * KEY_BYTES, KEY_BYTES);
  const value = new DataView(batch.values.buffer, batch.values.byteOffset + index * VALUE_BYTES, VALUE_BYTES);
  const flags = value.getUint8(VALUE_BYTE.flags);
  return {
    ...decodeKey(key),
    ways: [decodeWay(value, 0), decodeWay(value, 1)],
    basePackets: pair(value, SHARED.basePackets * 4),
    baseBytes: pair(value, SHARED.baseBytes * 4),
    synNs: uint64(value, SHARED.synNs * 4),
    handshakeNs: value.getUint32(SHARED.handshakeNs * 4, true),
    incarnation: value.getUint32(SHARED.incarnation * 4, true),
    vlan: value.getUint16(VALUE_BYTE.vlanId, true),
    mac: macText(value, VALUE_BYTE.sourceMac),
    firstWay: value.getUint8(VALUE_BYTE.firstWay),
    initiator: value.getUint8(VALUE_BYTE.initiator),
    tcp: decodeTcp(value, VALUE_TCP),
    payloadNs: uint64(value, SHARED.payloadNs * 4),
    sequenceEnd: pair32(value, SHARED.sequenceEnd * 4),
    sequenceRaised: pair32(value, SHARED.sequenceRaised * 4),
    flags,
    details: (flags & FLOW_FLAG.hasDetails) === 0 ? undefined : decodeDetails(batch.details, index),
  };
}

/** The records of one drain, each behind its length and four zero bytes, padded to eight. */
export function decodeEvents(batch: FlowEventBatch): FlowEvent[] {
  const events: FlowEvent[] = [];
  for (let offset = 0; offset < batch.length; ) {
    const size = batch.words[offset / 4] ?? 0;
    if (size === 0) throw new Error("A record of the ring has no length");
    events.push(decodeEvent(new DataView(batch.words.buffer, batch.words.byteOffset + offset + 8, size)));
    offset += 8 + Math.ceil(size / 8) * 8;
  }
  return events;
}

function decodeEvent(view: DataView): FlowEvent {
  const event: FlowEvent = {
    ...decodeKey(view),
    size: view.byteLength,
    kind: view.getUint8(EVENT.kind),
    way: view.getUint8(EVENT.way),
    timeNs: uint64(view, EVENT.timeNs),
    tcpFlags: [view.getUint8(EVENT.tcpFlags), view.getUint8(EVENT.tcpFlags + 1)],
    incarnation: view.getUint32(EVENT.incarnation, true),
  };
  if (event.kind === EVENT_KIND.reopened) return { ...event, ...decodeReopened(view) };
  return event.kind === EVENT_KIND.overflow ? { ...event, overflow: decodeOverflow(view) } : event;
}

function decodeReopened(view: DataView): Required<Pick<FlowEvent, "end" | "reopened">> {
  const end = {
    packets: pair(view, EVENT.packets),
    bytes: pair(view, EVENT.bytes),
    firstSeenNs: pair(view, EVENT.firstSeenNs),
    lastSeenNs: pair(view, EVENT.lastSeenNs),
  };
  const octets = (offset: number): readonly [number, number] => [
    view.getUint8(offset),
    view.getUint8(offset + 1),
  ];
  const reopened = {
    handshakeNs: view.getUint32(EVENT.handshakeNs, true),
    flowLabel: pair32(view, EVENT.firstFlowLabel),
    trafficClass: octets(EVENT.firstTrafficClass),
    ttl: octets(EVENT.firstTtl),
    vlan: view.getUint16(EVENT.vlanId, true),
    mac: macText(view, EVENT.sourceMac),
    tunnelOverhead: pair(view, EVENT.overheadBytes),
    ipipOverhead: pair(view, EVENT.overheadBytes + 16),
    fragments: uint64(view, EVENT.fragments),
    tcp: decodeTcp(view, EVENT),
  };
  return { end, reopened };
}

function decodeTcp(view: DataView, at: Readonly<Record<keyof typeof VALUE_TCP, number>>): Tcp {
  const pair16 = (offset: number): readonly [number, number] => [
    view.getUint16(offset, true),
    view.getUint16(offset + 2, true),
  ];
  return {
    state: view.getUint8(at.tcpState),
    responseSumNs: uint64(view, at.responseSumNs),
    responseCount: view.getUint32(at.responseCount, true),
    responseJitterNs: view.getUint32(at.responseJitterNs, true),
    retransmits: pair16(at.retransmits),
    outOfOrder: pair16(at.outOfOrder),
  };
}

function decodeOverflow(view: DataView): NonNullable<FlowEvent["overflow"]> {
  return {
    packets: view.getUint32(EVENT.overflowPackets, true),
    bytes: view.getUint32(EVENT.overflowBytes, true),
    hook: view.getUint32(EVENT.overflowHook, true),
    flowLabel: view.getUint32(EVENT.overflowFlowLabel, true),
    vlan: view.getUint16(EVENT.overflowVlanId, true),
    trafficClass: view.getUint8(EVENT.overflowTrafficClass),
    ttl: view.getUint8(EVENT.overflowTtl),
    icmpType: view.getUint8(EVENT.overflowIcmpType),
    icmpCode: view.getUint8(EVENT.overflowIcmpCode),
    hasEntered: view.getUint8(EVENT.overflowEntered) !== 0,
    mac: macText(view, EVENT.overflowSourceMac),
  };
}

function decodeKey(view: DataView): Key {
  return {
    low: addressText(view, KEY.lowAddress),
    lowPort: view.getUint16(KEY.lowPort),
    high: addressText(view, KEY.highAddress),
    highPort: view.getUint16(KEY.highPort),
    protocol: view.getUint8(KEY.protocol),
    ipVersion: view.getUint8(KEY.ipVersion),
    keyVlan: view.getUint16(KEY.vlanId, true),
    keyTunnelId: view.getUint32(KEY.tunnelId, true),
    icmpPairing: view.getUint8(KEY.icmpPairing),
  };
}

function decodeWay(view: DataView, way: 0 | 1): Way {
  const at = (word: number): number => (way * WAY_WORDS + word) * 4;
  return {
    packets: uint64(view, at(WAY.packets)),
    bytes: uint64(view, at(WAY.bytes)),
    firstSeenNs: uint64(view, at(WAY.firstSeenNs)),
    lastSeenNs: uint64(view, at(WAY.lastSeenNs)),
    generation: view.getUint32(at(WAY.generation), true),
    ownerHook: view.getUint32(at(WAY.ownerHook), true),
    flowLabel: view.getUint32(at(WAY.firstFlowLabel), true),
    tcpFlags: view.getUint8(at(WAY.octets)),
    trafficClass: view.getUint8(at(WAY.octets) + 1),
    ttl: view.getUint8(at(WAY.octets) + 2),
    flags: view.getUint8(at(WAY.octets) + 3),
    candidateHook: view.getUint32(at(WAY.candidateHook), true),
    candidatePackets: view.getUint32(at(WAY.candidatePackets), true),
    candidateBytes: uint64(view, at(WAY.candidateBytes)),
    icmpType: view.getUint8(VALUE_BYTE.icmpType + way),
    icmpCode: view.getUint8(VALUE_BYTE.icmpCode + way),
  };
}
