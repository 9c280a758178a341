// Text of an IP address → bytes.

import { isIPv4, isIPv6 } from "node:net";

/** 16 bytes in network order, IPv4 as ::ffff:a.b.c.d; undefined where `text` is no address (a zone is no part of one). */
export function parseAddress(text: string): Uint8Array | undefined {
  const octets = new Uint8Array(16);
  if (isIPv4(text)) {
    octets.set([0xff, 0xff, ...text.split(".").map(Number)], 10);
    return octets;
  }
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const [head = "", tail] = expandDotted(text).split("::");
  writeGroups(octets, head, 0);
  if (tail !== undefined) writeGroups(octets, tail, 16 - 2 * groupsOf(tail).length);
  return octets;
}

/** An IPv4 tail (RFC 4291, section 2.2.3) as two groups. */
function expandDotted(text: string): string {
  return text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => {
    const group = (high: string, low: string): string => (Number(high) * 256 + Number(low)).toString(16);
    return `${group(a, b)}:${group(c, d)}`;
  });
}

function groupsOf(text: string): readonly string[] {
  return text === "" ? [] : text.split(":");
}

function writeGroups(octets: Uint8Array, text: string, at: number): void {
  for (const [index, group] of groupsOf(text).entries()) {
    const value = Number.parseInt(group, 16);
    octets[at + 2 * index] = value >> 8;
    octets[at + 2 * index + 1] = value & 0xff;
  }
}
