// Layout of bpf/flow.h as 32-bit word offsets, and the batches that capture hands to the flow stage.
// Comes in: bytes filled by the shim. Goes out: FlowSampleBatch and FlowEventBatch. Never decodes into objects:
// readers index the words directly (bench/decode.ts: 2.1 ns a field against 2.9 for a DataView).

/** Set by a test that builds an agent of another version. */
declare const BUILD_SCHEMA_VERSION: number | undefined;

/** Must equal MERMIN_SCHEMA_VERSION in bpf/flow.h; raised with every change of layout. */
export const SCHEMA_VERSION: number = typeof BUILD_SCHEMA_VERSION === "number" ? BUILD_SCHEMA_VERSION : 6;

/** Sizes of the structures of bpf/flow.h, in bytes and in 32-bit words. */
export const KEY_BYTES = 48;
export const KEY_WORDS = 12;
export const VALUE_BYTES = 256;
export const VALUE_WORDS = 64;

/** Byte offsets in `struct flow_key`; ports are big-endian, addresses in network order. */
export const KEY = {
  lowAddress: 0,
  highAddress: 16,
  lowPort: 32,
  highPort: 34,
  protocol: 36,
  ipVersion: 37,
  vlanId: 38,
  tunnelId: 40,
  icmpPairing: 44,
} as const;

/** `enum icmp_pairing`: how the ports of an ICMP key are to be read. */
export const ICMP_PAIRING = { paired: 0, echo: 1, oneWayLow: 2, oneWayHigh: 3 } as const;

/** Words of one direction (`struct flow_way_stats`); direction 1 begins at {@link WAY_WORDS}. 64-bit fields: low word first. */
export const WAY_WORDS = 16;
export const WAY = {
  packets: 0,
  bytes: 2,
  firstSeenNs: 4,
  lastSeenNs: 6,
  generation: 8,
  ownerHook: 9,
  firstFlowLabel: 10,
  /** Bytes: TCP flags, traffic class, TTL, flags ({@link WAY_FLAG}). */
  octets: 11,
  candidateHook: 12,
  candidatePackets: 13,
  candidateBytes: 14,
} as const;

/** Bits of the fourth octet of {@link WAY.octets}. */
export const WAY_FLAG = { interleaved: 1, entered: 2, copied: 4, age: 24, awaited: 32 } as const;

/** Words of the shared part of `struct flow_stats`. */
export const SHARED = {
  socketCookie: 32,
  basePackets: 34,
  baseBytes: 38,
  synNs: 42,
  payloadNs: 44,
  responseSumNs: 46,
  incarnation: 48,
  handshakeNs: 49,
  responseCount: 50,
  responseJitterNs: 51,
  responsePreviousNs: 52,
  sequenceEnd: 53,
  sequenceRaised: 55,
  /** Two 16-bit counts that wrap, as {@link SHARED.outOfOrder}; by direction. */
  retransmits: 57,
  outOfOrder: 58,
  /** Two 16-bit values, milliseconds after the owner's last packet; by direction. */
  candidateDelayMs: 59,
  /** Low half VLAN id, high half the first two bytes of the MAC (memory order). */
  vlanAndMac: 60,
  macRest: 61,
  /** Bytes: type low→high, type high→low, code low→high, code high→low. */
  icmp: 62,
  /** Bytes: first way, initiator (0 unknown, 1 low, 2 high), TCP state ({@link TCP_STATE}), flags ({@link FLOW_FLAG}). */
  octets: 63,
} as const;

/** Byte offsets that are easier to read bytewise. */
export const VALUE_BYTE = {
  vlanId: 240,
  sourceMac: 242,
  icmpType: 248,
  icmpCode: 250,
  firstWay: 252,
  initiator: 253,
  flags: 255,
} as const;

/** Bits of `flow_stats.flags`. */
export const FLOW_FLAG = { synRepeated: 1, hasMac: 2, hasDetails: 4 } as const;

/** Bits of `flow_stats.tcp_state`; the first three `<< way` of the sender. */
export const TCP_STATE = {
  sequence: 1,
  finActive: 4,
  finAcked: 16,
  established: 64,
  simultaneous: 128,
} as const;

/** `enum flow_encapsulation`. */
export const ENCAPSULATION = {
  none: 0,
  vxlan: 1,
  vxlanGpe: 2,
  geneve: 3,
  gre: 4,
  erspan: 5,
  ipip: 6,
  ip6ip6: 7,
  sixInFour: 8,
  fourInSix: 9,
  gtp: 10,
  fou: 11,
  teredo: 12,
  wireguard: 13,
  espInUdp: 14,
  esp: 15,
} as const;

/** Words of one encapsulation (`struct flow_layer`). */
export const LAYER_WORDS = 23;
export const LAYER = {
  /** Four words by way, as the packets of that way have it. */
  source: 0,
  destination: 8,
  /** By way. */
  id: 16,
  /** A word by way: source port in the low half, destination port in the high half, both big-endian. */
  ports: 18,
  /** By way. */
  ahSpi: 20,
  /** Bytes: encapsulation ({@link ENCAPSULATION}), IP version, protocol, flags ({@link LAYER_FLAG}). */
  octets: 22,
} as const;

/** Bits of the fourth octet of {@link LAYER.octets}; `<< way`. Those of the life before stand `oldLifeShift` higher. */
export const LAYER_FLAG = { hasId: 1, seen: 4, oldLifeShift: 4 } as const;

/** Sizes and words of `struct flow_details`; 64-bit fields: low word first. */
export const DETAILS_BYTES = 320;
export const DETAILS_WORDS = 80;
export const DETAILS = {
  tunnel: 0,
  ipip: 23,
  /** Four 64-bit values: tunnel low → high, tunnel high → low, ipip likewise. */
  overheadBytes: 46,
  baseOverheadBytes: 54,
  fragments: 62,
  baseFragments: 64,
  tunnelSeenNs: 66,
  tunnelHook: 70,
  espSpi: 72,
  ahSpi: 74,
  /** By end: low, high. */
  wireguardIndex: 76,
  /** Six bytes, then the flags ({@link DETAILS_FLAG}) in the third byte of the second word. */
  tunnelMac: 78,
} as const;

/** Bits of `flow_details.flags`. */
export const DETAILS_FLAG = { hasMacLow: 1, hasMacHigh: 2, wireguard: 4 } as const;

/** `enum flow_event_kind`. */
export const EVENT_KIND = { opened: 1, reopened: 2, overflow: 3, pressure: 4 } as const;

/**
 * Byte offsets in `struct flow_event` (64 bytes), `struct flow_reopened_event` (256 bytes) and, from `overflowPackets`
 * on, `struct flow_overflow_event` (96 bytes).
 */
export const EVENT = {
  key: 0,
  timeNs: 48,
  kind: 56,
  way: 57,
  tcpFlags: 58,
  incarnation: 60,
  packets: 64,
  bytes: 80,
  firstSeenNs: 96,
  lastSeenNs: 112,
  /** As {@link DETAILS.overheadBytes}. */
  overheadBytes: 128,
  fragments: 160,
  handshakeNs: 168,
  firstFlowLabel: 172,
  firstTrafficClass: 180,
  firstTtl: 182,
  vlanId: 184,
  sourceMac: 186,
  responseSumNs: 192,
  responseCount: 200,
  responseJitterNs: 204,
  retransmits: 208,
  outOfOrder: 212,
  tcpState: 216,
  overflowPackets: 64,
  overflowBytes: 68,
  overflowHook: 72,
  overflowFlowLabel: 76,
  overflowVlanId: 80,
  overflowTrafficClass: 82,
  overflowTtl: 83,
  overflowIcmpType: 84,
  overflowIcmpCode: 85,
  overflowEntered: 86,
  overflowSourceMac: 88,
} as const;
export const EVENT_BYTES = 64;
export const REOPENED_EVENT_BYTES = 256;
export const OVERFLOW_EVENT_BYTES = 96;

/** What a scan reads of FLOW_STATS: everything, or the flows that had packets since the scan before it began. */
export type ScanReach = "all" | "news";

/** Entries of FLOW_STATS as one scan slice read them: `count` keys and values, packed. Valid until the next read. */
export interface FlowSampleBatch {
  readonly count: number;
  /** `count` × {@link KEY_WORDS}. */
  readonly keys: Uint32Array;
  /** `count` × {@link VALUE_WORDS}. */
  readonly values: Uint32Array;
  /**
   * `count` × {@link DETAILS_WORDS}. A row is set only where the value's flags have `hasDetails`; all zero where
   * FLOW_DETAILS had no entry all the same.
   */
  readonly details: Uint32Array;
}

/**
 * Records of FLOW_EVENTS as the shim packs them: each is its length in bytes (32 bits), a zero word, then the
 * record padded to 8 bytes. Valid until the next drain.
 */
export interface FlowEventBatch {
  /** Bytes used. */
  readonly length: number;
  readonly words: Uint32Array;
}

/**
 * The moment a batch was read: CLOCK_MONOTONIC and CLOCK_REALTIME − CLOCK_MONOTONIC, both in ns as two numbers to
 * stay exact (a double holds 2^53): high × 2^32 + low.
 */
export interface CaptureClock {
  readonly monotonicLow: number;
  readonly monotonicHigh: number;
  readonly offsetLow: number;
  readonly offsetHigh: number;
}

/** 64-bit value of two words as a double: exact below 2^53 (104 days in ns; every packet and byte count). */
export function number64(words: Uint32Array, index: number): number {
  return (words[index] as number) + (words[index + 1] as number) * 4294967296;
}
