// Writes the protobuf wire format into one growing buffer. Comes in: numbers, texts, bytes. Goes out: bytes.
// Lengths are written before what they measure: reserve, write, then close.

const UTF8 = new TextEncoder();

/** Wire types (protobuf encoding guide). */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2 } as const;

/** The tag of a field below 16: one byte. */
export function fieldTag(field: number, wire: (typeof WIRE)[keyof typeof WIRE]): number {
  return (field << 3) | wire;
}

/** A writer whose buffer grows by doubling and is reused after {@link ProtobufWriter.reset}. */
export class ProtobufWriter {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;
  #view: DataView<ArrayBuffer>;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.bytes.buffer);
  }

  reset(): void {
    this.length = 0;
  }

  /** Makes room for `size` more bytes; the single-byte writes below check nothing. */
  reserve(size: number): void {
    if (this.length + size <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + size));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  byte(value: number): void {
    this.bytes[this.length++] = value;
  }

  /** An unsigned 32-bit value: at most 5 bytes. */
  varint(value: number): void {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.bytes[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.length++] = rest;
  }

  /** An unsigned 64-bit value as two words: at most 10 bytes. */
  varint64(low: number, high: number): void {
    let rest = low >>> 0;
    let above = high >>> 0;
    while (above > 0) {
      this.bytes[this.length++] = (rest & 0x7f) | 0x80;
      rest = ((rest >>> 7) | (above << 25)) >>> 0;
      above >>>= 7;
    }
    this.varint(rest);
  }

  /** 64 bits as two words, little endian. */
  fixed64(low: number, high: number): void {
    const { bytes, length } = this;
    for (let i = 0; i < 4; i++) {
      bytes[length + i] = low >>> (i * 8);
      bytes[length + 4 + i] = high >>> (i * 8);
    }
    this.length = length + 8;
  }

  /** Copies `size` bytes; a loop, because it beats `set` below about 100 bytes (bench/encode.ts). */
  copy(source: Uint8Array, offset: number, size: number): void {
    const { bytes, length } = this;
    for (let i = 0; i < size; i++) bytes[length + i] = source[offset + i] as number;
    this.length = length + size;
  }

  /**
   * Writes `size` bytes kept as little-endian words, whole words at a time: up to 3 bytes behind them are overwritten.
   * A quarter of the stores of {@link ProtobufWriter.copy} (bench/encode.ts).
   */
  words(words: Uint32Array, size: number): void {
    const view = this.#view;
    const { length } = this;
    for (let i = 0; i < words.length; i++) view.setUint32(length + i * 4, words[i] as number, true);
    this.length = length + size;
  }

  /**
   * Writes `text` as one byte a character.
   * @returns false, with nothing written, if it has a character beyond ASCII
   */
  ascii(text: string): boolean {
    const { bytes, length } = this;
    let seen = 0;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      seen |= code;
      bytes[length + i] = code;
    }
    if (seen > 0x7f) return false;
    this.length = length + text.length;
    return true;
  }

  /** A whole length-delimited field: tag, length, bytes. */
  field(field: number, content: Uint8Array): void {
    this.reserve(content.length + 6);
    this.byte(fieldTag(field, WIRE.bytes));
    this.varint(content.length);
    this.raw(content);
  }

  /** Bytes that are fields already. */
  raw(fields: Uint8Array): void {
    this.reserve(fields.length);
    this.bytes.set(fields, this.length);
    this.length += fields.length;
  }

  /** A whole varint field. @param value a whole number below 2^53, not negative */
  varintField(field: number, value: number): void {
    this.reserve(11);
    this.byte(fieldTag(field, WIRE.varint));
    this.varint64(value, value / 0x1_0000_0000);
  }

  /** A whole length-delimited field of UTF-8. */
  textField(field: number, text: string): void {
    this.field(field, UTF8.encode(text));
  }

  /**
   * Writes, at `start`, the length of what follows it; `reserved` bytes were left for it there. Moves the content only
   * where its length needs more or fewer bytes than that.
   */
  closeLength(start: number, reserved: number): void {
    const from = start + reserved;
    const size = this.length - from;
    const needed = varintSize(size);
    if (needed !== reserved) {
      this.reserve(needed);
      this.bytes.copyWithin(start + needed, from, this.length);
    }
    this.length = start;
    this.varint(size);
    this.length += size;
  }
}

/** Bytes of `value` as a varint. */
function varintSize(value: number): number {
  let size = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) size++;
  return size;
}
