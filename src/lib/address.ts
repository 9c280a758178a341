// Text of IP and MAC addresses. Comes in: bytes in network order. Goes out: text. Parses nothing.

const DECIMAL: readonly string[] = Array.from({ length: 256 }, (_, octet) => String(octet));
const HEX: readonly string[] = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, "0"));
const [ZERO, DOT, COLON] = [0x30, 0x2e, 0x3a];
const HEX_DIGITS: Uint8Array = new TextEncoder().encode("0123456789abcdef");

/**
 * Formats the IPv4 address in the last 4 of 16 octets (`::ffff:0:0/96`, RFC 4291 section 2.5.5.2) as dotted decimal.
 *
 * @param octets network order; 16 are read from `offset`
 */
export function formatIpv4(octets: Uint8Array, offset: number): string {
  return `${decimal(octets, offset + 12)}.${decimal(octets, offset + 13)}.${decimal(octets, offset + 14)}.${decimal(octets, offset + 15)}`;
}

/** Writes what {@link formatIpv4} answers as ASCII into `text` from `at` on. @returns its length, 15 at most */
export function writeIpv4(octets: Uint8Array, offset: number, text: Uint8Array, at: number): number {
  let end = at;
  for (let i = offset + 12; i < offset + 16; i++) {
    const octet = octets[i] as number;
    if (octet >= 100) text[end++] = ZERO + ((octet / 100) | 0);
    if (octet >= 10) text[end++] = ZERO + (((octet / 10) | 0) % 10);
    text[end++] = ZERO + (octet % 10);
    text[end++] = DOT;
  }
  return end - 1 - at;
}

/**
 * Formats an IPv6 address as RFC 5952 has it: lower case, no leading zeros, the longest run of two or more zero groups
 * (the first of equals) as `::`, an IPv4-mapped address in mixed notation (section 5).
 *
 * @param octets network order; 16 are read from `offset`
 */
export function formatIpv6(octets: Uint8Array, offset: number): string {
  if (isIpv4Mapped(octets, offset)) return `::ffff:${formatIpv4(octets, offset)}`;
  const run = longestZeroRun(octets, offset);
  let text = "";
  for (let group = 0; group < 8; group++) {
    if (group === run.start) {
      text += "::";
      group += run.length - 1;
      continue;
    }
    if (group > 0 && group !== run.start + run.length) text += ":";
    text += groupAt(octets, offset, group).toString(16);
  }
  return text;
}

/**
 * Formats a MAC address as six lower-case pairs of hexadecimal digits with colons, as `ip link` prints it.
 *
 * @param octets memory order; 6 are read from `offset`
 */
export function formatMac(octets: Uint8Array, offset: number): string {
  const [a, b, c] = [hex(octets, offset), hex(octets, offset + 1), hex(octets, offset + 2)];
  const [d, e, f] = [hex(octets, offset + 3), hex(octets, offset + 4), hex(octets, offset + 5)];
  return `${a}:${b}:${c}:${d}:${e}:${f}`;
}

/** Writes what {@link formatMac} answers as ASCII into `text` from `at` on. @returns its length, 17 */
export function writeMac(octets: Uint8Array, offset: number, text: Uint8Array, at: number): number {
  for (let i = 0; i < 6; i++) {
    const octet = octets[offset + i] as number;
    const place = at + i * 3;
    text[place] = HEX_DIGITS[octet >>> 4] as number;
    text[place + 1] = HEX_DIGITS[octet & 0xf] as number;
    if (i < 5) text[place + 2] = COLON;
  }
  return 17;
}

/**
 * Formats octets as lower-case hexadecimal digits.
 *
 * @param length how many octets are read from `offset`
 */
export function formatHex(octets: Uint8Array, offset: number, length: number): string {
  let text = "";
  for (let i = 0; i < length; i++) text += hex(octets, offset + i);
  return text;
}

function longestZeroRun(
  octets: Uint8Array,
  offset: number,
): { readonly start: number; readonly length: number } {
  let start = -1;
  let length = 1;
  let current = 0;
  for (let group = 0; group < 8; group++) {
    current = groupAt(octets, offset, group) === 0 ? current + 1 : 0;
    if (current > length) {
      length = current;
      start = group - current + 1;
    }
  }
  // No run: a start that no group matches, nor the separator's test after it.
  return start < 0 ? { start: -9, length: 0 } : { start, length };
}

function isIpv4Mapped(octets: Uint8Array, offset: number): boolean {
  for (let group = 0; group < 5; group++) if (groupAt(octets, offset, group) !== 0) return false;
  return groupAt(octets, offset, 5) === 0xffff;
}

function groupAt(octets: Uint8Array, offset: number, group: number): number {
  const at = offset + group * 2;
  return ((octets[at] ?? 0) << 8) | (octets[at + 1] ?? 0);
}

function decimal(octets: Uint8Array, at: number): string {
  return DECIMAL[octets[at] ?? 0] ?? "0";
}

function hex(octets: Uint8Array, at: number): string {
  return HEX[octets[at] ?? 0] ?? "00";
}
