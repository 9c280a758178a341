// Whether one flow is seen at two levels: with a tag or tunnel at one watched device, without at another. With the VLAN
// or the tunnel's id in the key these are two flows. Decides; attaches and logs nothing.

import { type Link, roleOf } from "./links.ts";

/** What `flow.key_includes` may name. */
export type KeyPart = "vlan" | "tunnel_id";

/** Two watched devices through which one packet goes, each with another key. */
export interface SplitLevels {
  readonly part: KeyPart;
  /** Carries the packets with their tag, or encapsulated. */
  readonly carrier: Link;
  /** Carries what was in them. */
  readonly unpacked: Link;
}

/** The devices there are. */
export interface Devices {
  readonly watched: readonly Link[];
  /** All of the namespace: pods and guests send through its tunnels, whether those are watched or not. */
  readonly links: readonly Link[];
  readonly defaultRoutes: ReadonlySet<string>;
}

/** Kinds of devices that put packets into others. */
const TUNNEL_KINDS: ReadonlySet<string> = new Set([
  "vxlan",
  "geneve",
  "gre",
  "gretap",
  "erspan",
  "ip6gre",
  "ip6gretap",
  "ip6erspan",
  "ipip",
  "sit",
  "ip6tnl",
  "wireguard",
]);

/** The first pair of watched devices for each part of the key that has one. */
export function findSplitLevels(keyIncludes: readonly KeyPart[], devices: Devices): readonly SplitLevels[] {
  const found = { vlan: findVlanLevels, tunnel_id: findTunnelLevels };
  return keyIncludes.flatMap((part) => found[part](devices) ?? []);
}

function findVlanLevels({ watched }: Devices): SplitLevels | undefined {
  for (const unpacked of watched) {
    if (unpacked.kind !== "vlan" || !unpacked.isParentHere) continue;
    const carrier = watched.find(({ ifindex }) => ifindex === unpacked.parent);
    if (carrier !== undefined) return { part: "vlan", carrier, unpacked };
  }
  return undefined;
}

function findTunnelLevels({ watched, links, defaultRoutes }: Devices): SplitLevels | undefined {
  const isTunnel = ({ kind }: Link): boolean => TUNNEL_KINDS.has(kind);
  const isWorkload = (link: Link): boolean => roleOf(link, defaultRoutes) === "workload";
  const isOutside = (link: Link): boolean => !link.isLoopback && !isTunnel(link) && !isWorkload(link);
  // A bridge carries what its ports do: one of pods alone has no encapsulated packets.
  const isCarrier = (link: Link): boolean =>
    link.kind === "bridge"
      ? links.some((port) => port.master === link.ifindex && isOutside(port))
      : isOutside(link);
  const carrier = watched.find(isCarrier);
  const unpacked = watched.find(isTunnel) ?? (links.some(isTunnel) ? watched.find(isWorkload) : undefined);
  return carrier === undefined || unpacked === undefined
    ? undefined
    : { part: "tunnel_id", carrier, unpacked };
}

/** The warning, in one line. */
export function describeSplitLevels({ part, carrier, unpacked }: SplitLevels): string {
  const [packed, bare] = part === "vlan" ? ["tagged", "untagged"] : ["packed", "unpacked"];
  const flow = part === "vlan" ? "a flow in a VLAN" : "a flow through a tunnel";
  return `flow.key_includes has "${part}", and interface "${carrier.name}" carries ${packed} what "${unpacked.name}" carries ${bare}: ${flow} is told once for each`;
}
