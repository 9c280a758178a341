// One IP packet of a frame, out of tshark's headers: from the link header in front of it to its transport header.

import { isRefused, type Link, type Place, type Refusal, readLink } from "./link-headers.ts";
import { type Frame, type Layer, numberOf, textOf } from "./pdml.ts";

/** An IP packet with what stands in front of it. */
export interface Datagram {
  readonly version: 4 | 6;
  readonly source: string;
  readonly destination: string;
  /** Behind extension headers. */
  readonly protocol: number;
  /** In the IPv4 header; 0 for IPv6. */
  readonly namedProtocol: number;
  /** Offset of its IP header, layer-3 bytes, and the bytes there are, up to the end of what carries it. */
  readonly start: number;
  readonly bytes: number;
  /** Undefined where it is whole. */
  readonly fragment: { readonly identification: number; readonly isFirst: boolean } | undefined;
  readonly transport: Transport;
  /** Tags in front of it, outermost first; 0 is none. */
  readonly vlanIds: readonly number[];
  /** Source of its own Ethernet header. */
  readonly mac: string | undefined;
  /** Index of the first header behind its transport header. */
  readonly next: number;
}

/** What a transport header says of a flow. */
export interface Transport {
  readonly protocol: number;
  /** Undefined where the protocol has none, or they are not known. */
  readonly ports: readonly [number, number] | undefined;
  readonly tcpFlags: number;
  /** The capture ends within a UDP header, behind its ports. */
  readonly isCut: boolean;
  readonly icmp:
    | { readonly type: number; readonly code: number; readonly identifier: string | undefined }
    | undefined;
}

const MOST_EXTENSIONS = 8;
/** Extension headers: tshark's protocol and its field of the next header. */
const EXTENSIONS: Readonly<Record<number, readonly [name: string, next: string]>> = {
  0: ["ipv6.hopopts", "ipv6.hopopts.nxt"],
  43: ["ipv6.routing", "ipv6.routing.nxt"],
  44: ["ipv6.fraghdr", "ipv6.fraghdr.nxt"],
  51: ["ah", "ah.next_header"],
  60: ["ipv6.dstopts", "ipv6.dstopts.nxt"],
  135: ["mipv6", "mip6.proto"],
  139: ["hip", "hip.proto"],
  140: ["ipv6.shim6", "ipv6.shim6.nxt"],
};
const FRAGMENT_HEADER = 44;
const AUTHENTICATION = 51;
const NO_NEXT_HEADER = 59;
/** With nothing behind them they are the conversation themselves. */
const CONVERSATIONS: ReadonlySet<number> = new Set([AUTHENTICATION, 135, 139, 140]);

const TCP = 6;
const TCP_BYTES = 20;
const ICMP: ReadonlySet<number> = new Set([1, 58]);
/** tshark's protocol, the prefix of its fields, the counter where the header is cut. */
const PORTS: Readonly<Record<number, readonly [name: string, prefix: string, counter: string]>> = {
  6: ["tcp", "tcp", "malformed_tcp"],
  17: ["udp", "udp", "malformed_udp"],
  33: ["dccp", "dccp", "malformed_sctp"],
  132: ["sctp", "sctp", "malformed_sctp"],
  136: ["udplite", "udp", "malformed_udp"],
};

/** Reads the datagram at a place. */
export function readDatagram(frame: Frame, place: Place): Datagram | Refusal {
  const link = readLink(frame.layers, place);
  if (isRefused(link)) return link;
  const layer = frame.layers[link.at];
  return layer?.name === "ip" ? readIpv4(frame, layer, link) : readIpv6(frame, layer, link);
}

/** What both versions of IP are read into, before the transport. */
interface Head {
  readonly version: 4 | 6;
  readonly layer: Layer;
  readonly bytes: number;
  readonly protocol: number;
  readonly namedProtocol: number;
  readonly fragment: Datagram["fragment"];
  /** Index of the transport header. */
  readonly at: number;
  readonly link: Link;
}

function readIpv4(frame: Frame, layer: Layer, link: Link): Datagram | Refusal {
  const available = link.end - layer.start;
  const headerBytes = numberOf(layer, "ip.hdr_len");
  const bytes = numberOf(layer, "ip.len") || available;
  const isWhole = layer.fields.has("ip.dst") && numberOf(layer, "ip.version") === 4;
  if (!isWhole || headerBytes < 20 || bytes < headerBytes || bytes > available) {
    return { counter: "malformed_ipv4" };
  }
  const namedProtocol = numberOf(layer, "ip.proto");
  const offset = numberOf(layer, "ip.frag_offset");
  const isFragment = offset !== 0 || numberOf(layer, "ip.flags.mf") !== 0;
  const head: Head = {
    version: 4,
    layer,
    bytes,
    protocol: namedProtocol,
    namedProtocol,
    fragment: isFragment ? { identification: numberOf(layer, "ip.id"), isFirst: offset === 0 } : undefined,
    at: link.at + 1,
    link,
  };
  if (namedProtocol !== AUTHENTICATION || offset !== 0) return readTransport(frame, head);
  const protocol = protocolBehind(frame.layers[head.at], AUTHENTICATION);
  if (protocol === undefined) return { counter: "malformed_extension" };
  return readTransport(frame, { ...head, protocol, at: head.at + 1 });
}

function readIpv6(frame: Frame, layer: Layer | undefined, link: Link): Datagram | Refusal {
  if (layer === undefined || !layer.fields.has("ipv6.dst")) return { counter: "malformed_ipv6" };
  const available = link.end - layer.start;
  const next = numberOf(layer, "ipv6.nxt");
  const payload = numberOf(layer, "ipv6.plen");
  const bytes = payload === 0 && next !== NO_NEXT_HEADER ? available : 40 + payload;
  if (bytes > available) return { counter: "malformed_ipv6" };
  const walked = walkExtensions(frame.layers, link.at + 1, next);
  if (isRefused(walked)) return walked;
  return readTransport(frame, { version: 6, layer, bytes, namedProtocol: 0, link, ...walked });
}

/** Follows the chain of next headers up to the transport, or to the header of a later fragment. */
function walkExtensions(
  layers: readonly Layer[],
  first: number,
  protocol: number,
): Pick<Head, "at" | "protocol" | "fragment"> | Refusal {
  let fragment: Datagram["fragment"];
  let next = protocol;
  let at = first;
  for (let count = 0; ; count++, at++) {
    if (!(next in EXTENSIONS)) return { at, protocol: next, fragment };
    if (count === MOST_EXTENSIONS) return { counter: "parse_depth" };
    const layer = layers[at];
    const behind = protocolBehind(layer, next);
    if (layer === undefined || behind === undefined) return { counter: "malformed_extension" };
    if (next === FRAGMENT_HEADER) fragment = readFragmentHeader(layer) ?? fragment;
    const isLast = behind === next || fragment?.isFirst === false;
    next = behind;
    if (isLast) return { at: at + 1, protocol: next, fragment };
  }
}

/** The next header of an extension; the extension's own number where it is the conversation; undefined where it is cut. */
function protocolBehind(layer: Layer | undefined, extension: number): number | undefined {
  const [name = "", field = ""] = EXTENSIONS[extension] ?? [];
  if (layer?.name !== name || !layer.fields.has(field)) return undefined;
  const next = numberOf(layer, field);
  return next === NO_NEXT_HEADER && CONVERSATIONS.has(extension) ? extension : next;
}

function readFragmentHeader(layer: Layer): Datagram["fragment"] {
  const offset = numberOf(layer, "ipv6.fraghdr.offset");
  if (offset === 0 && numberOf(layer, "ipv6.fraghdr.more") === 0) return undefined;
  return { identification: numberOf(layer, "ipv6.fraghdr.ident"), isFirst: offset === 0 };
}

function readTransport(frame: Frame, head: Head): Datagram | Refusal {
  const { version, layer, bytes, protocol, namedProtocol, fragment, link } = head;
  const transport = transportOf(frame, head);
  if (isRefused(transport)) return transport;
  const ends = version === 4 ? (["ip.src", "ip.dst"] as const) : (["ipv6.src", "ipv6.dst"] as const);
  const isSeparate = transport.ports !== undefined || transport.icmp !== undefined;
  return {
    version,
    source: textOf(layer, ends[0]),
    destination: textOf(layer, ends[1]),
    protocol,
    namedProtocol,
    start: layer.start,
    bytes,
    fragment,
    transport,
    vlanIds: link.vlanIds,
    mac: link.mac,
    next: head.at + (isSeparate ? 1 : 0),
  };
}

function transportOf(frame: Frame, head: Head): Transport | Refusal {
  const { protocol, fragment, layer: carrier } = head;
  const none = { protocol, ports: undefined, tcpFlags: 0, isCut: false, icmp: undefined };
  if (fragment?.isFirst === false) return none;
  const layer = frame.layers[head.at];
  if (ICMP.has(protocol)) return icmpOf(layer, protocol) ?? { counter: "malformed_icmp" };
  const known = PORTS[protocol];
  if (known === undefined) return none;
  const [name, prefix, counter] = known;
  if (layer?.name !== name || !layer.fields.has(`${prefix}.dstport`)) return { counter };
  const ports = [numberOf(layer, `${prefix}.srcport`), numberOf(layer, `${prefix}.dstport`)] as const;
  if (protocol !== TCP) return { ...none, ports, isCut: name === "udp" && !layer.fields.has("udp.checksum") };
  const isPartial =
    fragment !== undefined ||
    (frame.capturedBytes < layer.start + TCP_BYTES && carrier.start + head.bytes > frame.capturedBytes);
  if (!layer.fields.has("tcp.flags") && !isPartial) return { counter };
  return { ...none, ports, tcpFlags: numberOf(layer, "tcp.flags") & 0xff };
}

function icmpOf(layer: Layer | undefined, protocol: number): Transport | undefined {
  const prefix = protocol === 1 ? "icmp" : "icmpv6";
  if (layer?.name !== prefix || !layer.fields.has(`${prefix}.code`)) return undefined;
  const identifier = textOf(layer, protocol === 1 ? "icmp.ident" : "icmpv6.echo.identifier");
  return {
    protocol,
    ports: undefined,
    tcpFlags: 0,
    isCut: false,
    icmp: {
      type: numberOf(layer, `${prefix}.type`),
      code: numberOf(layer, `${prefix}.code`),
      identifier: identifier === "" ? undefined : identifier,
    },
  };
}
