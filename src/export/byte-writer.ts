// One growing buffer that is written from its start to its end, and then again. Comes in: octets, words, ASCII.

const ZERO = 0x30;

/** Octets that are written as words: what never changes of something that is written often. */
export interface PackedOctets {
  readonly size: number;
  /** Little endian, padded with zeros. */
  readonly words: Uint32Array;
}

/** For {@link ByteWriter.words}. */
export function packOctets(octets: ArrayLike<number>): PackedOctets {
  const words = new Uint32Array(Math.ceil(octets.length / 4));
  for (let i = 0; i < octets.length; i++)
    words[i >> 2] = (words[i >> 2] ?? 0) | ((octets[i] ?? 0) << ((i & 3) * 8));
  return { size: octets.length, words };
}

/** A writer whose buffer grows by doubling and is reused after {@link ByteWriter.reset}. */
export class ByteWriter {
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

  /** Copies `size` bytes; a loop, because it beats `set` below about 100 bytes (bench/encode.ts). */
  copy(source: Uint8Array, offset: number, size: number): void {
    const { bytes, length } = this;
    for (let i = 0; i < size; i++) bytes[length + i] = source[offset + i] as number;
    this.length = length + size;
  }

  /**
   * Writes `size` bytes kept as little-endian words, whole words at a time: up to 3 bytes behind them are overwritten.
   * A quarter of the stores of {@link ByteWriter.copy} (bench/encode.ts).
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

  /** Writes a whole number from 0 to below 2^53 in decimal: at most 16 bytes. */
  decimal(value: number): void {
    let digits = 1;
    for (let bound = 10; value >= bound; bound *= 10) digits++;
    let rest = value;
    for (let at = this.length + digits - 1; at >= this.length; at--) {
      const next = Math.floor(rest / 10);
      this.bytes[at] = ZERO + (rest - next * 10);
      rest = next;
    }
    this.length += digits;
  }

  /** Appends `octets`. */
  raw(octets: Uint8Array): void {
    this.reserve(octets.length);
    this.bytes.set(octets, this.length);
    this.length += octets.length;
  }
}
