// Writes the protobuf wire format into one growing buffer. Comes in: numbers, texts, bytes. Goes out: bytes.
// Lengths are written before what they measure: reserve, write, then close.

import { ByteWriter } from "./byte-writer.ts";

const UTF8 = new TextEncoder();

/** Wire types (protobuf encoding guide). */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2 } as const;

/** The tag of a field below 16: one byte. */
export function fieldTag(field: number, wire: (typeof WIRE)[keyof typeof WIRE]): number {
  return (field << 3) | wire;
}

/** A writer of messages. */
export class ProtobufWriter extends ByteWriter {
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

  /** A whole length-delimited field: tag, length, bytes. */
  field(field: number, content: Uint8Array): void {
    this.reserve(content.length + 6);
    this.byte(fieldTag(field, WIRE.bytes));
    this.varint(content.length);
    this.raw(content);
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
