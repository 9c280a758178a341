// Bytes for the reference parser: what can be read of a frame, and how far its headers say that it goes. The reference
// is written from the RFCs and the table of what is parsed, never from bpf/: slow, plain, one step a line.

/** A stretch of a frame. Offsets count from the frame's first byte. */
export interface Scope {
  readonly bytes: Uint8Array;
  /** End (exclusive) of what was captured. */
  readonly readable: number;
  /** End (exclusive) of every packet around, as far as it goes: what stands behind belongs to none. */
  readonly carried: number;
  /** End (exclusive) by length fields and the length on the wire. */
  readonly end: number;
}

/** Headers that begin behind this are not read. */
export const LAST_HEADER_OFFSET = 2047;

/** Why a packet, or what it carries, is in no flow; names of COUNTERS. */
export type Refusal =
  | "not_ip"
  | "unsupported_link"
  | "malformed_link"
  | "malformed_ipv4"
  | "malformed_ipv6"
  | "malformed_tcp"
  | "malformed_udp"
  | "malformed_sctp"
  | "malformed_icmp"
  | "malformed_extension"
  | "parse_depth";

/** A refusal as a value; `bytes` of layer 3 where they were read. */
export interface Refused {
  readonly refusal: Refusal;
  readonly bytes?: number;
}

export function isRefused(value: object): value is Refused {
  return "refusal" in value;
}

export function refuse(refusal: Refusal, bytes?: number): Refused {
  return bytes === undefined ? { refusal } : { refusal, bytes };
}

/** End of what is there to be read. */
export function readableEnd(scope: Scope): number {
  return Math.min(scope.readable, scope.carried, scope.end);
}

/** Whether `length` bytes from `at` on are there to be read. */
export function has(scope: Scope, at: number, length: number): boolean {
  return at <= LAST_HEADER_OFFSET && at + length <= readableEnd(scope);
}

export function uint8(scope: Scope, at: number): number {
  const value = scope.bytes[at];
  if (value === undefined || at >= readableEnd(scope)) throw new RangeError(`The reference reads byte ${at}`);
  return value;
}

export function uint16(scope: Scope, at: number): number {
  return uint8(scope, at) * 256 + uint8(scope, at + 1);
}

export function uint32(scope: Scope, at: number): number {
  return uint16(scope, at) * 65536 + uint16(scope, at + 2);
}

export function uint32LittleEndian(scope: Scope, at: number): number {
  return (
    uint8(scope, at) +
    uint8(scope, at + 1) * 256 +
    (uint8(scope, at + 2) + uint8(scope, at + 3) * 256) * 65536
  );
}

/** A copy of `length` bytes. */
export function copy(scope: Scope, at: number, length: number): Uint8Array {
  if (at + length > readableEnd(scope)) throw new RangeError(`The reference reads ${length} bytes at ${at}`);
  return scope.bytes.slice(at, at + length);
}
