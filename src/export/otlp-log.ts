// One record as an OTLP LogRecord. Comes in: a row. Goes out: bytes in a writer, or text. An event in the sense of the
// data model: its name says what happened, its attributes are the span's, its body is one line for people.

import { RECORD } from "../flow/flow.ts";
import type { Attribute, AttributeSelection } from "./attribute.ts";
import { AttributeText, formatWords } from "./attribute-text.ts";
import { AttributeWriter } from "./otlp-attributes.ts";
import { ANY_VALUE } from "./otlp-fields.ts";
import { LOG_RECORD, SCOPE_LOGS } from "./otlp-fields-logs.ts";
import { formatIds, type JsonSignal, KEY_VALUE_FORM } from "./otlp-json.ts";
import type { WriteRecord } from "./otlp-span.ts";
import { fieldTag, type ProtobufWriter, WIRE } from "./protobuf.ts";
import { REQUIRED } from "./requirement.ts";
import { ID_BYTES, type RecordRow } from "./row.ts";
import { formatEndpoint, spanName } from "./span.ts";

/** LogRecord.event_name: under the agent's name, as the conventions want of events that are not theirs. */
const EVENT_NAME = "mermin.flow";

/** SEVERITY_NUMBER_INFO, and its text. */
const SEVERITY = { number: 9, text: "INFO" } as const;

/** What a log record says beside the span's attributes: a log has one time, a flow's record two. */
export const LOG_ATTRIBUTE: Attribute = {
  name: "flow.record.start",
  kind: "counter",
  unit: "ns",
  requirement: REQUIRED,
  description:
    "First packet of the record, in nanoseconds since 1970 (UTC). The log record's own time is the last one.",
  word: RECORD.startNs,
};

const TAG = {
  record: fieldTag(SCOPE_LOGS.logRecords, WIRE.bytes),
  time: fieldTag(LOG_RECORD.time, WIRE.fixed64),
  observedTime: fieldTag(LOG_RECORD.observedTime, WIRE.fixed64),
  severityNumber: fieldTag(LOG_RECORD.severityNumber, WIRE.varint),
  severityText: fieldTag(LOG_RECORD.severityText, WIRE.bytes),
  body: fieldTag(LOG_RECORD.body, WIRE.bytes),
  string: fieldTag(ANY_VALUE.string, WIRE.bytes),
  attribute: fieldTag(LOG_RECORD.attributes, WIRE.bytes),
  traceId: fieldTag(LOG_RECORD.traceId, WIRE.bytes),
  spanId: fieldTag(LOG_RECORD.spanId, WIRE.bytes),
  eventName: fieldTag(LOG_RECORD.eventName, WIRE.bytes),
} as const;

/** Lengths that are written after their content get this many bytes: a record of 128 to 16,383 bytes is not moved. */
const RECORD_LENGTH_BYTES = 2;

/** Room for all of a log record but its attributes: a body has two IPv6 addresses and four counts at most. */
const ENVELOPE_BYTES = 512;

/** What writes elements of ScopeLogs.log_records, with the attributes of `selection`. */
export function createLogWriter(selection: AttributeSelection): WriteRecord {
  const attributes = new AttributeWriter(withStart(selection), TAG.attribute, ENVELOPE_BYTES);
  const clock = new Clock();
  return (writer, row) => {
    writer.reserve(attributes.reserve);
    writer.byte(TAG.record);
    const start = writer.length;
    writer.length += RECORD_LENGTH_BYTES;
    writeEnvelope(writer, row);
    clock.read();
    writer.byte(TAG.observedTime);
    writer.fixed64(clock.low, clock.high);
    attributes.write(writer, row);
    writer.closeLength(start, RECORD_LENGTH_BYTES);
  };
}

/** Log records as JSON, with the attributes of `selection`. */
export function logsAsJson(selection: AttributeSelection): JsonSignal {
  const attributes = new AttributeText(withStart(selection), KEY_VALUE_FORM);
  const clock = new Clock();
  const format = (row: RecordRow): string => {
    const time = formatWords(row.word(RECORD.endNs), row.word(RECORD.endNs + 1));
    clock.read();
    const observed = formatWords(clock.low, clock.high);
    return `{"timeUnixNano":"${time}","observedTimeUnixNano":"${observed}","severityNumber":${SEVERITY.number},"severityText":"${SEVERITY.text}","eventName":"${EVENT_NAME}","body":{"stringValue":"${formatBody(row)}"},${formatIds(row)},"attributes":[${attributes.format(row)}]}`;
  };
  return { lists: ["resourceLogs", "scopeLogs", "logRecords"], format };
}

function withStart(selection: AttributeSelection): AttributeSelection {
  return { ...selection, record: [LOG_ATTRIBUTE, ...selection.record] };
}

function writeEnvelope(writer: ProtobufWriter, row: RecordRow): void {
  const { batch, index } = row;
  writer.byte(TAG.time);
  writer.fixed64(row.word(RECORD.endNs), row.word(RECORD.endNs + 1));
  writer.byte(TAG.severityNumber);
  writer.byte(SEVERITY.number);
  writeShortText(writer, TAG.severityText, SEVERITY.text);
  writer.byte(TAG.body);
  const body = writer.length++;
  writer.byte(TAG.string);
  const text = writer.length++;
  writer.ascii(formatBody(row));
  writer.closeLength(text, 1);
  writer.closeLength(body, 1);
  writer.byte(TAG.traceId);
  writer.byte(ID_BYTES.traceId);
  writer.copy(batch.traceIds, index * ID_BYTES.traceId, ID_BYTES.traceId);
  writer.byte(TAG.spanId);
  writer.byte(ID_BYTES.spanId);
  writer.copy(batch.spanIds, index * ID_BYTES.spanId, ID_BYTES.spanId);
  writeShortText(writer, TAG.eventName, EVENT_NAME);
}

/** @param text ASCII, below 128 characters */
function writeShortText(writer: ProtobufWriter, tag: number, text: string): void {
  writer.byte(tag);
  writer.byte(text.length);
  writer.ascii(text);
}

/** ASCII without a character that JSON escapes. */
function formatBody(row: RecordRow): string {
  const ends = `${formatEndpoint(row, "source")} -> ${formatEndpoint(row, "destination")}`;
  const count = (word: number): string => formatWords(row.word(word), row.word(word + 1));
  const there = `${count(RECORD.packetsDelta)} packets, ${count(RECORD.bytesDelta)} bytes`;
  const back = `${count(RECORD.reversePacketsDelta)} packets, ${count(RECORD.reverseBytesDelta)} bytes`;
  return `${spanName(row)} ${ends}: ${there}; back: ${back}`;
}

/** The time of day in nanoseconds as two words, made once a millisecond. */
class Clock {
  low = 0;
  high = 0;
  #milliseconds = -1;

  read(): void {
    const milliseconds = Date.now();
    if (milliseconds === this.#milliseconds) return;
    this.#milliseconds = milliseconds;
    const nanoseconds = BigInt(milliseconds) * 1_000_000n;
    this.low = Number(nanoseconds & 0xffff_ffffn);
    this.high = Number(nanoseconds >> 32n);
  }
}
