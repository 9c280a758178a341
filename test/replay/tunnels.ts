// What carries a packet within a packet, out of tshark's headers: the first header behind the transport, and where the
// link header of the packet inside stands.

import type { Datagram } from "./datagram.ts";
import { type Layer, numberOf, textOf } from "./pdml.ts";

/** An encapsulation that can be read through. */
export interface Tunnel {
  readonly kind: string;
  readonly id: number | undefined;
  /** Index of the first header inside. */
  readonly inside: number;
}

/** `none`: the datagram carries no packet. `unread`: it is such a datagram, but not one that is read through. */
export type Carriage = Tunnel | "none" | "unread";

type Opener = (layer: Layer, inside: number) => Tunnel | "unread";

/**
 * By UDP destination port. Teredo and FOU are on no port by default, though tshark knows Teredo's. What WireGuard and
 * ESP carry is encrypted: nothing is left unread there.
 */
const BY_PORT: Readonly<Record<number, readonly [name: string, open: Opener]>> = {
  2152: ["gtp", openGtp],
  4789: ["vxlan", openVxlan],
  4790: ["vxlan", openVxlanGpe],
  6081: ["geneve", openGeneve],
  8472: ["vxlan", openVxlan],
};
const UDP = 17;
const GRE = 47;
/** By protocol: version inside, kind in IPv4, kind in IPv6. */
const IP_IN_IP: Readonly<Record<number, readonly [inside: string, inIpv4: string, inIpv6: string]>> = {
  4: ["ip", "ipip", "fourInSix"],
  41: ["ipv6", "sixInFour", "ip6ip6"],
};

const ETHERNET = 0x6558;
/** IPv4, IPv6, Ethernet, MPLS. tshark reads on behind others too, PPP for one. */
const READ_THROUGH: ReadonlySet<number> = new Set([0x0800, 0x86dd, ETHERNET, 0x8847, 0x8848]);
const ERSPAN = 0x88be;
const ERSPAN_III = 0x22eb;
const GTP_USER_DATA = 0xff;
const MOST_GTP_EXTENSIONS = 4;

/** Looks at what a datagram carries. */
export function openTunnel(layers: readonly Layer[], datagram: Datagram): Carriage {
  const { protocol, transport, version, next } = datagram;
  const layer = layers[next];
  if (protocol === UDP) {
    const known = BY_PORT[transport.ports?.[1] ?? 0];
    if (known === undefined) return "none";
    const [name, open] = known;
    return layer?.name === name ? open(layer, next + 1) : "unread";
  }
  if (protocol === GRE) return layer?.name === "gre" ? openGre(layer, layers[next + 1], next + 1) : "unread";
  const ipInIp = IP_IN_IP[protocol];
  if (ipInIp === undefined) return "none";
  const [inside, inIpv4, inIpv6] = ipInIp;
  if (layer?.name !== inside) return "unread";
  return { kind: version === 4 ? inIpv4 : inIpv6, id: undefined, inside: next };
}

function openVxlan(layer: Layer, inside: number): Tunnel | "unread" {
  if (numberOf(layer, "vxlan.flag_i") !== 1) return "unread";
  return { kind: "vxlan", id: numberOf(layer, "vxlan.vni"), inside };
}

function openVxlanGpe(layer: Layer, inside: number): Tunnel | "unread" {
  const isPlain =
    numberOf(layer, "vxlan.i_bit") === 1 &&
    numberOf(layer, "vxlan.ver") === 0 &&
    numberOf(layer, "vxlan.o_bit") === 0;
  return isPlain ? { kind: "vxlanGpe", id: numberOf(layer, "vxlan.vni"), inside } : "unread";
}

function openGeneve(layer: Layer, inside: number): Tunnel | "unread" {
  const isRead =
    numberOf(layer, "geneve.version") === 0 &&
    numberOf(layer, "geneve.flags.oam") === 0 &&
    READ_THROUGH.has(numberOf(layer, "geneve.proto_type"));
  return isRead ? { kind: "geneve", id: numberOf(layer, "geneve.vni"), inside } : "unread";
}

function openGtp(layer: Layer, inside: number): Tunnel | "unread" {
  const isRead =
    numberOf(layer, "gtp.flags.version") === 1 &&
    numberOf(layer, "gtp.flags.payload") === 1 &&
    numberOf(layer, "gtp.message") === GTP_USER_DATA &&
    (layer.fields.get("gtp.ext_hdr")?.length ?? 0) <= MOST_GTP_EXTENSIONS;
  return isRead ? { kind: "gtp", id: numberOf(layer, "gtp.teid"), inside } : "unread";
}

function openGre(layer: Layer, following: Layer | undefined, inside: number): Tunnel | "unread" {
  if (numberOf(layer, "gre.flags.version") !== 0 || numberOf(layer, "gre.flags.routing") !== 0)
    return "unread";
  const protocol = numberOf(layer, "gre.proto");
  if (protocol === ERSPAN || protocol === ERSPAN_III) return openErspan(layer, following, inside);
  if (!READ_THROUGH.has(protocol)) return "unread";
  const hasKey = textOf(layer, "gre.key") !== "";
  return { kind: "gre", id: hasKey ? numberOf(layer, "gre.key") : undefined, inside };
}

/** Type I has no header of its own, and no session. */
function openErspan(gre: Layer, header: Layer | undefined, inside: number): Tunnel | "unread" {
  const isTypeI = numberOf(gre, "gre.proto") === ERSPAN && numberOf(gre, "gre.flags.sequence_number") === 0;
  const at = header?.name === "erspan" ? inside + 1 : inside;
  if (isTypeI) return { kind: "erspan", id: undefined, inside: at };
  if (header?.name !== "erspan") return "unread";
  return { kind: "erspan", id: numberOf(header, "erspan.spanid"), inside: at };
}
