// FLOW_EXPORTED by offsets: what an agent leaves of each flow for the one that comes after it (bpf/flow.h).

/** Bytes of one value: struct flow_exported. */
export const EXPORTED_BYTES = 160;

/** Words of one entry: a key, then its value. */
export const EXPORTED_ENTRY_WORDS = 52;

/** Word offsets in a value. 64-bit numbers unless said otherwise; by way: low → high first. */
export const EXPORTED = {
  packets: 0,
  bytes: 4,
  basePackets: 8,
  baseBytes: 12,
  /** UnixNanos. */
  flowStart: 16,
  recordEnd: 18,
  /** CLOCK_MONOTONIC. */
  told: 20,
  responseSumNs: 22,
  /** 32 bits. */
  recordNumber: 24,
  incarnation: 25,
  responseCount: 26,
  /** Bytes: orientation, span kind, {@link EXPORTED_ENDED}, 0. */
  octets: 27,
  /** 16 bits by way. */
  retransmits: 28,
  outOfOrder: 29,
  /** Four of overhead as DETAILS.overheadBytes has it, then fragments. */
  details: 30,
} as const;

/** The flow has ended and its last record is acknowledged: its entry goes. */
export const EXPORTED_ENDED = 1;
