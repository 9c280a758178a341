// Lists of attributes that many records share, as KeyValue messages: encoded once a list, copied once a record.

import { NAMED_PER_ROW } from "../decorate.ts";
import type { NamedValue, NamedValues } from "../lib/named-values.ts";
import { ANY_VALUE, ARRAY_VALUE, KEY_VALUE } from "./otlp-fields.ts";
import { ProtobufWriter } from "./protobuf.ts";
import type { RecordRow } from "./row.ts";

/** A list's encoding begins with so much room, and doubles. */
const INITIAL_BYTES = 1024;

/** Writes the lists of rows behind one tag. */
export class NamedWriter {
  readonly #isTold: (name: string) => boolean;
  readonly #field: number;
  readonly #encoded: WeakMap<NamedValues, Uint8Array> = new WeakMap();

  /** @param tag of the field that holds the attributes: one byte */
  constructor(isTold: (name: string) => boolean, tag: number) {
    this.#isTold = isTold;
    this.#field = tag >>> 3;
  }

  /** Appends the lists of the row; asks for the room itself. */
  write(writer: ProtobufWriter, row: RecordRow): void {
    for (let slot = 0; slot < NAMED_PER_ROW; slot++) {
      const named = row.named(slot);
      if (named === undefined) continue;
      const bytes = this.#encoded.get(named) ?? this.#encode(named);
      writer.reserve(bytes.length);
      writer.bytes.set(bytes, writer.length);
      writer.length += bytes.length;
    }
  }

  #encode(named: NamedValues): Uint8Array {
    const all = new ProtobufWriter(INITIAL_BYTES);
    for (const entry of named.entries) if (this.#isTold(entry[0])) all.field(this.#field, encodeEntry(entry));
    const bytes = all.bytes.slice(0, all.length);
    this.#encoded.set(named, bytes);
    return bytes;
  }
}

function encodeEntry([name, value]: NamedValue): Uint8Array {
  const entry = new ProtobufWriter(256);
  entry.textField(KEY_VALUE.key, name);
  entry.field(KEY_VALUE.value, typeof value === "string" ? encodeText(value) : encodeTexts(value));
  return entry.bytes.subarray(0, entry.length);
}

function encodeTexts(texts: readonly string[]): Uint8Array {
  const items = new ProtobufWriter(256);
  for (const text of texts) items.field(ARRAY_VALUE.values, encodeText(text));
  const value = new ProtobufWriter(256);
  value.field(ANY_VALUE.array, items.bytes.subarray(0, items.length));
  return value.bytes.subarray(0, value.length);
}

function encodeText(text: string): Uint8Array {
  const value = new ProtobufWriter(256);
  value.textField(ANY_VALUE.string, text);
  return value.bytes.subarray(0, value.length);
}
