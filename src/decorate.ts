// Puts names on records: Community ID, trace id and span id of each row, beside the row itself.
// Comes in: FlowRecordBatch. Goes out: DecoratedBatch. Runs beside the export, never on the capture thread.

/** A record batch with its derived identifiers, row by row. */
export interface DecoratedBatch {
  readonly count: number;
  /** The batch's rows, see `RECORD` in flow/flow.ts. */
  readonly words: Uint32Array;
  /** 30 ASCII bytes each: `1:` and the base64 of the SHA-1. */
  readonly communityIds: Uint8Array;
  /** 16 bytes each, never all zero. */
  readonly traceIds: Uint8Array;
  /** 8 bytes each, never all zero. */
  readonly spanIds: Uint8Array;
  /** Name of an interface, undefined if it is not known. */
  readonly interfaceName: (ifindex: number) => string | undefined;
}
