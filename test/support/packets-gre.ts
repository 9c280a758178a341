// GRE with its optional fields, ERSPAN behind it, and IP directly in IP.

import { type NetworkPacket, type Segment, words } from "./packets.ts";

export interface GreFields {
  readonly checksum?: boolean;
  readonly key?: number;
  readonly sequence?: number;
  /** More bits of the first word: routing 0x4000, version 1. */
  readonly flags?: number;
}

export interface Erspan3Fields {
  readonly session?: number;
  /** 0 Ethernet, 2 IP. */
  readonly frameType?: number;
  /** Adds the 8 bytes of a platform's own header. */
  readonly hasPlatform?: boolean;
  readonly version?: number;
}

/** RFC 2784 and 2890: what is inside by its ethertype, Ethernet as 0x6558. */
export function gre(protocol: number, inside: Uint8Array, fields: GreFields = {}): Segment {
  const { checksum, key, sequence } = fields;
  const flags =
    (fields.flags ?? 0) |
    (checksum ? 0x8000 : 0) |
    (key === undefined ? 0 : 0x2000) |
    (sequence === undefined ? 0 : 0x1000);
  const parts = [words(flags, protocol)];
  if (checksum) parts.push(words(0xbeef, 0));
  if (key !== undefined) parts.push(words(key >>> 16, key & 0xffff));
  if (sequence !== undefined) parts.push(words(sequence >>> 16, sequence & 0xffff));
  return { protocol: 47, bytes: Buffer.concat([...parts, inside]) };
}

/** Type I: no header of its own. */
export function erspan1(inside: Uint8Array): Segment {
  return gre(0x88be, inside);
}

/** Type II: 8 bytes behind GRE with a sequence number. */
export function erspan2(inside: Uint8Array, session = 100, version = 1): Segment {
  const header = words((version << 12) | 5, session, 0, 7);
  return gre(0x88be, Buffer.concat([header, inside]), { sequence: 1 });
}

/** Type III: 12 bytes, and 8 more where a platform added them. */
export function erspan3(inside: Uint8Array, fields: Erspan3Fields = {}): Segment {
  const last = ((fields.frameType ?? 0) << 10) | (fields.hasPlatform ? 1 : 0);
  const version = fields.version ?? 2;
  const header = words((version << 12) | 5, 0x0c00 | (fields.session ?? 100), 0, 0, 0, last);
  const platform = fields.hasPlatform ? words(1, 2, 3, 4) : new Uint8Array(0);
  return gre(0x22eb, Buffer.concat([header, platform, inside]), { sequence: 1 });
}

/** RFC 2003, 2473, 4213: protocol 4 or 41 by what is inside. */
export function ipInIp(inside: NetworkPacket): Segment {
  return { protocol: inside.ethertype === 0x0800 ? 4 : 41, bytes: inside.bytes };
}
