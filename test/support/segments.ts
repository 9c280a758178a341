// Transport headers for tests. Payloads are filler; checksums are zero.

import { filler, type Segment, words } from "./packets.ts";

export const TCP_FLAG = {
  fin: 0x01,
  syn: 0x02,
  rst: 0x04,
  psh: 0x08,
  ack: 0x10,
  urg: 0x20,
  ece: 0x40,
  cwr: 0x80,
} as const;

export interface TcpFields {
  readonly flags?: number;
  /** Default 0. */
  readonly sequence?: number;
  readonly acknowledgement?: number;
  /** Options, a multiple of 4 bytes. */
  readonly options?: number;
  /** Overrides the header's length so that it lies; 32-bit words. */
  readonly dataOffset?: number;
}

export interface IcmpFields {
  readonly type: number;
  readonly code?: number;
  readonly identifier?: number;
}

/** Source and destination port. */
export type Ports = readonly [number, number];

/** RFC 9293. */
export function tcp(ports: Ports, fields: TcpFields = {}, payloadBytes = 0): Segment {
  const options = fields.options ?? 0;
  const header = words(
    ...ports,
    ...halves(fields.sequence ?? 0),
    ...halves(fields.acknowledgement ?? 0),
    ((fields.dataOffset ?? 5 + options / 4) << 12) | (fields.flags ?? TCP_FLAG.ack),
    0xffff,
    0,
    0,
  );
  return {
    protocol: 6,
    bytes: Buffer.concat([header, new Uint8Array(options).fill(1), filler(payloadBytes)]),
  };
}

/** RFC 768; UDP-Lite (RFC 3828) looks the same, its length is the checksum's coverage. */
export function udp(ports: Ports, payloadBytes = 0, protocol: 17 | 136 = 17): Segment {
  return { protocol, bytes: Buffer.concat([words(...ports, 8 + payloadBytes, 0), filler(payloadBytes)]) };
}

/** The common header and `chunkBytes` of chunks. RFC 9260. */
export function sctp(ports: Ports, chunkBytes = 0): Segment {
  return { protocol: 132, bytes: Buffer.concat([words(...ports, 0xdead, 0xbeef, 0, 0), filler(chunkBytes)]) };
}

/** The generic header with short sequence numbers. RFC 4340. */
export function dccp(ports: Ports, payloadBytes = 0): Segment {
  return { protocol: 33, bytes: Buffer.concat([words(...ports, 0x0300, 0, 0, 1), filler(payloadBytes)]) };
}

/** RFC 792. */
export function icmp(fields: IcmpFields, payloadBytes = 0): Segment {
  return { protocol: 1, bytes: icmpBytes(fields, payloadBytes) };
}

/** RFC 4443. */
export function icmpv6(fields: IcmpFields, payloadBytes = 0): Segment {
  return { protocol: 58, bytes: icmpBytes(fields, payloadBytes) };
}

/** `length` bytes of any protocol: one without ports, or the middle of a fragmented packet. */
export function opaque(protocol: number, length: number): Segment {
  return { protocol, bytes: filler(length) };
}

function halves(value: number): readonly [number, number] {
  return [(value >>> 16) & 0xffff, value & 0xffff];
}

function icmpBytes(fields: IcmpFields, payloadBytes: number): Uint8Array {
  const header = words((fields.type << 8) | (fields.code ?? 0), 0, fields.identifier ?? 0, 1);
  return Buffer.concat([header, filler(payloadBytes)]);
}
