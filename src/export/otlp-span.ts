// One record as an OTLP Span message. Comes in: a row. Goes out: bytes in a writer, no object in between.

import { RECORD } from "../flow/flow.ts";
import type { AttributeSelection } from "./attribute.ts";
import { AttributeWriter } from "./otlp-attributes.ts";
import { SCOPE_SPANS, SPAN } from "./otlp-fields-trace.ts";
import { fieldTag, type ProtobufWriter, WIRE } from "./protobuf.ts";
import { ID_BYTES, type RecordRow } from "./row.ts";
import { spanName } from "./span.ts";

const TAG = {
  span: fieldTag(SCOPE_SPANS.spans, WIRE.bytes),
  traceId: fieldTag(SPAN.traceId, WIRE.bytes),
  spanId: fieldTag(SPAN.spanId, WIRE.bytes),
  name: fieldTag(SPAN.name, WIRE.bytes),
  kind: fieldTag(SPAN.kind, WIRE.varint),
  startTime: fieldTag(SPAN.startTime, WIRE.fixed64),
  endTime: fieldTag(SPAN.endTime, WIRE.fixed64),
  attribute: fieldTag(SPAN.attributes, WIRE.bytes),
} as const;

/** Lengths that are written after their content get this many bytes: a span of 128 to 16,383 bytes is not moved. */
const SPAN_LENGTH_BYTES = 2;

/** Room for all of a span but its attributes, tags and lengths included. */
const ENVELOPE_BYTES = 128;

/** Appends one record as an element of a list, tag and length included. */
export type WriteRecord = (writer: ProtobufWriter, row: RecordRow) => void;

/** What writes elements of ScopeSpans.spans, with the attributes of `selection`. */
export function createSpanWriter(selection: AttributeSelection): WriteRecord {
  const attributes = new AttributeWriter(selection, TAG.attribute, ENVELOPE_BYTES);
  return (writer, row) => {
    writer.reserve(attributes.reserve);
    writer.byte(TAG.span);
    const start = writer.length;
    writer.length += SPAN_LENGTH_BYTES;
    writeEnvelope(writer, row);
    attributes.write(writer, row);
    writer.closeLength(start, SPAN_LENGTH_BYTES);
  };
}

function writeEnvelope(writer: ProtobufWriter, row: RecordRow): void {
  const { batch, index } = row;
  writer.byte(TAG.traceId);
  writer.byte(ID_BYTES.traceId);
  writer.copy(batch.traceIds, index * ID_BYTES.traceId, ID_BYTES.traceId);
  writer.byte(TAG.spanId);
  writer.byte(ID_BYTES.spanId);
  writer.copy(batch.spanIds, index * ID_BYTES.spanId, ID_BYTES.spanId);
  const name = spanName(row);
  writer.byte(TAG.name);
  writer.byte(name.length);
  writer.ascii(name);
  writer.byte(TAG.kind);
  writer.byte(row.spanKind);
  writer.byte(TAG.startTime);
  writer.fixed64(row.word(RECORD.startNs), row.word(RECORD.startNs + 1));
  writer.byte(TAG.endTime);
  writer.fixed64(row.word(RECORD.endNs), row.word(RECORD.endNs + 1));
}
