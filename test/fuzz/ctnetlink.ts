// Messages of ctnetlink as the kernel forms them, for a parser that must bear any other form.

/** One direction of an entry. */
export interface WireTuple {
  /** Of 4 or 16 bytes. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly protocol: number;
  /** Source and destination, or the identifier and the type of an echo. */
  readonly numbers: readonly [number, number];
  /** A zone of this direction alone. */
  readonly zone?: number;
}

export interface WireEntry {
  readonly original: WireTuple;
  readonly reply: WireTuple;
  readonly isGone?: boolean;
  /** A zone of both directions. */
  readonly zone?: number;
}

const SUBSYSTEM = 1;
const NEW = 0;
const DELETE = 2;
const STATUS = 3;
const ZONE = 18;
const TUPLE = { ip: 1, protocol: 2, zone: 3 } as const;
const ECHO_TYPES: ReadonlyMap<number, readonly [id: number, type: number]> = new Map([
  [1, [4, 5]],
  [58, [7, 8]],
]);
const BOTH_TRANSLATED = 0x30;

/** A message of one entry, its length a multiple of 4. */
export function encodeEntry({ original, reply, isGone = false, zone }: WireEntry): Uint8Array {
  const attributes = [
    nest(1, encodeTuple(original)),
    nest(2, encodeTuple(reply)),
    ...(zone === undefined ? [] : [attribute(ZONE, big(zone))]),
    attribute(STATUS, Uint8Array.of(0, 0, 0, BOTH_TRANSLATED)),
  ];
  const kind = (SUBSYSTEM << 8) | (isGone ? DELETE : NEW);
  return encodeMessage(kind, Buffer.concat([Uint8Array.of(2, 0, 0, 0), ...attributes]));
}

/** An nlmsghdr and what follows it. */
export function encodeMessage(type: number, body: Uint8Array): Uint8Array {
  const head = Buffer.alloc(16);
  head.writeUInt32LE(head.length + body.length, 0);
  head.writeUInt16LE(type, 4);
  return Buffer.concat([head, body]);
}

function encodeTuple({ source, destination, protocol, numbers, zone }: WireTuple): Uint8Array {
  const isIpv4 = source.length === 4;
  const addresses = [attribute(isIpv4 ? 1 : 3, source), attribute(isIpv4 ? 2 : 4, destination)];
  const parts = [attribute(1, Uint8Array.of(protocol))];
  const echo = ECHO_TYPES.get(protocol);
  if (echo === undefined) parts.push(...numbers.map((number, i) => attribute(2 + i, big(number))));
  else parts.push(attribute(echo[0], big(numbers[0])), attribute(echo[1], Uint8Array.of(numbers[1])));
  return Buffer.concat([
    nest(TUPLE.ip, Buffer.concat(addresses)),
    nest(TUPLE.protocol, Buffer.concat(parts)),
    ...(zone === undefined ? [] : [attribute(TUPLE.zone, big(zone))]),
  ]);
}

function nest(type: number, payload: Uint8Array): Uint8Array {
  return attribute(type | 0x8000, payload);
}

function attribute(type: number, payload: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc((4 + payload.length + 3) & ~3);
  bytes.writeUInt16LE(4 + payload.length, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.set(payload, 4);
  return bytes;
}

function big(number: number): Uint8Array {
  return Uint8Array.of(number >>> 8, number & 0xff);
}
