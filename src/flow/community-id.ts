// Community ID v1 of a record row (https://github.com/corelight/community-id-spec).
// Comes in: rows of flow.ts. Goes out: the SHA-1 digest and its 30 ASCII bytes. UDP-Lite and DCCP, which the
// specification does not list, are hashed without ports, as "other IP-borne protocols".

import { RECORD, RECORD_FLAG } from "./flow.ts";

/** Length of "1:" and the base64 of a SHA-1 digest. */
export const COMMUNITY_ID_BYTES = 30;

const ICMP = 1;
const ICMPV6 = 58;
/** ICMP, TCP, UDP, ICMPv6, SCTP. */
const PORT_PROTOCOLS: ReadonlySet<number> = new Set([ICMP, 6, 17, ICMPV6, 132]);
/** Message types that answer each other; the specification takes them from Zeek. */
const ICMP_PAIRS: readonly (readonly [number, number])[] = [
  [8, 0],
  [10, 9],
  [13, 14],
  [15, 16],
  [17, 18],
];
const ICMPV6_PAIRS: readonly (readonly [number, number])[] = [
  [128, 129],
  [130, 131],
  [133, 134],
  [135, 136],
  [139, 140],
  [144, 145],
];
const ICMP_COUNTERPARTS = counterparts(ICMP_PAIRS);
const ICMPV6_COUNTERPARTS = counterparts(ICMPV6_PAIRS);

const BASE64 = new TextEncoder().encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const PADDING = 0x3d;

/**
 * Message type that answers `type`, or −1 for a message that stands alone.
 * @param protocol 1 or 58; none other has message types
 */
export function icmpCounterpart(protocol: number, type: number): number {
  const answer = (protocol === ICMP ? ICMP_COUNTERPARTS : ICMPV6_COUNTERPARTS)[type];
  return answer ?? -1;
}

/** Hashes rows one after another into buffers it keeps: Bun.SHA1 takes 60 ns a row, a SHA-1 in TypeScript 230. */
export class CommunityIdHasher {
  /** Digest of the last row. */
  readonly digest: Uint8Array = new Uint8Array(20);
  readonly #seed: number;
  /** Hash inputs by length: addresses of 4 or 16 bytes, without and with ports. */
  readonly #inputs = {
    ipv4: new Uint8Array(12),
    ipv4Ports: new Uint8Array(16),
    ipv6: new Uint8Array(36),
    ipv6Ports: new Uint8Array(40),
  };

  /** @param seed 16 bits, the same wherever identifiers are compared */
  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Computes the digest of the record row at `at`. */
  hash(words: Uint32Array, at: number): void {
    const identity = words[at + RECORD.identity] as number;
    const protocol = identity & 0xff;
    const hasPorts = PORT_PROTOCOLS.has(protocol);
    const isIpv4 = ((identity >>> 8) & 0xff) === 4;
    const ports = words[at + RECORD.communityPorts] as number;
    const isOneWay = ((words[at + RECORD.flags] as number) & RECORD_FLAG.isOneWay) !== 0;
    const isTurned = !isOneWay && isSourceGreater(words, at, hasPorts ? ports : 0);
    const first = at + (isTurned ? RECORD.destinationAddress : RECORD.sourceAddress);
    const second = at + (isTurned ? RECORD.sourceAddress : RECORD.destinationAddress);
    const input = isIpv4
      ? hasPorts
        ? this.#inputs.ipv4Ports
        : this.#inputs.ipv4
      : hasPorts
        ? this.#inputs.ipv6Ports
        : this.#inputs.ipv6;
    input[0] = this.#seed >>> 8;
    input[1] = this.#seed;
    let next = writeAddress(input, 2, words, first, isIpv4);
    next = writeAddress(input, next, words, second, isIpv4);
    input[next++] = protocol;
    input[next++] = 0;
    if (hasPorts) writePorts(input, next, isTurned ? (ports >>> 16) | (ports << 16) : ports);
    Bun.SHA1.hash(input, this.digest);
  }

  /** Writes the identifier of the last row, {@link COMMUNITY_ID_BYTES} of ASCII. */
  format(out: Uint8Array, at: number): void {
    const { digest } = this;
    out[at] = 0x31;
    out[at + 1] = 0x3a;
    let next = at + 2;
    for (let i = 0; i < 18; i += 3) {
      const bits =
        ((digest[i] as number) << 16) | ((digest[i + 1] as number) << 8) | (digest[i + 2] as number);
      out[next++] = BASE64[bits >>> 18] as number;
      out[next++] = BASE64[(bits >>> 12) & 63] as number;
      out[next++] = BASE64[(bits >>> 6) & 63] as number;
      out[next++] = BASE64[bits & 63] as number;
    }
    const bits = ((digest[18] as number) << 8) | (digest[19] as number);
    out[next++] = BASE64[bits >>> 10] as number;
    out[next++] = BASE64[(bits >>> 4) & 63] as number;
    out[next++] = BASE64[(bits << 2) & 63] as number;
    out[next] = PADDING;
  }
}

/** True where the source's (address, port) is greater, compared as bytes in network order. */
function isSourceGreater(words: Uint32Array, at: number, ports: number): boolean {
  for (let i = 0; i < 4; i++) {
    const source = swapBytes(words[at + RECORD.sourceAddress + i] as number);
    const destination = swapBytes(words[at + RECORD.destinationAddress + i] as number);
    if (source !== destination) return source > destination;
  }
  return (ports & 0xffff) > ports >>> 16;
}

function swapBytes(word: number): number {
  return ((word >>> 24) | ((word >>> 8) & 0xff00) | ((word & 0xff00) << 8) | (word << 24)) >>> 0;
}

/** Copies the 16 bytes of an address, of a mapped IPv4 one the last 4; returns the place behind. */
function writeAddress(
  out: Uint8Array,
  at: number,
  words: Uint32Array,
  address: number,
  isIpv4: boolean,
): number {
  let next = at;
  for (let i = isIpv4 ? 3 : 0; i < 4; i++) {
    const word = words[address + i] as number;
    out[next++] = word;
    out[next++] = word >>> 8;
    out[next++] = word >>> 16;
    out[next++] = word >>> 24;
  }
  return next;
}

/** First port from the low half, in network order. */
function writePorts(out: Uint8Array, at: number, ports: number): void {
  out[at] = ports >>> 8;
  out[at + 1] = ports;
  out[at + 2] = ports >>> 24;
  out[at + 3] = ports >>> 16;
}

function counterparts(pairs: readonly (readonly [number, number])[]): readonly (number | undefined)[] {
  const answers: (number | undefined)[] = new Array(256).fill(undefined);
  for (const [request, reply] of pairs) {
    answers[request] = reply;
    answers[reply] = request;
  }
  return answers;
}
