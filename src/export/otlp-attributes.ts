// The attributes of one record as KeyValue messages. Comes in: a selection of the table, a row. Goes out: bytes in a
// writer, no object in between. Spans and log records differ in the field that holds them.

import { ABSENT, type Attribute, type AttributeSelection } from "./attribute.ts";
import { type PackedOctets, packOctets } from "./byte-writer.ts";
import { ANY_VALUE, ARRAY_VALUE, KEY_VALUE } from "./otlp-fields.ts";
import { NamedWriter } from "./otlp-named.ts";
import { fieldTag, type ProtobufWriter, WIRE } from "./protobuf.ts";
import type { RecordRow } from "./row.ts";

const TAG = {
  key: fieldTag(KEY_VALUE.key, WIRE.bytes),
  value: fieldTag(KEY_VALUE.value, WIRE.bytes),
  string: fieldTag(ANY_VALUE.string, WIRE.bytes),
  int: fieldTag(ANY_VALUE.int, WIRE.varint),
  array: fieldTag(ANY_VALUE.array, WIRE.bytes),
  item: fieldTag(ARRAY_VALUE.values, WIRE.bytes),
} as const;

const UTF8 = new TextEncoder();

/** A KeyValue and all in it below this many bytes has lengths of one byte. */
const SHORT_BYTES = 128;

interface EncodedAttribute {
  readonly attribute: Attribute;
  /** What never changes of its KeyValue: its tag, a byte for its length, the key, the value's tag. */
  readonly lead: PackedOctets;
  /** Whole KeyValues by value, where the same values come again and again: copied, not written (bench/encode.ts). */
  readonly known: Map<string | readonly string[], PackedOctets> | undefined;
}

/** Of known values of an attribute: whatever comes beyond is written each time. */
const MOST_KNOWN = 256;

/** The attributes of a selection, ready to be written behind one tag. */
export class AttributeWriter {
  /**
   * Room that a record's attributes need while their texts are short: asked for once a record, not once an attribute
   * (bench/encode.ts). A KeyValue of a longer text asks for its own, and for what may follow it.
   */
  readonly reserve: number;
  readonly #record: readonly EncodedAttribute[];
  readonly #named: NamedWriter;
  /** Apart, so that a record without details passes them all by one test (bench/encode.ts). */
  readonly #groups: readonly {
    readonly attributes: readonly EncodedAttribute[];
    readonly applies: (row: RecordRow) => boolean;
  }[];

  /**
   * @param tag of the field that holds the attributes: one byte
   * @param envelope bytes that the record's message needs beside its attributes
   */
  constructor(selection: AttributeSelection, tag: number, envelope: number) {
    const encode = (attribute: Attribute): EncodedAttribute => encodeLead(attribute, tag);
    this.#record = selection.record.map(encode);
    this.#groups = selection.groups.map(({ attributes, applies }) => {
      return { attributes: attributes.map(encode), applies };
    });
    this.#named = new NamedWriter(selection.isNamedTold, tag);
    const grouped = selection.groups.reduce((sum, { attributes }) => sum + attributes.length, 0);
    this.reserve = envelope + (selection.record.length + grouped) * (SHORT_BYTES + 2);
  }

  /** Appends the attributes that the record has; {@link AttributeWriter.reserve} bytes must be free. */
  write(writer: ProtobufWriter, row: RecordRow): void {
    for (const encoded of this.#record) this.#writeAttribute(writer, row, encoded);
    if (row.hasDetail) this.#writeGroups(writer, row);
    if (row.batch.named.length > 0) this.#named.write(writer, row);
  }

  #writeGroups(writer: ProtobufWriter, row: RecordRow): void {
    for (const { attributes, applies } of this.#groups) {
      if (!applies(row)) continue;
      for (const encoded of attributes) this.#writeAttribute(writer, row, encoded);
    }
  }

  #writeAttribute(writer: ProtobufWriter, row: RecordRow, encoded: EncodedAttribute): void {
    const { attribute, lead } = encoded;
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
        if (attribute.write !== undefined) {
          writeOctets(writer, lead, row, attribute.write);
          return;
        }
        const text = attribute.read(row);
        if (text !== undefined && !copyKnown(writer, encoded, text)) {
          const start = writer.length;
          writeText(writer, lead, text, this.reserve);
          remember(writer, encoded, text, start);
        }
        return;
      }
      case "strings": {
        const texts = attribute.read(row);
        if (texts !== undefined && !copyKnown(writer, encoded, texts)) {
          const start = writer.length;
          writeTexts(writer, lead, texts);
          remember(writer, encoded, texts, start);
        }
        return;
      }
      default:
        attribute satisfies never;
    }
  }
}

function encodeLead(attribute: Attribute, tag: number): EncodedAttribute {
  const key = UTF8.encode(attribute.name);
  const isRepeated = attribute.kind === "strings" || (attribute.kind === "string" && attribute.hasFewValues);
  const known = isRepeated ? new Map<string | readonly string[], PackedOctets>() : undefined;
  return { attribute, known, lead: packOctets([tag, 0, TAG.key, key.length, ...key, TAG.value]) };
}

function copyKnown(
  writer: ProtobufWriter,
  { known }: EncodedAttribute,
  value: string | readonly string[],
): boolean {
  const encoded = known?.get(value);
  if (encoded === undefined) return false;
  writer.words(encoded.words, encoded.size);
  return true;
}

/** Keeps what was written from `start` on, unless it is longer than the room that copying it would find. */
function remember(
  writer: ProtobufWriter,
  { known }: EncodedAttribute,
  value: string | readonly string[],
  start: number,
): void {
  const size = writer.length - start;
  if (known === undefined || known.size >= MOST_KNOWN || size >= SHORT_BYTES) return;
  known.set(value, packOctets(writer.bytes.subarray(start, writer.length)));
}

function writeInt(writer: ProtobufWriter, lead: PackedOctets, low: number, high: number): void {
  const start = writer.length;
  writer.words(lead.words, lead.size);
  const lengthAt = writer.length++;
  writer.byte(TAG.int);
  writer.varint64(low, high);
  writer.bytes[lengthAt] = writer.length - lengthAt - 1;
  writer.bytes[start + 1] = writer.length - start - 2;
}

function writeOctets(
  writer: ProtobufWriter,
  lead: PackedOctets,
  row: RecordRow,
  write: (row: RecordRow, octets: Uint8Array, at: number) => number,
): void {
  const start = writer.length;
  writer.words(lead.words, lead.size);
  const at = writer.length;
  const size = write(row, writer.bytes, at + 3);
  if (size === 0) {
    writer.length = start;
    return;
  }
  const { bytes } = writer;
  bytes[at] = size + 2;
  bytes[at + 1] = TAG.string;
  bytes[at + 2] = size;
  writer.length = at + 3 + size;
  bytes[start + 1] = writer.length - start - 2;
}

function writeText(writer: ProtobufWriter, lead: PackedOctets, text: string, reserve: number): void {
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
  writer.reserve(reserve);
}

/** The value's length and content, of any length and in any script. */
function writeLongText(writer: ProtobufWriter, text: string): void {
  const start = writer.length++;
  writer.textField(ANY_VALUE.string, text);
  writer.closeLength(start, 1);
}

/** Only for ASCII texts whose KeyValue stays below {@link SHORT_BYTES}: the table's lists are tags. */
function writeTexts(writer: ProtobufWriter, lead: PackedOctets, texts: readonly string[]): void {
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
