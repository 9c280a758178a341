// Prefixes of IP addresses (CIDR): text → bytes, and whether one of many contains an address.

import { parseAddress } from "./parse-address.ts";

/** A network: the first `bits` (0 to 128) of 16 octets in network order, the others zero; IPv4 in ::ffff:0:0/96. */
export interface Prefix {
  readonly octets: Uint8Array;
  readonly bits: number;
}

/** The first 12 octets of an IPv4 address as words of a record: memory order. */
const IPV4_THIRD_WORD = 0xffff0000;

/**
 * Reads an address (`10.0.0.1`, `2001:db8::1`) or a network (`10.0.0.0/8`, `2001:db8::/32`); bits behind the prefix are
 * dropped. undefined where `text` is neither.
 */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf("/");
  const address = slash < 0 ? text : text.slice(0, slash);
  const octets = parseAddress(address);
  if (octets === undefined) return undefined;
  const most = address.includes(":") ? 128 : 32;
  const length = slash < 0 ? String(most) : text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(length) || Number(length) > most) return undefined;
  const bits = Number(length) + (128 - most);
  for (let bit = bits; bit < 128; bit++) {
    octets[bit >>> 3] = (octets[bit >>> 3] as number) & ~(0x80 >>> (bit & 7));
  }
  return { octets, bits };
}

/** Whether a prefix is IPv4's: of 96 bits or more, or an octet of ::ffff:0:0 would be cut. `::/0` means IPv6 alone. */
export function isIpv4Prefix({ octets }: Prefix): boolean {
  if (octets[10] !== 0xff || octets[11] !== 0xff) return false;
  for (let i = 0; i < 10; i++) if (octets[i] !== 0) return false;
  return true;
}

/** Whether every address of `inner` is in `outer`, by their bits alone. */
export function containsPrefix(outer: Prefix, inner: Prefix): boolean {
  if (outer.bits > inner.bits) return false;
  const whole = outer.bits >>> 3;
  for (let i = 0; i < whole; i++) if (outer.octets[i] !== inner.octets[i]) return false;
  const rest = outer.bits & 7;
  if (rest === 0) return true;
  return ((outer.octets[whole] as number) ^ (inner.octets[whole] as number)) >>> (8 - rest) === 0;
}

/** Orders prefixes by address, a wider one before those it contains. */
export function comparePrefixes(left: Prefix, right: Prefix): number {
  return Buffer.compare(left.octets, right.octets) || left.bits - right.bits;
}

/**
 * A set of prefixes, of both families apart. Kept as disjoint ranges in order: what is inside of a wider prefix says
 * nothing more, so the last one that begins at or before an address is the only one that can contain it.
 */
export class PrefixSet {
  readonly #ipv4: Uint32Array;
  readonly #ipv6: Uint32Array;
  /** The address that is looked for, in host order. */
  readonly #address: Uint32Array = new Uint32Array(4);

  constructor(prefixes: readonly Prefix[]) {
    const widest: Prefix[] = [];
    const ipv4 = prefixes.filter(isIpv4Prefix);
    const ipv6 = prefixes.filter((prefix) => !isIpv4Prefix(prefix));
    for (const family of [ipv4, ipv6]) {
      let last: Prefix | undefined;
      for (const prefix of family.sort(comparePrefixes)) {
        if (last !== undefined && containsPrefix(last, prefix)) continue;
        widest.push(prefix);
        last = prefix;
      }
    }
    this.#ipv4 = toRanges(widest.filter(isIpv4Prefix));
    this.#ipv6 = toRanges(widest.filter((prefix) => !isIpv4Prefix(prefix)));
  }

  /** @param words an address in four words from `at`, in memory order of its octets; IPv4 in ::ffff:0:0/96 */
  contains(words: Uint32Array, at: number): boolean {
    const isIpv4 = words[at] === 0 && words[at + 1] === 0 && words[at + 2] === IPV4_THIRD_WORD;
    const ranges = isIpv4 ? this.#ipv4 : this.#ipv6;
    if (ranges.length === 0) return false;
    for (let i = 0; i < 4; i++) this.#address[i] = swapOctets(words[at + i] as number);
    let low = 0;
    let high = ranges.length / RANGE_WORDS;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(ranges, middle * RANGE_WORDS, this.#address) <= 0) low = middle + 1;
      else high = middle;
    }
    return low > 0 && compare(ranges, (low - 1) * RANGE_WORDS + 4, this.#address) >= 0;
  }
}

/** First address in four words, last address in four words; host order. */
const RANGE_WORDS = 8;

function toRanges(prefixes: readonly Prefix[]): Uint32Array {
  const ranges = new Uint32Array(prefixes.length * RANGE_WORDS);
  for (const [index, { octets, bits }] of prefixes.entries()) {
    for (let i = 0; i < 4; i++) {
      const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
      const first = view.getUint32(i * 4);
      const fixed = Math.min(32, Math.max(0, bits - i * 32));
      const free = fixed === 32 ? 0 : 0xffff_ffff >>> fixed;
      ranges[index * RANGE_WORDS + i] = first;
      ranges[index * RANGE_WORDS + 4 + i] = first | free;
    }
  }
  return ranges;
}

/** Below 0: the bound at `range` is the smaller one; 0: equal. */
function compare(ranges: Uint32Array, range: number, address: Uint32Array): number {
  for (let i = 0; i < 4; i++) {
    const bound = ranges[range + i] as number;
    const word = address[i] as number;
    if (bound !== word) return bound < word ? -1 : 1;
  }
  return 0;
}

function swapOctets(word: number): number {
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
}
