// Decodes OTLP log requests by the published message definitions: a witness of our own encoder.

import protobuf from "protobufjs";
import * as v from "valibot";
import { type AttributeValue, COMMON_DEFINITIONS, idSchema, keyValues, plainAttributes } from "./decode.ts";

// As far as a request of logs reaches beyond the common messages.
const DEFINITIONS = `
  message ExportLogsServiceRequest { repeated ResourceLogs resource_logs = 1; }
  message ResourceLogs { Resource resource = 1; repeated ScopeLogs scope_logs = 2; string schema_url = 3; }
  message ScopeLogs { InstrumentationScope scope = 1; repeated LogRecord log_records = 2; string schema_url = 3; }
  message LogRecord {
    fixed64 time_unix_nano = 1; fixed64 observed_time_unix_nano = 11; int32 severity_number = 2;
    string severity_text = 3; AnyValue body = 5; repeated KeyValue attributes = 6;
    uint32 dropped_attributes_count = 7; fixed32 flags = 8; bytes trace_id = 9; bytes span_id = 10;
    string event_name = 12;
  }
`;

const requestType = protobuf
  .parse(COMMON_DEFINITIONS + DEFINITIONS)
  .root.lookupType("ExportLogsServiceRequest");

const recordSchema = v.strictObject({
  timeUnixNano: v.optional(v.string(), "0"),
  observedTimeUnixNano: v.string(),
  severityNumber: v.number(),
  severityText: v.string(),
  eventName: v.string(),
  body: v.strictObject({ stringValue: v.string() }),
  attributes: keyValues,
  traceId: idSchema,
  spanId: idSchema,
  // Ours have neither; the official serializer writes both, as 0.
  flags: v.optional(v.number()),
  droppedAttributesCount: v.optional(v.number()),
});
const requestSchema = v.strictObject({
  resourceLogs: v.tuple([
    v.strictObject({
      resource: v.strictObject({ attributes: keyValues }),
      scopeLogs: v.tuple([
        v.strictObject({
          scope: v.strictObject({ name: v.string(), version: v.string() }),
          logRecords: v.optional(v.array(recordSchema), []),
        }),
      ]),
    }),
  ]),
});

export interface DecodedLog {
  readonly timeUnixNano: string;
  readonly observedTimeUnixNano: string;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly eventName: string;
  readonly body: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

export interface DecodedLogs {
  readonly resource: Readonly<Record<string, AttributeValue>>;
  readonly scope: { readonly name: string; readonly version: string };
  readonly logs: readonly DecodedLog[];
}

/** Decodes a request of one resource and one scope. @throws on any field that a log record of ours has not */
export function decodeLogs(bytes: Uint8Array): DecodedLogs {
  return readRequest(requestType.toObject(requestType.decode(bytes), { longs: String }));
}

/** Likewise of a request in JSON. */
export function decodeJsonLogs(bytes: Uint8Array): DecodedLogs {
  return readRequest(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
}

function readRequest(message: unknown): DecodedLogs {
  const [{ resource, scopeLogs }] = v.parse(requestSchema, message).resourceLogs;
  const [{ scope, logRecords }] = scopeLogs;
  return {
    resource: plainAttributes(resource.attributes),
    scope,
    logs: logRecords.map(
      ({ body, attributes, flags: _flags, droppedAttributesCount: _dropped, ...rest }) => ({
        ...rest,
        body: body.stringValue,
        attributes: plainAttributes(attributes),
      }),
    ),
  };
}
