// Puts names on records: Community ID, trace id and span id of each row, beside the row itself.
// Comes in: FlowRecordBatch. Goes out: DecoratedBatch. Runs beside the export, never on the capture thread.

import { COMMUNITY_ID_BYTES, CommunityIdHasher } from "./flow/community-id.ts";
import { type FlowRecordBatch, RECORD_WORDS } from "./flow/flow.ts";
import { SPAN_ID_BYTES, TRACE_ID_BYTES, TraceIdHasher } from "./flow/trace-id.ts";

/** A record batch with its derived identifiers, row by row. */
export interface DecoratedBatch {
  readonly count: number;
  /** The batch's rows, see `RECORD` in flow/flow.ts. */
  readonly words: Uint32Array;
  /** Rows of details, see `RECORD_DETAIL` in flow/flow.ts; named by `RECORD.detail`. */
  readonly details: Uint32Array;
  /** 30 ASCII bytes each: `1:` and the base64 of the SHA-1. */
  readonly communityIds: Uint8Array;
  /** 16 bytes each, never all zero. */
  readonly traceIds: Uint8Array;
  /** 8 bytes each, never all zero. */
  readonly spanIds: Uint8Array;
  /** Name of an interface, undefined if it is not known. */
  readonly interfaceName: (ifindex: number) => string | undefined;
}

/** What decoration takes from the configuration and from capture. */
export interface DecorateOptions {
  /** `span.community_id_seed`, 16 bits. */
  readonly communityIdSeed: number;
  /** `span.trace_id_timeout`. */
  readonly traceIdTimeoutMs: number;
  readonly interfaceName: (ifindex: number) => string | undefined;
}

/**
 * Derives the identifiers of every row. The result's arrays are its own, but for the batch's rows.
 * @throws RangeError for a trace id timeout below one millisecond
 */
export function decorate(batch: FlowRecordBatch, options: DecorateOptions): DecoratedBatch {
  const { count, words, details } = batch;
  const communityId = new CommunityIdHasher(options.communityIdSeed);
  const traceId = new TraceIdHasher(options.traceIdTimeoutMs);
  const communityIds = new Uint8Array(count * COMMUNITY_ID_BYTES);
  const traceIds = new Uint8Array(count * TRACE_ID_BYTES);
  const spanIds = new Uint8Array(count * SPAN_ID_BYTES);
  for (let row = 0; row < count; row++) {
    const at = row * RECORD_WORDS;
    const trace = row * TRACE_ID_BYTES;
    communityId.hash(words, at);
    communityId.format(communityIds, row * COMMUNITY_ID_BYTES);
    traceId.writeTraceId(words, at, communityId.digest, traceIds, trace);
    traceId.writeSpanId(words, at, traceIds, trace, spanIds, row * SPAN_ID_BYTES);
  }
  return { count, words, details, communityIds, traceIds, spanIds, interfaceName: options.interfaceName };
}
