// Writes pcap and pcapng files, right ones and broken ones, from the formats' drafts and from nothing of src/.

/** A packet to be written. */
export interface Written {
  readonly bytes: Uint8Array;
  /** Length on the wire; default: as captured. */
  readonly originalLength?: number;
  /** UnixNanos. */
  readonly time: bigint;
}

export interface PcapForm {
  readonly isLittle: boolean;
  /** a1b2c3d4: microseconds; a1b23c4d: nanoseconds; a1b2cd34: microseconds, records of 24 bytes. */
  readonly magic: 0xa1b2c3d4 | 0xa1b23c4d | 0xa1b2cd34;
  readonly linkType: number;
}

/** The usual form on this machine. */
export const USUAL: PcapForm = { isLittle: true, magic: 0xa1b2c3d4, linkType: 1 };

const NS_PER_SECOND = 1_000_000_000n;

/** A pcap file. */
export function pcap(packets: readonly Written[], form: PcapForm = USUAL): Buffer {
  return Buffer.concat([pcapHeader(form), ...packets.map((packet) => pcapRecord(packet, form))]);
}

/** The header of a pcap file. */
export function pcapHeader({ isLittle, magic, linkType }: PcapForm): Buffer {
  return words(isLittle, magic, isLittle ? 0x00040002 : 0x00020004, 0, 0, 262_144, linkType);
}

/** A record of a pcap file, whose captured length may lie. */
export function pcapRecord(packet: Written, { isLittle, magic }: PcapForm, claimedLength?: number): Buffer {
  const fraction = packet.time % NS_PER_SECOND;
  const head = words(
    isLittle,
    Number(packet.time / NS_PER_SECOND),
    Number(magic === 0xa1b23c4d ? fraction : fraction / 1000n),
    claimedLength ?? packet.bytes.length,
    packet.originalLength ?? packet.bytes.length,
  );
  return Buffer.concat([head, Buffer.alloc(magic === 0xa1b2cd34 ? 8 : 0), packet.bytes]);
}

/** Blocks of a pcapng section in one byte order. */
export class SectionWriter {
  readonly #isLittle: boolean;

  constructor(isLittle: boolean) {
    this.#isLittle = isLittle;
  }

  header(): Buffer {
    const version = this.#isLittle ? 1 : 0x00010000;
    return this.block(0x0a0d0d0a, this.#words(0x1a2b3c4d, version, 0xffffffff, 0xffffffff));
  }

  /** @param resolution the byte of if_tsresol; undefined: none */
  interface(linkType: number, resolution?: number, offsetSeconds?: bigint, snapLength = 0): Buffer {
    const type = this.#isLittle ? linkType : linkType << 16;
    const options: Uint8Array[] = [];
    if (resolution !== undefined) options.push(this.#option(9, Uint8Array.of(resolution)));
    if (offsetSeconds !== undefined) options.push(this.#option(14, this.#wide(offsetSeconds)));
    if (options.length > 0) options.push(this.#option(0, new Uint8Array(0)));
    return this.block(1, Buffer.concat([this.#words(type, snapLength), ...options]));
  }

  /** An enhanced packet block. @param claimedLength a captured length that lies */
  packet(
    id: number,
    ticks: bigint,
    packet: Pick<Written, "bytes" | "originalLength">,
    claimedLength?: number,
  ): Buffer {
    const { bytes, originalLength } = packet;
    const lengths = [claimedLength ?? bytes.length, originalLength ?? bytes.length];
    const head = this.#words(id, Number(ticks >> 32n), Number(ticks & 0xffffffffn), ...lengths);
    return this.block(6, Buffer.concat([head, bytes]));
  }

  /** An obsolete packet block. */
  obsoletePacket(id: number, ticks: bigint, bytes: Uint8Array): Buffer {
    const interfaceAndDrops = this.#isLittle ? id : id << 16;
    const high = Number(ticks >> 32n);
    const head = this.#words(
      interfaceAndDrops,
      high,
      Number(ticks & 0xffffffffn),
      bytes.length,
      bytes.length,
    );
    return this.block(2, Buffer.concat([head, bytes]));
  }

  /** A simple packet block. */
  simplePacket(bytes: Uint8Array, originalLength: number = bytes.length): Buffer {
    return this.block(3, Buffer.concat([this.#words(originalLength), bytes]));
  }

  /** Any block, its body padded to 32 bits. */
  block(type: number, body: Uint8Array): Buffer {
    const padded = Buffer.concat([body, Buffer.alloc(-body.length & 3)]);
    const length = padded.length + 12;
    return Buffer.concat([this.#words(type, length), padded, this.#words(length)]);
  }

  #option(code: number, value: Uint8Array): Buffer {
    const head = this.#isLittle ? code | (value.length << 16) : (code << 16) | value.length;
    return Buffer.concat([this.#words(head), value, Buffer.alloc(-value.length & 3)]);
  }

  #wide(value: bigint): Buffer {
    const buffer = Buffer.alloc(8);
    if (this.#isLittle) buffer.writeBigInt64LE(value);
    else buffer.writeBigInt64BE(value);
    return buffer;
  }

  #words(...values: readonly number[]): Buffer {
    return words(this.#isLittle, ...values);
  }
}

function words(isLittle: boolean, ...values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) {
    if (isLittle) buffer.writeUInt32LE(value >>> 0, index * 4);
    else buffer.writeUInt32BE(value >>> 0, index * 4);
  }
  return buffer;
}
