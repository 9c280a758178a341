// One record as an OTLP Span message. Comes in: a row. Goes out: bytes in a writer, no object in between.

import { RECORD } from "../flow/flow.ts";
import { ABSENT, type Attribute } from "./attribute.ts";
import { ATTRIBUTES, RECORD_ATTRIBUTES } from "./attributes.ts";
import { DETAIL_GROUPS } from "./attributes-tunnel.ts";
import { ANY_VALUE, ARRAY_VALUE, KEY_VALUE, SCOPE_SPANS, SPAN } from "./otlp-fields.ts";
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
  key: fieldTag(KEY_VALUE.key, WIRE.bytes),
  value: fieldTag(KEY_VALUE.value, WIRE.bytes),
  string: fieldTag(ANY_VALUE.string, WIRE.bytes),
  int: fieldTag(ANY_VALUE.int, WIRE.varint),
  array: fieldTag(ANY_VALUE.array, WIRE.bytes),
  item: fieldTag(ARRAY_VALUE.values, WIRE.bytes),
} as const;

const UTF8 = new TextEncoder();

/** Lengths that are written after their content get this many bytes: a span of 128 to 16,383 bytes is not moved. */
const SPAN_LENGTH_BYTES = 2;

/** Room for all of a span but its attributes, tags and lengths included. */
const ENVELOPE_BYTES = 128;

/** A KeyValue and all in it below this many bytes has lengths of one byte. */
const SHORT_BYTES = 128;

/** What never changes of an attribute's KeyValue: its tag, a byte for its length, the key, the value's tag. */
interface Lead {
  readonly size: number;
  /** Little endian, padded with zeros. */
  readonly words: Uint32Array;
}

interface EncodedAttribute {
  readonly attribute: Attribute;
  readonly lead: Lead;
}

const ENCODED_RECORD = RECORD_ATTRIBUTES.map(encodeLead);

/** Apart, so that a record without details passes them all by one test (bench/encode.ts). */
const ENCODED_DETAILS = DETAIL_GROUPS.map(({ attributes, applies }) => {
  return { attributes: attributes.map(encodeLead), applies };
});

function encodeLead(attribute: Attribute): EncodedAttribute {
  const key = UTF8.encode(attribute.name);
  return { attribute, lead: packLead([TAG.attribute, 0, TAG.key, key.length, ...key, TAG.value]) };
}

function packLead(octets: readonly number[]): Lead {
  const words = new Uint32Array(Math.ceil(octets.length / 4));
  for (const [index, octet] of octets.entries())
    words[index >> 2] = (words[index >> 2] ?? 0) | (octet << ((index & 3) * 8));
  return { size: octets.length, words };
}

/**
 * Room for a span whose texts are short: asked for once a span, not once an attribute (bench/encode.ts). A KeyValue of
 * a longer text asks for its own, and for what may follow it.
 */
const SPAN_BYTES = ENVELOPE_BYTES + ATTRIBUTES.length * (SHORT_BYTES + 2);

/** Appends `row` as one element of ScopeSpans.spans, tag and length included. */
export function writeSpan(writer: ProtobufWriter, row: RecordRow): void {
  writer.reserve(SPAN_BYTES);
  writer.byte(TAG.span);
  const start = writer.length;
  writer.length += SPAN_LENGTH_BYTES;
  writeEnvelope(writer, row);
  for (const encoded of ENCODED_RECORD) writeAttribute(writer, row, encoded);
  if (row.hasDetail) writeDetails(writer, row);
  writer.closeLength(start, SPAN_LENGTH_BYTES);
}

function writeDetails(writer: ProtobufWriter, row: RecordRow): void {
  for (const { attributes, applies } of ENCODED_DETAILS) {
    if (!applies(row)) continue;
    for (const encoded of attributes) writeAttribute(writer, row, encoded);
  }
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

function writeAttribute(writer: ProtobufWriter, row: RecordRow, { attribute, lead }: EncodedAttribute): void {
  switch (attribute.kind) {
    case "counter":
      writeInt(writer, lead, row.word(attribute.word), row.word(attribute.word + 1));
      return;
    case "detail-counter":
      writeInt(writer, lead, row.detailWord(attribute.word), row.detailWord(attribute.word + 1));
      return;
    case "int": {
      const value = attribute.read(row);
      if (value !== ABSENT) writeInt(writer, lead, value, value > 0xffff_ffff ? value / 0x1_0000_0000 : 0);
      return;
    }
    case "string": {
      const text = attribute.read(row);
      if (text !== undefined) writeText(writer, lead, text);
      return;
    }
    case "strings": {
      const texts = attribute.read(row);
      if (texts !== undefined) writeTexts(writer, lead, texts);
      return;
    }
    default:
      attribute satisfies never;
  }
}

function writeInt(writer: ProtobufWriter, lead: Lead, low: number, high: number): void {
  const start = writer.length;
  writer.words(lead.words, lead.size);
  const lengthAt = writer.length++;
  writer.byte(TAG.int);
  writer.varint64(low, high);
  writer.bytes[lengthAt] = writer.length - lengthAt - 1;
  writer.bytes[start + 1] = writer.length - start - 2;
}

function writeText(writer: ProtobufWriter, lead: Lead, text: string): void {
  const size = text.length;
  const start = writer.length;
  writer.words(lead.words, lead.size);
  if (lead.size + size + 4 < SHORT_BYTES) {
    writer.byte(size + 2);
    writer.byte(TAG.string);
    writer.byte(size);
    if (writer.ascii(text)) {
      writer.bytes[start + 1] = writer.length - start - 2;
      return;
    }
    writer.length = start + lead.size;
  }
  writeLongText(writer, text);
  writer.closeLength(start + 1, 1);
  writer.reserve(SPAN_BYTES);
}

/** The value's length and content, of any length and in any script. */
function writeLongText(writer: ProtobufWriter, text: string): void {
  const start = writer.length++;
  writer.textField(ANY_VALUE.string, text);
  writer.closeLength(start, 1);
}

/** Only for ASCII texts whose KeyValue stays below {@link SHORT_BYTES}: the table's lists are tags. */
function writeTexts(writer: ProtobufWriter, lead: Lead, texts: readonly string[]): void {
  const start = writer.length;
  writer.words(lead.words, lead.size);
  const valueLengthAt = writer.length++;
  writer.byte(TAG.array);
  const arrayLengthAt = writer.length++;
  for (const text of texts) {
    writer.byte(TAG.item);
    writer.byte(text.length + 2);
    writer.byte(TAG.string);
    writer.byte(text.length);
    writer.ascii(text);
  }
  writer.bytes[arrayLengthAt] = writer.length - arrayLengthAt - 1;
  writer.bytes[valueLengthAt] = writer.length - valueLengthAt - 1;
  writer.bytes[start + 1] = writer.length - start - 2;
}
