// What the host says of itself beside its interfaces: addresses, default routes, local port range. Read from /proc
// and the runtime; a file that is not there gives the kernel's default.

import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { parseAddress } from "../lib/parse-address.ts";

/** The kernel's default of net.ipv4.ip_local_port_range. */
export const DEFAULT_PORT_RANGE: readonly [low: number, high: number] = [32768, 60999];
const ROUTE_UP = 0x1;

/** net.ipv4.ip_local_port_range, both inclusive. It holds for IPv6 too. */
export function readLocalPortRange(): readonly [low: number, high: number] {
  const [low, high] = readProc("/proc/sys/net/ipv4/ip_local_port_range").trim().split(/\s+/).map(Number);
  if (low === undefined || high === undefined || !(low <= high)) return DEFAULT_PORT_RANGE;
  return [low, high];
}

/** Names of the interfaces that a default route of either family leads through. */
export function readDefaultRoutes(): ReadonlySet<string> {
  const names = new Set<string>();
  for (const line of readProc("/proc/net/route").split("\n").slice(1)) {
    const [name, destination, , flags, , , , mask] = line.split(/\s+/);
    const isUp = (Number.parseInt(flags ?? "0", 16) & ROUTE_UP) !== 0;
    if (name !== undefined && isUp && destination === "00000000" && mask === "00000000") names.add(name);
  }
  for (const line of readProc("/proc/net/ipv6_route").split("\n")) {
    const [destination, prefix, , , , , , , flags, name] = line.trim().split(/\s+/);
    const isUp = (Number.parseInt(flags ?? "0", 16) & ROUTE_UP) !== 0;
    if (name === undefined || name === "lo" || !isUp) continue;
    if (prefix === "00" && /^0+$/.test(destination ?? "")) names.add(name);
  }
  return names;
}

/** Addresses of this network namespace as 16 bytes in network order, IPv4 mapped. */
export function readHostAddresses(): readonly Uint8Array[] {
  return Object.values(networkInterfaces()).flatMap((entries) =>
    (entries ?? []).flatMap(({ address }) => parseAddress(address) ?? []),
  );
}

function readProc(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
