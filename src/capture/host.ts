// What the host says of itself beside its interfaces: default routes. Read from /proc; a file that is not there says
// nothing.

import { readInNamespace } from "./watched-namespace.ts";

const ROUTE_UP = 0x1;

/** Names of the interfaces that a default route of either family leads through. */
export function readDefaultRoutes(): ReadonlySet<string> {
  const names = new Set<string>();
  for (const line of readProc("/proc/thread-self/net/route").split("\n").slice(1)) {
    const [name, destination, , flags, , , , mask] = line.split(/\s+/);
    const isUp = (Number.parseInt(flags ?? "0", 16) & ROUTE_UP) !== 0;
    if (name !== undefined && isUp && destination === "00000000" && mask === "00000000") names.add(name);
  }
  for (const line of readProc("/proc/thread-self/net/ipv6_route").split("\n")) {
    const [destination, prefix, , , , , , , flags, name] = line.trim().split(/\s+/);
    const isUp = (Number.parseInt(flags ?? "0", 16) & ROUTE_UP) !== 0;
    if (name === undefined || name === "lo" || !isUp) continue;
    if (prefix === "00" && /^0+$/.test(destination ?? "")) names.add(name);
  }
  return names;
}

function readProc(path: string): string {
  try {
    return readInNamespace(path);
  } catch {
    return "";
  }
}
