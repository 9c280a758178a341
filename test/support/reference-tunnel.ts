// What a datagram carries: one encapsulation's header, and where the packet inside begins.

import type { ParserConfig } from "../../src/capture/parser-config.ts";
import { ENCAPSULATION } from "../../src/capture/record.ts";
import { readGre } from "./reference-gre.ts";
import { type IpStart, readByEthertype, readByNibble, readEthernet, readMpls } from "./reference-link.ts";
import type { Datagram } from "./reference-network.ts";
import { has, isRefused, type Scope, uint8, uint16, uint32, uint32LittleEndian } from "./reference-scope.ts";
import type { Transport } from "./reference-transport.ts";

/** An encapsulation's header. */
export interface Encapsulation {
  /** {@link ENCAPSULATION}. */
  readonly kind: number;
  readonly id?: number;
  readonly inside: IpStart;
}

/** Indices of a WireGuard message, by who chose them. */
export interface WireguardIndices {
  readonly source?: number;
  readonly destination?: number;
}

/** What is behind a transport header. `unread`: something should be, and cannot be read. */
export type Carried =
  | { readonly kind: "nothing" }
  | { readonly kind: "unread" }
  | { readonly kind: "packet"; readonly encapsulation: Encapsulation }
  | { readonly kind: "wireguard"; readonly indices: WireguardIndices }
  | { readonly kind: "esp"; readonly spi: number };

/** A header that was read: what stands behind it is still to be judged. */
export interface TunnelHeader {
  readonly kind: number;
  readonly id?: number;
  readonly at: number;
  /** An ethertype, Ethernet itself, or IP by its first nibble. */
  readonly inside: number | "ethernet" | "ip" | "ipv4" | "ipv6" | "mpls";
}

const GRE = 47;
const UDP = 17;
const EXTENSIONS_OF_GTP_MOST = 4;

/** By outer version and protocol. */
const IP_IN_IP: Readonly<Record<string, readonly [kind: number, inside: "ipv4" | "ipv6"]>> = {
  "4/4": [ENCAPSULATION.ipip, "ipv4"],
  "6/41": [ENCAPSULATION.ip6ip6, "ipv6"],
  "4/41": [ENCAPSULATION.sixInFour, "ipv6"],
  "6/4": [ENCAPSULATION.fourInSix, "ipv4"],
};

/** What a datagram that is no later fragment carries. */
export function readCarried(datagram: Datagram, transport: Transport, ports: ParserConfig): Carried {
  const at = transport.payloadOffset;
  const ipInIp = IP_IN_IP[`${datagram.version}/${transport.protocol}`];
  if (ipInIp !== undefined) return opened(datagram, { kind: ipInIp[0], at, inside: ipInIp[1] });
  if (transport.protocol === GRE) return opened(datagram, readGre(datagram.scope, at, ENCAPSULATION.gre));
  if (transport.protocol !== UDP) return { kind: "nothing" };
  const kind = udpKind(transport, ports);
  if (kind === ENCAPSULATION.wireguard) return readWireguard(datagram.scope, at);
  if (kind === ENCAPSULATION.espInUdp) return readEspInUdp(datagram.scope, at);
  const read = UDP_HEADERS.get(kind);
  return read === undefined ? { kind: "nothing" } : opened(datagram, read(datagram.scope, at));
}

const UDP_HEADERS: ReadonlyMap<number, (scope: Scope, at: number) => TunnelHeader | undefined> = new Map([
  [ENCAPSULATION.vxlan, readVxlan],
  [ENCAPSULATION.vxlanGpe, readVxlanGpe],
  [ENCAPSULATION.geneve, readGeneve],
  [ENCAPSULATION.gtp, readGtp],
  [ENCAPSULATION.teredo, readTeredo],
  [ENCAPSULATION.fou, readFou],
]);

/** The first list that has one of the ports; most kinds are known by the destination port alone. */
function udpKind({ sourcePort, destinationPort }: Transport, ports: ParserConfig): number {
  for (const [list, kind] of KINDS) {
    const isEither = EITHER_PORT.has(list) && ports[list].includes(sourcePort);
    if (isEither || ports[list].includes(destinationPort)) return kind;
  }
  return ENCAPSULATION.none;
}

const EITHER_PORT: ReadonlySet<keyof ParserConfig> = new Set([
  "teredo_ports",
  "wireguard_ports",
  "esp_ports",
]);
const KINDS: ReadonlyMap<keyof ParserConfig, number> = new Map([
  ["vxlan_ports", ENCAPSULATION.vxlan],
  ["vxlan_gpe_ports", ENCAPSULATION.vxlanGpe],
  ["geneve_ports", ENCAPSULATION.geneve],
  ["gtp_ports", ENCAPSULATION.gtp],
  ["teredo_ports", ENCAPSULATION.teredo],
  ["fou_ports", ENCAPSULATION.fou],
  ["wireguard_ports", ENCAPSULATION.wireguard],
  ["esp_ports", ENCAPSULATION.espInUdp],
]);

/** Bounds of what is inside: a first fragment's packet goes on in the later ones. */
function insideOf({ scope, fragment }: Datagram, at: number): Scope {
  const carried = Math.min(scope.carried, scope.end);
  return fragment === "first" ? { ...scope, carried, end: at + 65535 } : { ...scope, carried };
}

function opened(datagram: Datagram, header: TunnelHeader | undefined): Carried {
  if (header === undefined) return { kind: "unread" };
  const inside = startOf(insideOf(datagram, header.at), header);
  if (inside === undefined) return { kind: "unread" };
  const id = header.id === undefined ? {} : { id: header.id };
  return { kind: "packet", encapsulation: { kind: header.kind, ...id, inside } };
}

function startOf(scope: Scope, { at, inside }: TunnelHeader): IpStart | undefined {
  if (inside === "ipv4") return { version: 4, offset: at, scope, vlan: 0 };
  if (inside === "ipv6") return { version: 6, offset: at, scope, vlan: 0 };
  const start =
    inside === "ethernet"
      ? readEthernet(scope, at)
      : inside === "ip"
        ? readByNibble(scope, at)
        : inside === "mpls"
          ? readMpls(scope, at)
          : readByEthertype(scope, at, inside);
  return isRefused(start) ? undefined : start;
}

/** RFC 7348. */
function readVxlan(scope: Scope, at: number): TunnelHeader | undefined {
  if (!has(scope, at, 8) || (uint8(scope, at) & 0x08) === 0) return undefined;
  return { kind: ENCAPSULATION.vxlan, id: uint32(scope, at + 4) >>> 8, at: at + 8, inside: "ethernet" };
}

/** draft-ietf-nvo3-vxlan-gpe. */
function readVxlanGpe(scope: Scope, at: number): TunnelHeader | undefined {
  if (!has(scope, at, 8) || (uint8(scope, at) & 0x39) !== 0x08) return undefined;
  const protocols = { 1: "ipv4", 2: "ipv6", 3: "ethernet", 5: "mpls" } as const;
  const protocol = (uint8(scope, at) & 0x04) === 0 ? 3 : uint8(scope, at + 3);
  if (protocol !== 1 && protocol !== 2 && protocol !== 3 && protocol !== 5) return undefined;
  const id = uint32(scope, at + 4) >>> 8;
  return { kind: ENCAPSULATION.vxlanGpe, id, at: at + 8, inside: protocols[protocol] };
}

/** RFC 8926. */
function readGeneve(scope: Scope, at: number): TunnelHeader | undefined {
  if (!has(scope, at, 8)) return undefined;
  const first = uint8(scope, at);
  if (first >> 6 !== 0 || (uint8(scope, at + 1) & 0x80) !== 0) return undefined;
  const type = uint16(scope, at + 2);
  if (![0x6558, 0x0800, 0x86dd, 0x8847, 0x8848].includes(type)) return undefined;
  const behind = at + 8 + (first & 0x3f) * 4;
  const id = uint32(scope, at + 4) >>> 8;
  return { kind: ENCAPSULATION.geneve, id, at: behind, inside: type === 0x6558 ? "ethernet" : type };
}

/** 3GPP TS 29.281: a message of type 255 carries a user's packet. */
function readGtp(scope: Scope, at: number): TunnelHeader | undefined {
  if (!has(scope, at, 8)) return undefined;
  const flags = uint8(scope, at);
  if ((flags & 0xf0) !== 0x30 || uint8(scope, at + 1) !== 0xff) return undefined;
  const header = { kind: ENCAPSULATION.gtp, id: uint32(scope, at + 4), inside: "ip" } as const;
  if ((flags & 0x07) === 0) return { ...header, at: at + 8 };
  if (!has(scope, at, 12)) return undefined;
  let next = (flags & 0x04) === 0 ? 0 : uint8(scope, at + 11);
  let behind = at + 12;
  for (let extensions = 0; next !== 0; extensions++) {
    if (extensions === EXTENSIONS_OF_GTP_MOST || !has(scope, behind, 1)) return undefined;
    const length = uint8(scope, behind) * 4;
    if (length === 0 || !has(scope, behind, length)) return undefined;
    next = uint8(scope, behind + length - 1);
    behind += length;
  }
  return { ...header, at: behind };
}

/** RFC 4380: authentication and origin indication may stand before the packet. */
function readTeredo(scope: Scope, at: number): TunnelHeader | undefined {
  let behind = at;
  if (has(scope, behind, 4) && uint16(scope, behind) === 0x0001) {
    behind += 4 + uint8(scope, behind + 2) + uint8(scope, behind + 3) + 9;
  }
  if (has(scope, behind, 2) && uint16(scope, behind) === 0x0000) behind += 8;
  return { kind: ENCAPSULATION.teredo, at: behind, inside: "ipv6" };
}

/** Linux's foo-over-UDP: an IP packet, or a GRE header. */
function readFou(scope: Scope, at: number): TunnelHeader | undefined {
  if (!has(scope, at, 1)) return undefined;
  const nibble = uint8(scope, at) >> 4;
  if (nibble === 4 || nibble === 6) return { kind: ENCAPSULATION.fou, at, inside: "ip" };
  return readGre(scope, at, ENCAPSULATION.fou);
}

const WIREGUARD_LEAST_BYTES: Readonly<Record<number, number>> = { 1: 148, 2: 92, 3: 64, 4: 32 };

function readWireguard(scope: Scope, at: number): Carried {
  if (!has(scope, at, 12)) return { kind: "nothing" };
  const type = uint8(scope, at);
  const least = WIREGUARD_LEAST_BYTES[type];
  const isMessage = least !== undefined && scope.end - at >= least && uint32(scope, at) === type * 0x1000000;
  if (!isMessage) return { kind: "nothing" };
  const first = uint32LittleEndian(scope, at + 4);
  if (type === 1) return { kind: "wireguard", indices: { source: first } };
  if (type !== 2) return { kind: "wireguard", indices: { destination: first } };
  return { kind: "wireguard", indices: { source: first, destination: uint32LittleEndian(scope, at + 8) } };
}

/** RFC 3948: a keepalive is one byte, IKE begins with four zero bytes. */
function readEspInUdp(scope: Scope, at: number): Carried {
  if (scope.end - at < 8 || !has(scope, at, 4)) return { kind: "nothing" };
  const spi = uint32(scope, at);
  return spi === 0 ? { kind: "nothing" } : { kind: "esp", spi };
}
