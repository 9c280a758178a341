// Whether one tunnelled flow is seen at two levels: packed at one watched device, unpacked at another. With the
// tunnel's id in the key these are two flows. Decides; attaches and logs nothing.

import { type Link, roleOf } from "./links.ts";

/** Two watched devices through which one tunnelled packet goes, each with another key. */
export interface BothLevels {
  /** Carries the encapsulated packets. */
  readonly carrier: Link;
  /** Carries what was in them. */
  readonly unpacked: Link;
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

/**
 * The first pair among the `watched` devices; undefined where there is none. `links` are all devices of the
 * namespace: pods and guests send through its tunnels, whether those are watched or not.
 */
export function findBothLevels(
  watched: readonly Link[],
  links: readonly Link[],
  defaultRoutes: ReadonlySet<string>,
): BothLevels | undefined {
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
  return carrier === undefined || unpacked === undefined ? undefined : { carrier, unpacked };
}

/** The warning, in one line. */
export function describeBothLevels({ carrier, unpacked }: BothLevels): string {
  return `flow.key_includes has "tunnel_id", and interface "${carrier.name}" carries packed what "${unpacked.name}" carries unpacked: a flow through a tunnel is told once for each`;
}
