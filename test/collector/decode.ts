// Decodes OTLP trace requests by the published message definitions, with protobufjs: a witness of our own encoder.

import protobuf from "protobufjs";
import * as v from "valibot";

/** Messages, field numbers and types of opentelemetry-proto v1 that requests of all signals share. */
export const COMMON_DEFINITIONS = `
  syntax = "proto3";
  message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2; }
  message InstrumentationScope {
    string name = 1; string version = 2; repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4;
  }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message AnyValue {
    oneof value {
      string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
      ArrayValue array_value = 5; KeyValueList kvlist_value = 6; bytes bytes_value = 7;
    }
  }
  message ArrayValue { repeated AnyValue values = 1; }
  message KeyValueList { repeated KeyValue values = 1; }
`;

// As far as a trace request reaches beyond those.
const DEFINITIONS = `
  message ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; string schema_url = 3; }
  message ScopeSpans { InstrumentationScope scope = 1; repeated Span spans = 2; string schema_url = 3; }
  message Span {
    bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4; fixed32 flags = 16;
    string name = 5; int32 kind = 6; fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8;
    repeated KeyValue attributes = 9; uint32 dropped_attributes_count = 10; repeated Event events = 11;
    uint32 dropped_events_count = 12; repeated Link links = 13; uint32 dropped_links_count = 14; Status status = 15;
  }
  message Event { fixed64 time_unix_nano = 1; string name = 2; }
  message Link { bytes trace_id = 1; bytes span_id = 2; }
  message Status { string message = 2; int32 code = 3; }
  message ExportTraceServiceResponse { ExportTracePartialSuccess partial_success = 1; }
  message ExportTracePartialSuccess { int64 rejected_spans = 1; string error_message = 2; }
`;

const root = protobuf.parse(COMMON_DEFINITIONS + DEFINITIONS).root;
const requestType = root.lookupType("ExportTraceServiceRequest");
const responseType = root.lookupType("ExportTraceServiceResponse");

interface ScalarValue {
  readonly stringValue?: string | undefined;
  readonly intValue?: string | undefined;
}

interface KeyValue {
  readonly key: string;
  readonly value: ScalarValue & {
    readonly arrayValue?: { readonly values: readonly ScalarValue[] } | undefined;
  };
}

const scalarValue = v.strictObject({ stringValue: v.optional(v.string()), intValue: v.optional(v.string()) });
const anyValue = v.strictObject({
  ...scalarValue.entries,
  arrayValue: v.optional(v.strictObject({ values: v.optional(v.array(scalarValue), []) })),
});
export const keyValues: v.GenericSchema<unknown, readonly KeyValue[]> = v.optional(
  v.array(v.strictObject({ key: v.string(), value: anyValue })),
  [],
);
/** Bytes of protobuf, lower-case hexadecimal digits of JSON. */
export const idSchema: v.GenericSchema<unknown, string> = v.union([
  v.pipe(
    v.instance(Uint8Array),
    v.transform((bytes) => bytes.toHex()),
  ),
  v.pipe(v.string(), v.regex(/^([0-9a-f]{16}|[0-9a-f]{32})$/)),
]);
const spanSchema = v.strictObject({
  traceId: idSchema,
  spanId: idSchema,
  name: v.string(),
  kind: v.number(),
  // protobufjs leaves out a field that has its default value.
  startTimeUnixNano: v.optional(v.string(), "0"),
  endTimeUnixNano: v.optional(v.string(), "0"),
  attributes: keyValues,
  // Ours have neither; the official serializer writes both, filled where an operation of the agent's own failed.
  flags: v.optional(v.number()),
  status: v.optional(v.strictObject({ message: v.optional(v.string()), code: v.optional(v.number()) })),
});
const requestSchema = v.strictObject({
  resourceSpans: v.array(
    v.strictObject({
      resource: v.strictObject({ attributes: keyValues }),
      scopeSpans: v.array(
        v.strictObject({
          scope: v.strictObject({ name: v.string(), version: v.optional(v.string()) }),
          spans: v.array(spanSchema),
        }),
      ),
    }),
  ),
});

export type AttributeValue = string | number | readonly (string | number)[];

/** A span as the ndjson format says it. */
export interface DecodedSpan {
  readonly name: string;
  readonly kind: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

export interface DecodedRequest {
  readonly resource: Readonly<Record<string, AttributeValue>>;
  readonly scope: { readonly name: string; readonly version?: string | undefined };
  readonly spans: readonly DecodedSpan[];
}

const KINDS = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];

/** Decodes a request of one resource and one scope; throws on any field beyond those of a span without links, events and parent. */
export function decodeRequest(bytes: Uint8Array): DecodedRequest {
  return readRequest(requestType.toObject(requestType.decode(bytes), { longs: String }));
}

/** Likewise of a request in JSON: lowerCamelCase names, numbers for enums, texts for 64-bit integers. */
export function decodeJsonRequest(bytes: Uint8Array): DecodedRequest {
  return readRequest(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
}

function readRequest(message: unknown): DecodedRequest {
  const request = v.parse(requestSchema, message);
  const [resourceSpans] = request.resourceSpans;
  const [scopeSpans] = resourceSpans?.scopeSpans ?? [];
  if (resourceSpans === undefined || scopeSpans === undefined) throw new Error("no resource or scope");
  return {
    resource: plainAttributes(resourceSpans.resource.attributes),
    scope: scopeSpans.scope,
    spans: scopeSpans.spans.map((span) => ({
      name: span.name,
      kind: KINDS[span.kind] ?? String(span.kind),
      traceId: span.traceId,
      spanId: span.spanId,
      startTimeUnixNano: span.startTimeUnixNano,
      endTimeUnixNano: span.endTimeUnixNano,
      attributes: plainAttributes(span.attributes),
    })),
  };
}

/** A response that refuses some of a request's spans. */
export function encodePartialSuccess(rejectedSpans: number, errorMessage: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(responseType.encode({ partialSuccess: { rejectedSpans, errorMessage } }).finish());
}

/** Attributes by name; throws where one is there twice. */
export function plainAttributes(attributes: readonly KeyValue[]): Record<string, AttributeValue> {
  const plain: Record<string, AttributeValue> = {};
  for (const { key, value } of attributes) {
    if (key in plain) throw new Error(`attribute ${key} twice`);
    plain[key] =
      value.arrayValue === undefined ? plainScalar(value) : value.arrayValue.values.map(plainScalar);
  }
  return plain;
}

function plainScalar(value: ScalarValue): string | number {
  if (value.stringValue !== undefined) return value.stringValue;
  const int = Number(value.intValue);
  return Number.isSafeInteger(int) ? int : String(value.intValue);
}
