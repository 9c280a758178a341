// The flow stage's words: what one exported flow record holds, as a row of 32-bit words in a transferable batch.
// Comes in: nothing. Goes out: FlowRecordBatch. A batch crosses to the export thread as its buffer, without objects.

/** OTLP span kinds (opentelemetry-proto, trace.proto, Span.SpanKind) a flow can have. */
export const SPAN_KIND = { internal: 1, server: 2, client: 3 } as const;

/** IPFIX flowEndReason (IANA element 136). */
export const END_REASON = {
  idleTimeout: 1,
  activeTimeout: 2,
  endOfFlowDetected: 3,
  forcedEnd: 4,
  lackOfResources: 5,
} as const;

/** States of a TCP connection on the initiator's side (RFC 9293, 3.3.2); unknown where a header was cut off. */
export const CONNECTION_STATE = {
  unknown: 0,
  synSent: 1,
  /** In a simultaneous open alone. */
  synReceived: 2,
  established: 3,
  finWait1: 4,
  finWait2: 5,
  closing: 6,
  timeWait: 7,
  closeWait: 8,
  lastAck: 9,
  closed: 10,
} as const;

/** Names of {@link CONNECTION_STATE}; an unknown state has none. */
export const CONNECTION_STATE_NAMES: ReadonlyMap<number, string> = new Map<number, string>([
  [CONNECTION_STATE.synSent, "syn_sent"],
  [CONNECTION_STATE.synReceived, "syn_received"],
  [CONNECTION_STATE.established, "established"],
  [CONNECTION_STATE.finWait1, "fin_wait_1"],
  [CONNECTION_STATE.finWait2, "fin_wait_2"],
  [CONNECTION_STATE.closing, "closing"],
  [CONNECTION_STATE.timeWait, "time_wait"],
  [CONNECTION_STATE.closeWait, "close_wait"],
  [CONNECTION_STATE.lastAck, "last_ack"],
  [CONNECTION_STATE.closed, "closed"],
]);

/** Words of one record row. */
export const RECORD_WORDS = 56;

/**
 * Word offsets of a record row. 64-bit values: low word first. "forward" is source → destination.
 * Ports are host order. Octet fields hold their bytes from the lowest bits up.
 */
export const RECORD = {
  /** 16 bytes in network order, IPv4 mapped into ::ffff:0:0/96. */
  sourceAddress: 0,
  destinationAddress: 4,
  /** source | destination << 16; 0 where the protocol has none (ICMP too). */
  ports: 8,
  /** protocol, IP version (4, 6), span kind, end reason. */
  identity: 9,
  /**
   * Community ID's pair of ports: source side | destination side << 16 (for ICMP the specification's pairing), as
   * {@link RECORD.ports} for the rest.
   */
  communityPorts: 10,
  /** Bits, see {@link RECORD_FLAG}. */
  flags: 11,
  /** First and last packet of the record, UnixNanos. */
  startNs: 12,
  endNs: 14,
  /** First packet of the flow (this incarnation), UnixNanos: base of trace and span id. */
  flowStartNs: 16,
  /** 0 for the flow's first record. */
  recordNumber: 18,
  /** Interface index of the owner hook, forward else reverse; 0 unknown. */
  ifindex: 19,
  packetsDelta: 20,
  bytesDelta: 22,
  packetsTotal: 24,
  bytesTotal: 26,
  reversePacketsDelta: 28,
  reverseBytesDelta: 30,
  reversePacketsTotal: 32,
  reverseBytesTotal: 34,
  /** TCP flags forward, reverse (union since the flow began), traffic class forward, reverse. */
  octets: 36,
  /** TTL forward, reverse; two unused bytes. */
  ttl: 37,
  flowLabel: 38,
  reverseFlowLabel: 39,
  /** ICMP type, code forward; type, code reverse. */
  icmp: 40,
  /** SYN-ACK − SYN in ns; 0 unknown. */
  handshakeNs: 41,
  /** Source MAC: six bytes in two words, memory order. Valid with {@link RECORD_FLAG.hasMac}. */
  sourceMac: 42,
  /** Outermost VLAN id; 0 none. */
  vlanId: 44,
  /** Number of the record's row in {@link FlowRecordBatch.details}, counted from 1; 0 none. */
  detail: 45,
  /** `capture.sampling`: one flow in so many was taken; 0 and 1: every flow. */
  samplingRate: 46,
  /** Byte: {@link CONNECTION_STATE}. Like all that follows valid with {@link RECORD_FLAG.hasTcp}. */
  connectionState: 47,
  /** Mean of the record's response latencies in ns, 64 bits. Valid with {@link RECORD_FLAG.hasResponse}. */
  responseNs: 48,
  /** Smoothed |difference| of the life's response latencies. Valid with {@link RECORD_FLAG.hasJitter}. */
  responseJitterNs: 50,
  /** Packets in this record. */
  retransmitsDelta: 51,
  reverseRetransmitsDelta: 52,
  outOfOrderDelta: 53,
  reverseOutOfOrderDelta: 54,
} as const;

/** Words of one layer in a detail row. */
export const RECORD_LAYER_WORDS = 20;

/**
 * Word offsets of one encapsulation in a detail row, oriented like the flow: the outer headers as packets from source to
 * destination have them; where none of those was seen encapsulated, those of the others turned round.
 */
export const RECORD_LAYER = {
  /** Bytes: encapsulation (`ENCAPSULATION` of capture/record.ts, 0: no such layer), IP version, protocol, 1 where `id` is set. */
  octets: 0,
  /** As RECORD.sourceAddress. */
  sourceAddress: 1,
  destinationAddress: 5,
  /** source | destination << 16, host order; 0 where the transport has none. */
  ports: 9,
  /** VNI, key, session or TEID. */
  id: 10,
  ahSpi: 11,
  /** Bytes of the outer packets beyond those of the next layer told; 64 bits each. */
  bytesDelta: 12,
  bytesTotal: 14,
  reverseBytesDelta: 16,
  reverseBytesTotal: 18,
} as const;

/** Words of one detail row. */
export const RECORD_DETAIL_WORDS = 58;

/** Word offsets of a detail row: what few flows have. */
export const RECORD_DETAIL = {
  /** {@link RECORD_LAYER}: the outermost encapsulation. */
  tunnel: 0,
  /** {@link RECORD_LAYER}: the outermost IP-in-IP layer inside of that. */
  ipip: 20,
  /** Six bytes in two words, memory order. Valid with {@link RECORD_DETAIL_FLAG.hasTunnelMac}. */
  tunnelMac: 40,
  /** Bits, see {@link RECORD_DETAIL_FLAG}. */
  flags: 42,
  /** Of the flow's own packets, forward, else reverse; 0 none. */
  espSpi: 43,
  ahSpi: 44,
  /** WireGuard: the index that the source (destination) chose; 0 not seen. */
  senderIndex: 45,
  receiverIndex: 46,
  /** IP fragments of both ways in the record, 64 bits. */
  fragmentsDelta: 47,
  /** The other view of a translated conversation, as RECORD has its own. Valid with {@link RECORD_DETAIL_FLAG.hasNat}. */
  natSource: 49,
  natDestination: 53,
  natPorts: 57,
} as const;

/** Bits of {@link RECORD_DETAIL.flags}. */
export const RECORD_DETAIL_FLAG = {
  hasTunnelMac: 1,
  isWireguard: 2,
  hasNat: 4,
  /** The trace is that of the other view. */
  tracesNat: 8,
  /** The other view is the one behind the translation. */
  isNatBehind: 16,
} as const;

/** Bits of {@link RECORD.flags}. */
export const RECORD_FLAG = {
  hasMac: 1,
  /** The record has forward (reverse) packets, so TTL, DSCP, label, ICMP of that side are measured. */
  hasForward: 2,
  hasReverse: 4,
  /** Community ID: ICMP message type without a counterpart, ends are not ordered. */
  isOneWay: 8,
  /** The flow is TCP whose segments were followed. */
  hasTcp: 16,
  /** A request was answered in the record. */
  hasResponse: 32,
  /** Likewise, and it was not the life's first one. */
  hasJitter: 64,
  /** The source began the flow, and is not only taken for who did by ports or by what came first. */
  isInitiatorSure: 128,
} as const;

/** Records in the order they were told. The buffer may be transferred to another thread; then it is gone here. */
export interface FlowRecordBatch {
  readonly count: number;
  /** At least `count` × {@link RECORD_WORDS}. */
  readonly words: Uint32Array<ArrayBuffer>;
  /** Rows of {@link RECORD_DETAIL_WORDS} words, named by {@link RECORD.detail}; empty where no record has one. */
  readonly details: Uint32Array<ArrayBuffer>;
}

/** Decides whether flows, and records of them, are told ([filter.*]). Rows are complete, and never kept. */
export interface RecordFilter {
  /** Whether the flow of the row at `at`, the first of its life, is told; the verdict holds to the life's end. */
  acceptsFlow(words: Uint32Array, at: number): boolean;
  /** Whether this record of a flow that is told is: by what changes in its life. */
  acceptsRecord(words: Uint32Array, at: number): boolean;
}
