// pcap files (draft-ietf-opsawg-pcap): a header, then records of 16 bytes and the packet.
//
//   header  magic 4 | version 2+2 | reserved 4+4 | snap length 4 | FCS, link type 4
//   record  seconds 4 | µs or ns 4 | captured length 4 | original length 4 | [8 more, magic a1b2cd34] | bytes
//
// Comes in: a ByteSource at its first byte. Goes out: packets in place. Trusts no length.

import type { ByteSource } from "./byte-source.ts";
import { describeUnreadable, type Framing, framingOf } from "./link-type.ts";
import {
  type CapturedPacket,
  emptyPacket,
  MOST_CAPTURED_BYTES,
  type PacketReader,
  setTime,
} from "./packet.ts";

interface Variant {
  readonly recordBytes: number;
  /** Nanoseconds in one unit of the second time field. */
  readonly unitNs: number;
}

const HEADER_BYTES = 24;
/** The magic as a number, the file's byte order applied. a1b2cd34 is that of a patched libpcap of 1999. */
const VARIANTS: ReadonlyMap<number, Variant> = new Map([
  [0xa1b2c3d4, { recordBytes: 16, unitNs: 1000 }],
  [0xa1b23c4d, { recordBytes: 16, unitNs: 1 }],
  [0xa1b2cd34, { recordBytes: 24, unitNs: 1000 }],
]);
/** The upper bits tell the length of the frame check sequence, which no IP length counts. */
const LINK_TYPE_MASK = 0x03ffffff;

/** True where a file that begins with these four bytes (read big-endian) is a pcap file. */
export function isPcap(magic: number): boolean {
  return VARIANTS.has(magic) || VARIANTS.has(swapBytes(magic));
}

/** Reads a pcap file. */
export class PcapReader implements PacketReader {
  readonly packet: CapturedPacket;
  readonly #source: ByteSource;
  readonly #variant: Variant;
  readonly #isLittle: boolean;
  readonly #linkType: number;
  readonly #framing: Framing | undefined;

  /** @throws CaptureFileError where the header is cut short or of another version */
  constructor(source: ByteSource) {
    this.#source = source;
    this.packet = emptyPacket(source.buffer);
    if (!source.fill(HEADER_BYTES)) {
      throw source.errorAt(source.available, `a pcap header has ${HEADER_BYTES} bytes`);
    }
    const magic = source.view.getUint32(0);
    this.#isLittle = !VARIANTS.has(magic);
    const variant = VARIANTS.get(this.#isLittle ? swapBytes(magic) : magic);
    if (variant === undefined) throw source.errorAt(0, "it is no pcap file");
    this.#variant = variant;
    const major = source.view.getUint16(4, this.#isLittle);
    const minor = source.view.getUint16(6, this.#isLittle);
    if (major !== 2 || minor < 4)
      throw source.errorAt(4, `pcap version ${major}.${minor} is not read, only 2.4`);
    this.#linkType = source.view.getUint32(20, this.#isLittle) & LINK_TYPE_MASK;
    this.#framing = framingOf(this.#linkType);
    source.start = HEADER_BYTES;
  }

  next(): boolean {
    const source = this.#source;
    const { recordBytes, unitNs } = this.#variant;
    const offset = source.offset;
    if (!source.fill(recordBytes)) {
      if (source.available === 0) return false;
      throw source.errorAt(
        offset,
        `cut short: ${source.available} of the ${recordBytes} bytes of a record's header`,
      );
    }
    if (this.#framing === undefined) throw source.errorAt(offset, describeUnreadable(this.#linkType));
    const { view, start } = source;
    const seconds = view.getUint32(start, this.#isLittle);
    const fraction = view.getUint32(start + 4, this.#isLittle);
    const length = view.getUint32(start + 8, this.#isLittle);
    const originalLength = view.getUint32(start + 12, this.#isLittle);
    if (length > MOST_CAPTURED_BYTES) {
      throw source.errorAt(offset, `corrupt: a record claims ${length} bytes, more than any packet has`);
    }
    if (!source.fill(recordBytes + length)) {
      const found = source.available - recordBytes;
      throw source.errorAt(offset, `cut short: ${found} of the ${length} bytes of a packet`);
    }
    const { packet } = this;
    setTime(packet, seconds, fraction * unitNs);
    packet.start = source.start + recordBytes;
    packet.length = length;
    packet.originalLength = Math.max(length, originalLength);
    packet.framing = this.#framing;
    source.start += recordBytes + length;
    return true;
  }
}

function swapBytes(word: number): number {
  return ((word >>> 24) | ((word >>> 8) & 0xff00) | ((word & 0xff00) << 8) | (word << 24)) >>> 0;
}
