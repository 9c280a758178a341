// bpf/filter.bpf.h in TypeScript: what the kernel decides with the maps it is given.

import type { KernelFilter } from "../../../src/capture/kernel-filter.ts";
import { type End, octetsOf } from "./filter-record.ts";

/** What of a flow's key counts. */
export interface KernelKey {
  readonly low: End;
  readonly high: End;
  readonly protocol: number;
}

const SOURCE = 1;
const DESTINATION = 4;
const NOT = 1;

/** Whether the kernel leaves the flow out. */
export function leavesOut({ prefixes, rules }: KernelFilter, { low, high, protocol }: KernelKey): boolean {
  const view = new DataView(rules.buffer, rules.byteOffset, rules.byteLength);
  const [addressLists, portLists, hasProtocols, hasVersions, hasAddresses] = [0, 1, 2, 3, 4].map((word) =>
    view.getUint32(65_800 + word * 4, true),
  ) as [number, number, number, number, number];
  const isRefused = (mask: number, lists: number, match: number): boolean =>
    (mask & (match << NOT)) !== 0 || ((lists & match) !== 0 && (mask & match) === 0);
  const protocolMask = rules[65_536 + protocol] ?? 0;
  const versionMask = rules[65_792 + (low.address.includes(":") ? 6 : 4)] ?? 0;
  if (isRefused(protocolMask, hasProtocols, 1) || isRefused(versionMask, hasVersions, 1)) return true;
  const isRefusedEnd = (end: End, match: number): boolean => {
    const address = hasAddresses === 1 ? longest(prefixes, end.address) : 0;
    return isRefused(address, addressLists, match) || isRefused(rules[end.port] ?? 0, portLists, match);
  };
  return (
    (isRefusedEnd(low, SOURCE) || isRefusedEnd(high, DESTINATION)) &&
    (isRefusedEnd(high, SOURCE) || isRefusedEnd(low, DESTINATION))
  );
}

/** The mask of the longest prefix that contains the address, as an LPM trie finds it. */
function longest(prefixes: KernelFilter["prefixes"], address: string): number {
  const bitsOf = (octets: Iterable<number>): string =>
    [...octets].map((octet) => octet.toString(2).padStart(8, "0")).join("");
  const wanted = bitsOf(octetsOf(address));
  const found = prefixes
    .filter((prefix) => wanted.startsWith(bitsOf(prefix.address).slice(0, prefix.bits)))
    .sort((left, right) => right.bits - left.bits);
  return found[0]?.mask ?? 0;
}
