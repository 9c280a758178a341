// UDP datagrams that carry packets: headers from the RFCs, with overrides that make them lie.

import { type Segment, words } from "./packets.ts";

/** Source and destination port. */
export type TunnelPorts = readonly [number, number];

export interface VxlanFields {
  readonly vni?: number;
  /** First octet; 0x08 says that there is a VNI. */
  readonly flags?: number;
  readonly ports?: TunnelPorts;
}

export interface VxlanGpeFields extends VxlanFields {
  /** Next protocol; with it go the flags 0x0c. */
  readonly protocol?: number;
}

export interface GeneveFields {
  readonly vni?: number;
  readonly options?: Uint8Array;
  /** Ethertype of what is inside; Ethernet unless told. */
  readonly protocol?: number;
  readonly version?: number;
  readonly control?: boolean;
  readonly ports?: TunnelPorts;
}

export interface GtpFields {
  readonly teid?: number;
  readonly type?: number;
  /** First octet; 0x30 and the flags E 4, S 2, PN 1. */
  readonly flags?: number;
  /** Type and content of each extension header; content and two octets are a multiple of 4 bytes. */
  readonly extensions?: readonly (readonly [type: number, content: Uint8Array])[];
  readonly ports?: TunnelPorts;
}

export interface TeredoFields {
  /** Bytes of client id and of authentication value. */
  readonly authentication?: readonly [number, number];
  readonly hasOrigin?: boolean;
  readonly ports?: TunnelPorts;
}

/** A datagram around `payload`. */
export function udpWith(ports: TunnelPorts, payload: Uint8Array): Segment {
  const header = words(...ports, 8 + payload.length, 0);
  return { protocol: 17, bytes: Buffer.concat([header, payload]) };
}

/** RFC 7348, around an Ethernet frame. */
export function vxlan(inside: Uint8Array, fields: VxlanFields = {}): Segment {
  const header = Uint8Array.of(fields.flags ?? 0x08, 0, 0, 0, ...uint24(fields.vni ?? 42), 0);
  return udpWith(fields.ports ?? [50000, 4789], Buffer.concat([header, inside]));
}

/** draft-ietf-nvo3-vxlan-gpe, around an Ethernet frame unless `protocol` says otherwise. */
export function vxlanGpe(inside: Uint8Array, fields: VxlanGpeFields = {}): Segment {
  const flags = fields.flags ?? (fields.protocol === undefined ? 0x08 : 0x0c);
  const header = Uint8Array.of(flags, 0, 0, fields.protocol ?? 0, ...uint24(fields.vni ?? 42), 0);
  return udpWith(fields.ports ?? [50000, 4790], Buffer.concat([header, inside]));
}

/** RFC 8926. */
export function geneve(inside: Uint8Array, fields: GeneveFields = {}): Segment {
  const options = fields.options ?? new Uint8Array(0);
  const header = Uint8Array.of(
    ((fields.version ?? 0) << 6) | (options.length / 4),
    fields.control ? 0x80 : 0,
    ...words(fields.protocol ?? 0x6558),
    ...uint24(fields.vni ?? 42),
    0,
  );
  return udpWith(fields.ports ?? [50000, 6081], Buffer.concat([header, options, inside]));
}

/** 3GPP TS 29.281, around an IP packet. */
export function gtp(inside: Uint8Array, fields: GtpFields = {}): Segment {
  const extensions = fields.extensions ?? [];
  const flags = fields.flags ?? (extensions.length > 0 ? 0x34 : 0x30);
  const nexts = [...extensions.map(([type]) => type), 0];
  const optional = (flags & 0x07) === 0 ? [] : [0, 1, 0, nexts[0] ?? 0];
  const chain = extensions.map(([, content], index) =>
    Uint8Array.of((content.length + 2) / 4, ...content, nexts[index + 1] ?? 0),
  );
  const behind = Buffer.concat([Uint8Array.from(optional), ...chain, inside]);
  const teid = fields.teid ?? 0x01020304;
  const header = Uint8Array.of(
    flags,
    fields.type ?? 0xff,
    ...words(behind.length, teid >>> 16, teid & 0xffff),
  );
  return udpWith(fields.ports ?? [2152, 2152], Buffer.concat([header, behind]));
}

/** RFC 4380, around an IPv6 packet. */
export function teredo(inside: Uint8Array, fields: TeredoFields = {}): Segment {
  const { authentication, hasOrigin } = fields;
  const parts: Uint8Array[] = [];
  if (authentication !== undefined) {
    const [id, value] = authentication;
    parts.push(Uint8Array.of(0, 1, id, value), new Uint8Array(id + value + 9).fill(7));
  }
  if (hasOrigin) parts.push(words(0, 0xaaaa, 0xbbbb, 0xcccc));
  return udpWith(fields.ports ?? [50000, 3544], Buffer.concat([...parts, inside]));
}

function uint24(value: number): readonly number[] {
  return [(value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff];
}
