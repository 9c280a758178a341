// FLOW_EXPORTED by offsets: what an agent leaves of each flow for the one that comes after it (bpf/flow.h).

/** Bytes of one value: struct flow_exported. */
export const EXPORTED_BYTES = 176;

/** Words of one entry: a key, then its value. */
export const EXPORTED_ENTRY_WORDS = 56;

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
  /** Bytes: orientation, span kind, {@link EXPORTED_FLAG}, 0. */
  octets: 27,
  /** 16 bits by way. */
  retransmits: 28,
  outOfOrder: 29,
  /** Four of overhead as DETAILS.overheadBytes has it, then fragments. */
  details: 30,
  /** UnixNanos, of the life whose first record may have been told since; its incarnation (32 bits), 0 none. */
  nextStart: 40,
  nextIncarnation: 42,
} as const;

/**
 * What an entry is, where it is not the state at a record: `ended`: the flow has ended and its last record is
 * acknowledged, so that its entry goes; `begun`: in advance, a life's first record is about to be told; `ofTaken`: of a
 * flow that is taken out of the kernel's table; `next`: begun, a later life, of which only EXPORTED.next… is set. `translated`
 * stays: the flow's trace is that of the translated tuple.
 */
export const EXPORTED_FLAG = { ended: 1, ofTaken: 2, begun: 4, next: 8, translated: 16 } as const;

/** Bytes of one value of FLOW_TAKEN: struct flow_taken, a value of FLOW_STATS and what was told of it. */
export const TAKEN_BYTES = 432;
