// Halves a request that was too large for its receiver. Comes in: an encoded request. Goes out: two, each with resource,
// scope and half of the items. Not for the hot path: a receiver's limit is met once in a while.

import { REQUEST } from "./otlp-fields.ts";
import { METRIC, RESOURCE_METRICS, SCOPE_METRICS, SUM } from "./otlp-fields-metrics.ts";
import { RESOURCE_SPANS, SCOPE_SPANS } from "./otlp-fields-trace.ts";
import { fieldTag, ProtobufWriter, WIRE } from "./protobuf.ts";
import type { EncodedRequest, Encoding, Signal, SplitRequest } from "./request-encoder.ts";

/** Where the items are: numbers of length-delimited fields from the request inward. Those of spans and of logs agree. */
const SPANS_PATH = [REQUEST.resourceSpans, RESOURCE_SPANS.scopeSpans, SCOPE_SPANS.spans] as const;
const POINTS_PATH = [
  REQUEST.resourceSpans,
  RESOURCE_METRICS.scopeMetrics,
  SCOPE_METRICS.metrics,
  METRIC.sum,
  SUM.dataPoints,
] as const;
const FIELDS: Readonly<Record<Signal, readonly number[]>> = {
  traces: SPANS_PATH,
  logs: SPANS_PATH,
  metrics: POINTS_PATH,
};

/** The same by name in JSON. */
const NAMES: Readonly<Record<Signal, readonly string[]>> = {
  traces: ["resourceSpans", "scopeSpans", "spans"],
  logs: ["resourceLogs", "scopeLogs", "logRecords"],
  metrics: ["resourceMetrics", "scopeMetrics", "metrics", "sum", "dataPoints"],
};

/** Items of a request, counted in their order through the whole of it. */
interface Part {
  readonly from: number;
  readonly to: number;
  /** Items met so far. */
  seen: number;
}

/** The splitter of one kind of request. */
export function createSplitter(signal: Signal, encoding: Encoding): SplitRequest {
  const keep =
    encoding === "protobuf"
      ? (bytes: Uint8Array, part: Part): Uint8Array<ArrayBuffer> => keepFields(bytes, FIELDS[signal], part)
      : (bytes: Uint8Array, part: Part): Uint8Array<ArrayBuffer> => keepJson(bytes, NAMES[signal], part);
  return ({ bytes, spans }) => {
    if (spans < 2) return undefined;
    const middle = spans >> 1;
    const half = (from: number, to: number): EncodedRequest => {
      return { bytes: keep(bytes, { from, to, seen: 0 }), spans: to - from };
    };
    return [half(0, middle), half(middle, spans)];
  };
}

/** The message with only the items of `part`; what is not on the path is copied, what holds no item any more left out. */
function keepFields(message: Uint8Array, path: readonly number[], part: Part): Uint8Array<ArrayBuffer> {
  const [field, ...inner] = path;
  const kept = new ProtobufWriter(message.length);
  for (let offset = 0; offset < message.length; ) {
    const { tag, content, end } = readField(message, offset);
    const isOnPath = field !== undefined && tag === fieldTag(field, WIRE.bytes);
    if (!isOnPath) kept.raw(message.subarray(offset, end));
    else if (inner.length === 0) {
      if (isKept(part)) kept.raw(message.subarray(offset, end));
    } else {
      const before = part.seen;
      const child = keepFields(message.subarray(content, end), inner, part);
      if (overlaps(part, before)) kept.field(field, child);
    }
    offset = end;
  }
  return kept.bytes.slice(0, kept.length);
}

/** Counts one item. */
function isKept(part: Part): boolean {
  const index = part.seen++;
  return index >= part.from && index < part.to;
}

/** Whether any item from `before` to those seen so far is kept. */
function overlaps({ from, to, seen }: Part, before: number): boolean {
  return Math.max(from, before) < Math.min(to, seen);
}

interface Field {
  readonly tag: number;
  /** Offset of what a length-delimited field holds. */
  readonly content: number;
  readonly end: number;
}

/** Of messages that we wrote ourselves: no group, no length beyond 32 bits. */
function readField(message: Uint8Array, offset: number): Field {
  const tag = readVarint(message, offset);
  switch (tag.value & 7) {
    case WIRE.varint:
      return { tag: tag.value, content: tag.end, end: readVarint(message, tag.end).end };
    case WIRE.fixed64:
      return { tag: tag.value, content: tag.end, end: tag.end + 8 };
    case WIRE.bytes: {
      const length = readVarint(message, tag.end);
      return { tag: tag.value, content: length.end, end: length.end + length.value };
    }
    default:
      throw new RangeError(`Cannot split a request: wire type ${tag.value & 7} at byte ${offset}`);
  }
}

/** Exact below 2^53; of a longer one the end is. */
function readVarint(message: Uint8Array, offset: number): { readonly value: number; readonly end: number } {
  let value = 0;
  let end = offset;
  for (let factor = 1; ; factor *= 128) {
    const octet = message[end++];
    if (octet === undefined) throw new RangeError(`Cannot split a request: it ends at byte ${end}`);
    value += (octet & 0x7f) * factor;
    if (octet < 0x80) return { value, end };
  }
}

function keepJson(bytes: Uint8Array, path: readonly string[], part: Part): Uint8Array<ArrayBuffer> {
  const kept = keepMembers(JSON.parse(new TextDecoder().decode(bytes)), path, part);
  return new TextEncoder().encode(JSON.stringify(kept));
}

/** As {@link keepFields}; a member on the path is a list, or one object. */
function keepMembers(message: unknown, path: readonly string[], part: Part): unknown {
  const [name, ...inner] = path;
  if (name === undefined || !isObject(message)) return message;
  const member = message[name];
  if (!Array.isArray(member)) return { ...message, [name]: keepMembers(member, inner, part) };
  const items = member.flatMap((item: unknown): unknown[] => {
    if (inner.length === 0) return isKept(part) ? [item] : [];
    const before = part.seen;
    const child = keepMembers(item, inner, part);
    return overlaps(part, before) ? [child] : [];
  });
  return { ...message, [name]: items };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
