// OTLP's protobuf form of records. Comes in: DecoratedBatch. Goes out: ExportTraceServiceRequest or
// ExportLogsServiceRequest bytes: the two differ in their items alone.
// Rows become bytes without a span object between them: the official serializer needs a ReadableSpan each (bench/encode.ts).

import type { DecoratedBatch } from "../decorate.ts";
import { ANY_VALUE, ARRAY_VALUE, KEY_VALUE, REQUEST, RESOURCE, SCOPE } from "./otlp-fields.ts";
import { RESOURCE_SPANS, SCOPE_SPANS } from "./otlp-fields-trace.ts";
import type { WriteRecord } from "./otlp-span.ts";
import { fieldTag, ProtobufWriter, WIRE } from "./protobuf.ts";
import type { EncodedRequest, RequestEncoder } from "./request-encoder.ts";
import type { ResourceAttributes } from "./resource.ts";
import { RecordRow } from "./row.ts";

/** Bytes the buffer of spans starts with; it doubles up to the largest request and is kept. */
const INITIAL_BYTES = 64 * 1024;

/** Bytes the buffers around it start with: a resource of usual size. */
const HEADER_BYTES = 1024;

/** Gathers items of any number of batches until a request is taken. */
export class OtlpEncoder implements RequestEncoder {
  readonly #writer = new ProtobufWriter(INITIAL_BYTES);
  readonly #row = new RecordRow();
  readonly #write: WriteRecord;
  readonly #resource: ResourceAttributes;
  readonly #scope: Uint8Array;
  #spans = 0;

  /**
   * @param write appends a span, or a log record
   * @param resource read anew for each request
   * @param version of the build: the instrumentation scope's
   */
  constructor(write: WriteRecord, resource: ResourceAttributes, version: string) {
    this.#write = write;
    this.#resource = resource;
    this.#scope = encodeScope(version);
  }

  /** Spans appended since the last request was taken. */
  get spans(): number {
    return this.#spans;
  }

  /** Appends rows `from` (included) to `to` (excluded). */
  append(batch: DecoratedBatch, from: number, to: number): void {
    this.#row.open(batch);
    for (let index = from; index < to; index++) {
      this.#row.moveTo(index);
      this.#write(this.#writer, this.#row);
    }
    this.#row.close();
    this.#spans += to - from;
  }

  /** The spans so far as one request; the encoder starts over. */
  take(): EncodedRequest {
    const bytes = this.#wrap();
    const spans = this.#spans;
    this.#writer.reset();
    this.#spans = 0;
    return { bytes, spans };
  }

  /** Request { ResourceSpans { Resource, ScopeSpans { InstrumentationScope, Span … } } } around the writer's spans. */
  #wrap(): Uint8Array<ArrayBuffer> {
    const spans = this.#writer.bytes.subarray(0, this.#writer.length);
    const scopeSpans = new ProtobufWriter(HEADER_BYTES);
    scopeSpans.field(SCOPE_SPANS.scope, this.#scope);
    const resourceSpans = new ProtobufWriter(HEADER_BYTES);
    resourceSpans.field(RESOURCE_SPANS.resource, encodeResource(this.#resource));
    openField(resourceSpans, RESOURCE_SPANS.scopeSpans, scopeSpans.length + spans.length);
    const request = new ProtobufWriter(scopeSpans.length + resourceSpans.length + spans.length + 16);
    openField(request, REQUEST.resourceSpans, resourceSpans.length + scopeSpans.length + spans.length);
    for (const part of [
      resourceSpans.bytes.subarray(0, resourceSpans.length),
      scopeSpans.bytes.subarray(0, scopeSpans.length),
      spans,
    ]) {
      request.bytes.set(part, request.length);
      request.length += part.length;
    }
    return request.bytes.subarray(0, request.length);
  }
}

function openField(writer: ProtobufWriter, field: number, size: number): void {
  writer.reserve(6);
  writer.byte(fieldTag(field, WIRE.bytes));
  writer.varint(size);
}

/** A Resource message. */
export function encodeResource(attributes: ResourceAttributes): Uint8Array {
  const resource = new ProtobufWriter(HEADER_BYTES);
  for (const [name, value] of attributes) {
    const keyValue = new ProtobufWriter(256);
    keyValue.textField(KEY_VALUE.key, name);
    keyValue.field(KEY_VALUE.value, encodeAnyValue(value));
    resource.field(RESOURCE.attributes, written(keyValue));
  }
  return written(resource).slice();
}

function encodeAnyValue(value: string | readonly string[]): Uint8Array {
  const writer = new ProtobufWriter(256);
  if (typeof value === "string") {
    writer.textField(ANY_VALUE.string, value);
  } else {
    const array = new ProtobufWriter(256);
    for (const item of value) array.field(ARRAY_VALUE.values, encodeAnyValue(item));
    writer.field(ANY_VALUE.array, written(array));
  }
  return written(writer);
}

/** An InstrumentationScope message. */
export function encodeScope(version: string): Uint8Array {
  const scope = new ProtobufWriter(64);
  scope.textField(SCOPE.name, "mermin");
  scope.textField(SCOPE.version, version);
  return written(scope);
}

function written(writer: ProtobufWriter): Uint8Array {
  return writer.bytes.subarray(0, writer.length);
}
