// pcapng files (draft-ietf-opsawg-pcapng): blocks of a type, a length, a body and the length again.
// Comes in: a ByteSource at its first byte. Goes out: packets in place. Blocks without packets are passed over, those
// that describe sections and interfaces are read. Trusts no length.

import { type ByteSource, WINDOW_BYTES } from "./byte-source.ts";
import { describeUnreadable, framingOf } from "./link-type.ts";
import { type CapturedPacket, emptyPacket, MOST_CAPTURED_BYTES, type PacketReader } from "./packet.ts";
import { readInterface, type SectionInterface, setTicks } from "./pcapng-interface.ts";

/** Type of the section header block; the same in both byte orders. */
export const SECTION_HEADER = 0x0a0d0d0a;

const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const INTERFACE_DESCRIPTION = 1;
const OBSOLETE_PACKET = 2;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;

/** Type and length before the body, length behind it. */
const FRAME_BYTES = 12;
const SECTION_BODY_BYTES = 16;
const MOST_INTERFACES = 65_536;

/** Bytes of a block's body before the packet. */
const ENHANCED_HEAD_BYTES = 20;
const SIMPLE_HEAD_BYTES = 4;

/** Reads a pcapng file of any number of sections and interfaces. */
export class PcapngReader implements PacketReader {
  readonly packet: CapturedPacket;
  readonly #source: ByteSource;
  #isLittle = false;
  #interfaces: SectionInterface[] = [];
  /** Offset in the file, and length, of the block in hand. */
  #offset = 0;
  #length = 0;

  constructor(source: ByteSource) {
    this.#source = source;
    this.packet = emptyPacket(source.buffer);
  }

  next(): boolean {
    for (;;) {
      const type = this.#beginBlock();
      if (type === undefined) return false;
      if (type === ENHANCED_PACKET || type === OBSOLETE_PACKET || type === SIMPLE_PACKET) {
        this.#requireWhole("a packet");
        if (type === SIMPLE_PACKET) this.#readSimplePacket();
        else this.#readPacket(type);
        this.#source.start += this.#length;
        return true;
      }
      if (type === SECTION_HEADER) this.#interfaces = [];
      if (type === INTERFACE_DESCRIPTION) this.#addInterface();
      this.#passBlock();
    }
  }

  /** Reads type and length of the next block; undefined at the end of the file. */
  #beginBlock(): number | undefined {
    const source = this.#source;
    this.#offset = source.offset;
    if (!source.fill(FRAME_BYTES)) {
      if (source.available === 0) return undefined;
      throw this.#error(`cut short: ${source.available} bytes of a block's header`);
    }
    const type = source.view.getUint32(source.start, this.#isLittle);
    if (type === SECTION_HEADER) this.#beginSection();
    this.#length = source.view.getUint32(source.start + 4, this.#isLittle);
    if (this.#length < FRAME_BYTES || this.#length % 4 !== 0) {
      throw this.#error(`corrupt: a block claims a length of ${this.#length}`);
    }
    return type;
  }

  /** A section has its own byte order. */
  #beginSection(): void {
    const { view, start } = this.#source;
    const magic = view.getUint32(start + 8);
    this.#isLittle = magic !== BYTE_ORDER_MAGIC;
    if (this.#isLittle && view.getUint32(start + 8, true) !== BYTE_ORDER_MAGIC) {
      throw this.#error("corrupt: a section without the byte-order magic");
    }
    if (!this.#source.fill(FRAME_BYTES + SECTION_BODY_BYTES))
      throw this.#error("cut short in a section's header");
    const major = view.getUint16(this.#source.start + 12, this.#isLittle);
    if (major !== 1) throw this.#error(`pcapng version ${major} is not read, only 1`);
  }

  #addInterface(): void {
    this.#requireWhole("an interface's description");
    if (this.#length < FRAME_BYTES + 8) throw this.#error("corrupt: an interface's description is too short");
    if (this.#interfaces.length === MOST_INTERFACES)
      throw this.#error("corrupt: more interfaces than can be");
    const { view, start } = this.#source;
    this.#interfaces.push(readInterface(view, start + 8, this.#length - FRAME_BYTES, this.#isLittle));
  }

  /** Makes the whole block readable in place, and checks that both its lengths agree. */
  #requireWhole(what: string): void {
    const source = this.#source;
    if (this.#length > WINDOW_BYTES) throw this.#error(`corrupt: ${what} claims ${this.#length} bytes`);
    if (!source.fill(this.#length)) {
      throw this.#error(`cut short: ${source.available} of the ${this.#length} bytes of ${what}`);
    }
    const trailer = source.view.getUint32(source.start + this.#length - 4, this.#isLittle);
    if (trailer !== this.#length)
      throw this.#error(`corrupt: a block's two lengths are ${this.#length} and ${trailer}`);
  }

  #passBlock(): void {
    const source = this.#source;
    if (!source.skip(this.#length - 4) || !source.fill(4)) {
      throw this.#error(`cut short in a block of ${this.#length} bytes`);
    }
    const trailer = source.view.getUint32(source.start, this.#isLittle);
    if (trailer !== this.#length)
      throw this.#error(`corrupt: a block's two lengths are ${this.#length} and ${trailer}`);
    source.start += 4;
  }

  /** Enhanced packet blocks, and the obsolete ones, which differ in the interface's 16 bits only. */
  #readPacket(type: number): void {
    const { view, start } = this.#source;
    if (this.#length < FRAME_BYTES + ENHANCED_HEAD_BYTES)
      throw this.#error("corrupt: a packet block is too short");
    const isObsolete = type === OBSOLETE_PACKET;
    const id = isObsolete
      ? view.getUint16(start + 8, this.#isLittle)
      : view.getUint32(start + 8, this.#isLittle);
    const described = this.#findInterface(id);
    const high = view.getUint32(start + 12, this.#isLittle);
    const low = view.getUint32(start + 16, this.#isLittle);
    const length = view.getUint32(start + 20, this.#isLittle);
    this.#setBytes(described, ENHANCED_HEAD_BYTES, length, view.getUint32(start + 24, this.#isLittle));
    if (!setTicks(this.packet, described, high, low))
      throw this.#error("corrupt: a time beyond the year 2262");
  }

  /** Simple packet blocks: of interface 0, and without a time; the previous packet's is the nearest known. */
  #readSimplePacket(): void {
    const { view, start } = this.#source;
    if (this.#length < FRAME_BYTES + SIMPLE_HEAD_BYTES)
      throw this.#error("corrupt: a packet block is too short");
    const described = this.#findInterface(0);
    const originalLength = view.getUint32(start + 8, this.#isLittle);
    const room = this.#length - FRAME_BYTES - SIMPLE_HEAD_BYTES;
    const snapLength = described.snapLength === 0 ? originalLength : described.snapLength;
    this.#setBytes(described, SIMPLE_HEAD_BYTES, Math.min(originalLength, snapLength, room), originalLength);
  }

  #findInterface(id: number): SectionInterface {
    const described = this.#interfaces[id];
    if (described === undefined)
      throw this.#error(`corrupt: a packet of interface ${id}, which is not described`);
    return described;
  }

  #setBytes(described: SectionInterface, head: number, length: number, originalLength: number): void {
    const framing = framingOf(described.linkType);
    if (framing === undefined) throw this.#error(describeUnreadable(described.linkType));
    if (length > this.#length - FRAME_BYTES - head || length > MOST_CAPTURED_BYTES) {
      throw this.#error(`corrupt: a packet claims ${length} bytes in a block of ${this.#length}`);
    }
    const { packet } = this;
    packet.start = this.#source.start + 8 + head;
    packet.length = length;
    packet.originalLength = Math.max(length, originalLength);
    packet.framing = framing;
  }

  #error(problem: string): Error {
    return this.#source.errorAt(this.#offset, problem);
  }
}
