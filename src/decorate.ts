// Puts names on records: Community ID, trace id and span id of each row, and what the cluster says of it, beside the row.
// Comes in: FlowRecordBatch. Goes out: DecoratedBatch. Runs beside the export, never on the capture thread.

import { COMMUNITY_ID_BYTES, CommunityIdHasher } from "./flow/community-id.ts";
import {
  END_REASON,
  type FlowRecordBatch,
  RECORD,
  RECORD_DETAIL,
  RECORD_DETAIL_FLAG,
  RECORD_DETAIL_WORDS,
  RECORD_FLAG,
  RECORD_WORDS,
  SPAN_KIND,
} from "./flow/flow.ts";
import { NatIdHasher } from "./flow/nat-id.ts";
import { SPAN_ID_BYTES, TRACE_ID_BYTES, TraceIdHasher } from "./flow/trace-id.ts";
import type { AttributedRecord, RecordAttributes } from "./kubernetes/attribution.ts";
import type { NamedValues } from "./lib/named-values.ts";

/** Lists of {@link DecoratedBatch.named} a row has: of its source, of its destination, of policies. */
export const NAMED_PER_ROW = 3;

/** A record batch with its derived identifiers, row by row. */
export interface DecoratedBatch {
  readonly count: number;
  /** The batch's rows, see `RECORD` in flow/flow.ts. */
  readonly words: Uint32Array;
  /** Rows of details, see `RECORD_DETAIL` in flow/flow.ts; named by `RECORD.detail`. */
  readonly details: Uint32Array;
  /** 30 ASCII bytes each: `1:` and the base64 of the SHA-1. */
  readonly communityIds: Uint8Array;
  /** Likewise, one for each row of details: of the other view where the node translates the conversation, else zero. */
  readonly natCommunityIds: Uint8Array;
  /** 16 bytes each, never all zero. */
  readonly traceIds: Uint8Array;
  /** 8 bytes each, never all zero. */
  readonly spanIds: Uint8Array;
  /** Name of an interface, undefined if it is not known. */
  readonly interfaceName: (ifindex: number) => string | undefined;
  /** {@link NAMED_PER_ROW} for each row, undefined where nothing is said; none at all where nobody was asked. */
  readonly named: readonly (NamedValues | undefined)[];
}

/** Who is asked what the cluster says of records. */
export interface Attributor {
  /** Writes what is known at `now` (ms since 1970) of `record`. */
  attribute(record: AttributedRecord, now: number, said: RecordAttributes): void;
}

/** What decoration takes from the configuration and from capture. */
export interface DecorateOptions {
  /** `span.community_id_seed`, 16 bits. */
  readonly communityIdSeed: number;
  /** `span.trace_id_timeout`. */
  readonly traceIdTimeoutMs: number;
  readonly interfaceName: (ifindex: number) => string | undefined;
  /** undefined where no cluster is watched. */
  readonly attributor?: Attributor | undefined;
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
  const natId = new NatIdHasher(options.communityIdSeed);
  const natCommunityIds = new Uint8Array((details.length / RECORD_DETAIL_WORDS) * COMMUNITY_ID_BYTES);
  const traceIds = new Uint8Array(count * TRACE_ID_BYTES);
  const spanIds = new Uint8Array(count * SPAN_ID_BYTES);
  for (let row = 0; row < count; row++) {
    const at = row * RECORD_WORDS;
    const trace = row * TRACE_ID_BYTES;
    communityId.hash(words, at);
    communityId.format(communityIds, row * COMMUNITY_ID_BYTES);
    const isTracedByNat = natId.write(words, at, details, natCommunityIds);
    traceId.writeTraceId(words, at, isTracedByNat ? natId.digest : communityId.digest, traceIds, trace);
    traceId.writeSpanId(words, at, traceIds, trace, spanIds, row * SPAN_ID_BYTES);
  }
  const { interfaceName, attributor } = options;
  const named = attributor === undefined ? [] : nameRows(batch, traceIds, attributor);
  return { count, words, details, communityIds, natCommunityIds, traceIds, spanIds, interfaceName, named };
}

const NANOS_PER_MS = 1e6;
/** Of TCP's flags; other protocols have none. */
const SYN = 2;

function nameRows(
  { count, words, details }: FlowRecordBatch,
  traceIds: Uint8Array<ArrayBuffer>,
  attributor: Attributor,
): (NamedValues | undefined)[] {
  const traces = new Uint32Array(traceIds.buffer);
  const now = Date.now();
  const said: RecordAttributes = { source: undefined, destination: undefined, policies: undefined };
  const record: AttributedRecord = { ...NO_RECORD, words, flowId: new Uint32Array(5) };
  const scratch = new Uint32Array(12);
  const named: (NamedValues | undefined)[] = [];
  for (let row = 0; row < count; row++) {
    readRow(record, words, row * RECORD_WORDS);
    if (words[row * RECORD_WORDS + RECORD.detail] !== 0) readNat(record, details, scratch);
    for (let i = 0; i < 4; i++) record.flowId[i] = traces[row * 4 + i] as number;
    attributor.attribute(record, now, said);
    named.push(said.source, said.destination, said.policies);
  }
  return named;
}

const NO_RECORD: Omit<AttributedRecord, "words" | "flowId"> = {
  sourceAt: 0,
  destinationAt: 0,
  sourcePort: 0,
  destinationPort: 0,
  calledAt: -1,
  calledPort: 0,
  isSourceTranslated: false,
  protocol: 0,
  startMs: 0,
  isLast: false,
  isInitiatorKnown: false,
  isInitiatorSure: false,
};

function readRow(record: AttributedRecord, words: Uint32Array, at: number): void {
  const ports = words[at + RECORD.ports] as number;
  const identity = words[at + RECORD.identity] as number;
  const low = words[at + RECORD.flowStartNs] as number;
  const high = words[at + RECORD.flowStartNs + 1] as number;
  record.words = words;
  record.calledAt = -1;
  record.isSourceTranslated = false;
  record.sourceAt = at + RECORD.sourceAddress;
  record.destinationAt = at + RECORD.destinationAddress;
  record.sourcePort = ports & 0xffff;
  record.destinationPort = ports >>> 16;
  record.protocol = identity & 0xff;
  record.isInitiatorKnown = ((identity >>> 16) & 0xff) !== SPAN_KIND.internal;
  record.isInitiatorSure = ((words[at + RECORD.flags] as number) & RECORD_FLAG.isInitiatorSure) !== 0;
  record.isLast = identity >>> 24 !== END_REASON.activeTimeout;
  record.startMs = (low + high * 0x1_0000_0000) / NANOS_PER_MS;
  // Flows of one trace id begin at different times.
  record.flowId[4] = low ^ high;
}

/**
 * Where the node translates the conversation: who answers is the translated view's destination, who was called the
 * original one's. Their addresses, behind the source's, are in `scratch` from here on.
 */
function readNat(record: AttributedRecord, details: Uint32Array, scratch: Uint32Array): void {
  const row =
    ((record.words[record.sourceAt - RECORD.sourceAddress + RECORD.detail] as number) - 1) *
    RECORD_DETAIL_WORDS;
  const flags = details[row + RECORD_DETAIL.flags] as number;
  if ((flags & RECORD_DETAIL_FLAG.hasNat) === 0) return;
  const isBehind = (flags & RECORD_DETAIL_FLAG.isNatBehind) !== 0;
  const otherAt = isBehind ? 4 : 8;
  for (let i = 0; i < 4; i++) {
    const word = record.words[record.sourceAt + i] as number;
    if (details[row + RECORD_DETAIL.natSource + i] !== word) record.isSourceTranslated = true;
    scratch[i] = word;
    scratch[12 - otherAt + i] = record.words[record.destinationAt + i] as number;
    scratch[otherAt + i] = details[row + RECORD_DETAIL.natDestination + i] as number;
  }
  const otherPort = (details[row + RECORD_DETAIL.natPorts] as number) >>> 16;
  record.calledPort = isBehind ? record.destinationPort : otherPort;
  record.destinationPort = isBehind ? otherPort : record.destinationPort;
  noteWhoAnswers(
    record,
    scratch,
    record.words[record.sourceAt - RECORD.sourceAddress + RECORD.octets] as number,
  );
  record.words = scratch;
  record.sourceAt = 0;
  record.destinationAt = 4;
  record.calledAt = 8;
}

/**
 * What is found out about a flow is kept, but not for another end that answers: conntrack may tell late, or of a new one.
 * Masquerade alone does not say who began: conntrack takes an answer that it has forgotten the request of for one.
 */
function noteWhoAnswers(record: AttributedRecord, scratch: Uint32Array, forwardFlags: number): void {
  let isRedirected = record.calledPort !== record.destinationPort;
  let hash = record.destinationPort;
  for (let i = 0; i < 4; i++) {
    isRedirected ||= scratch[4 + i] !== scratch[8 + i];
    hash = Math.imul(hash ^ (hash >>> 15) ^ (scratch[4 + i] as number), 0x85ebca6b);
  }
  if (isRedirected) record.flowId[4] = (record.flowId[4] as number) ^ hash;
  else if ((forwardFlags & SYN) === 0) record.isInitiatorSure = false;
}
