// IPv4 (RFC 791) and IPv6 (RFC 8200) with extension headers, authentication headers and fragments.

import type { IpStart } from "./reference-link.ts";
import {
  copy,
  has,
  LAST_HEADER_OFFSET,
  type Refused,
  refuse,
  type Scope,
  uint8,
  uint16,
  uint32,
} from "./reference-scope.ts";

export interface Datagram {
  readonly version: 4 | 6;
  /** Of the IP header. */
  readonly offset: number;
  /** Layer-3 bytes on the wire, without the kernel's own jumbo header. */
  readonly bytes: number;
  /** The kernel's own jumbo header in front of the transport, which is not on the wire. */
  readonly jumboBytes: number;
  /** Bounds of the packet itself. */
  readonly scope: Scope;
  /** 16 bytes; IPv4 as ::ffff:a.b.c.d. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** Of the transport, behind every header that is walked. */
  readonly protocol: number;
  /** As the IPv4 header names it; 0 for IPv6. */
  readonly headerProtocol: number;
  readonly transportOffset: number;
  readonly fragment: "whole" | "first" | "later";
  readonly identification: number;
  readonly trafficClass: number;
  readonly ttl: number;
  readonly flowLabel: number;
  /** Of an authentication header, 0 none. */
  readonly ahSpi: number;
}

const EXTENSIONS_MOST = 8;
const JUMBO_HEADER_BYTES = 8;
const NO_NEXT_HEADER = 59;
const AUTHENTICATION = 51;
const FRAGMENT = 44;
/** Hop-by-hop, routing, fragment, authentication, destination options, mobility, HIP, shim6. */
const EXTENSIONS: ReadonlySet<number> = new Set([0, 43, FRAGMENT, AUTHENTICATION, 60, 135, 139, 140]);
/** What is a conversation of its own where nothing follows. */
const SELF_CONTAINED: ReadonlySet<number> = new Set([135, 139, 140]);

/**
 * The IP packet at `start`.
 * @param mayLackLength a length of 0 means "up to the end": packets made by offloading
 */
export function readDatagram(start: IpStart, mayLackLength: boolean): Datagram | Refused {
  return start.version === 4 ? readIpv4(start, mayLackLength) : readIpv6(start, mayLackLength);
}

function readIpv4({ scope, offset }: IpStart, mayLackLength: boolean): Datagram | Refused {
  if (!has(scope, offset, 20)) return refuse("malformed_ipv4");
  const headerBytes = (uint8(scope, offset) & 0x0f) * 4;
  const stated = uint16(scope, offset + 2);
  const bytes = stated === 0 && mayLackLength ? scope.end - offset : stated;
  if (uint8(scope, offset) >> 4 !== 4 || headerBytes < 20 || headerBytes > bytes)
    return refuse("malformed_ipv4");
  if (offset + bytes > scope.end) return refuse("malformed_ipv4");
  const fragmentWord = uint16(scope, offset + 6);
  const isLater = (fragmentWord & 0x1fff) !== 0;
  const protocol = uint8(scope, offset + 9);
  const datagram: Datagram = {
    version: 4,
    offset,
    bytes,
    jumboBytes: 0,
    scope: bounded(scope, offset + bytes),
    source: mapped(copy(scope, offset + 12, 4)),
    destination: mapped(copy(scope, offset + 16, 4)),
    protocol,
    headerProtocol: protocol,
    transportOffset: offset + headerBytes,
    fragment: isLater ? "later" : (fragmentWord & 0x2000) !== 0 ? "first" : "whole",
    identification: uint16(scope, offset + 4),
    trafficClass: uint8(scope, offset + 1),
    ttl: uint8(scope, offset + 8),
    flowLabel: 0,
    ahSpi: 0,
  };
  return protocol === AUTHENTICATION && !isLater ? behindAuthentication(datagram) : datagram;
}

/** RFC 4302 in IPv4: one header is looked behind. */
function behindAuthentication(datagram: Datagram): Datagram | Refused {
  const { scope, transportOffset: at } = datagram;
  const room = extensionRoom(scope, at);
  if (room !== undefined) return refuse(room, datagram.bytes);
  const next = uint8(scope, at);
  const length = extensionLength(scope, at, AUTHENTICATION);
  if (at + length > scope.end) return refuse("malformed_extension", datagram.bytes);
  const ahSpi = uint32(scope, at + 4);
  const protocol = next === NO_NEXT_HEADER ? AUTHENTICATION : next;
  return { ...datagram, protocol, transportOffset: at + length, ahSpi };
}

function readIpv6({ scope, offset }: IpStart, mayLackLength: boolean): Datagram | Refused {
  if (!has(scope, offset, 40)) return refuse("malformed_ipv6");
  const first = uint32(scope, offset);
  const stated = uint16(scope, offset + 4);
  const next = uint8(scope, offset + 6);
  const isToTheEnd = stated === 0 && mayLackLength && next !== NO_NEXT_HEADER;
  const end = isToTheEnd ? scope.end : offset + 40 + stated;
  if (first >>> 28 !== 6 || end > scope.end) return refuse("malformed_ipv6");
  const hasJumbo = isToTheEnd && next === 0 && end > offset + 40 + JUMBO_HEADER_BYTES;
  const jumboBytes = hasJumbo ? JUMBO_HEADER_BYTES : 0;
  const datagram: Datagram = {
    version: 6,
    offset,
    bytes: end - offset - jumboBytes,
    jumboBytes,
    scope: bounded(scope, end),
    source: copy(scope, offset + 8, 16),
    destination: copy(scope, offset + 24, 16),
    protocol: next,
    headerProtocol: 0,
    transportOffset: offset + 40,
    fragment: "whole",
    identification: 0,
    trafficClass: (first >>> 20) & 0xff,
    ttl: uint8(scope, offset + 7),
    flowLabel: first & 0xfffff,
    ahSpi: 0,
  };
  return behindExtensions(datagram);
}

function behindExtensions(start: Datagram): Datagram | Refused {
  let datagram = start;
  for (let walked = 0; EXTENSIONS.has(datagram.protocol); walked++) {
    const { scope, transportOffset: at, protocol: kind, bytes } = datagram;
    if (walked === EXTENSIONS_MOST) return refuse("parse_depth", bytes);
    const room = extensionRoom(scope, at);
    if (room !== undefined) return refuse(room, bytes);
    const next = uint8(scope, at);
    const length = extensionLength(scope, at, kind);
    if (at + length > scope.end) return refuse("malformed_extension", bytes);
    datagram = { ...datagram, protocol: next, transportOffset: at + length };
    if (kind === AUTHENTICATION) datagram = { ...datagram, ahSpi: uint32(scope, at + 4) };
    if (kind === FRAGMENT) datagram = { ...datagram, ...readFragmentHeader(scope, at) };
    if (datagram.fragment === "later") return datagram;
    if (next === NO_NEXT_HEADER && SELF_CONTAINED.has(kind)) return { ...datagram, protocol: kind };
  }
  return datagram;
}

/** A header without offset and without more to come (RFC 6946) makes no fragment; of several the last one counts. */
function readFragmentHeader(scope: Scope, at: number): Partial<Datagram> {
  const word = uint16(scope, at + 2);
  if ((word & 0xfff9) === 0) return { fragment: "whole" };
  return { fragment: (word & 0xfff8) !== 0 ? "later" : "first", identification: uint32(scope, at + 4) };
}

/** Why the first 8 bytes of an extension header are not to be had; undefined where they are. */
function extensionRoom(scope: Scope, at: number): "malformed_extension" | "parse_depth" | undefined {
  if (at > LAST_HEADER_OFFSET) return "parse_depth";
  return has(scope, at, 8) ? undefined : "malformed_extension";
}

function extensionLength(scope: Scope, at: number, kind: number): number {
  if (kind === FRAGMENT) return 8;
  const octet = uint8(scope, at + 1);
  return kind === AUTHENTICATION ? (octet + 2) * 4 : (octet + 1) * 8;
}

function bounded(scope: Scope, end: number): Scope {
  return { ...scope, end };
}

function mapped(address: Uint8Array): Uint8Array {
  return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...address);
}
