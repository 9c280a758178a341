// What stands between a frame's first byte and its IP header: Ethernet II, VLAN tags, MPLS labels, PPPoE.

import { copy, has, type Refused, refuse, type Scope, uint8, uint16, uint32 } from "./reference-scope.ts";

/** Where an IP packet begins. */
export interface IpStart {
  readonly version: 4 | 6;
  readonly offset: number;
  /** Its lengths may go up to the end of this. */
  readonly scope: Scope;
  /** Outermost tag that is not zero, else 0. */
  readonly vlan: number;
  /** Source of the Ethernet header in front, where there is one. */
  readonly mac?: Uint8Array;
}

const TAGS_MOST = 2;
const LABELS_MOST = 4;
const BOTTOM_OF_STACK = 0x100;

const ETHERTYPE = {
  ipv4: 0x0800,
  ipv6: 0x86dd,
  tag: 0x8100,
  serviceTag: 0x88a8,
  mpls: 0x8847,
  mplsUpstream: 0x8848,
  pppoeSession: 0x8864,
} as const;

/** An Ethernet II frame at `offset`. */
export function readEthernet(scope: Scope, offset: number): IpStart | Refused {
  if (!has(scope, offset, 14)) return refuse("malformed_link");
  const mac = copy(scope, offset + 6, 6);
  let type = uint16(scope, offset + 12);
  let at = offset + 14;
  let vlan = 0;
  for (let tags = 0; type === ETHERTYPE.tag || type === ETHERTYPE.serviceTag; tags++) {
    if (tags === TAGS_MOST) return refuse("parse_depth");
    if (!has(scope, at, 4)) return refuse("malformed_link");
    if (vlan === 0) vlan = uint16(scope, at) & 0x0fff;
    type = uint16(scope, at + 2);
    at += 4;
  }
  const start = readByEthertype(scope, at, type);
  return "refusal" in start ? start : { ...start, vlan, mac };
}

/** What an ethertype says stands at `offset`: IPv4, IPv6, MPLS or PPPoE. */
export function readByEthertype(scope: Scope, offset: number, type: number): IpStart | Refused {
  if (type === ETHERTYPE.ipv4) return { version: 4, offset, scope, vlan: 0 };
  if (type === ETHERTYPE.ipv6) return { version: 6, offset, scope, vlan: 0 };
  if (type === ETHERTYPE.mpls || type === ETHERTYPE.mplsUpstream) return readMpls(scope, offset);
  if (type === ETHERTYPE.pppoeSession) return readPppoe(scope, offset);
  return refuse("not_ip");
}

/** RFC 3032. */
export function readMpls(scope: Scope, offset: number): IpStart | Refused {
  for (let label = 0; label < LABELS_MOST; label++) {
    const at = offset + 4 * label;
    if (!has(scope, at, 4)) return refuse("malformed_link");
    if ((uint32(scope, at) & BOTTOM_OF_STACK) !== 0) return readByNibble(scope, at + 4);
  }
  return refuse("parse_depth");
}

/** IPv4 or IPv6 by the version that its first byte states. */
export function readByNibble(scope: Scope, offset: number): IpStart | Refused {
  if (!has(scope, offset, 1)) return refuse("malformed_link");
  const version = uint8(scope, offset) >> 4;
  if (version !== 4 && version !== 6) return refuse("unsupported_link");
  return { version, offset, scope, vlan: 0 };
}

/** RFC 2516: version and type, code, session, length; then PPP's protocol. */
function readPppoe(scope: Scope, offset: number): IpStart | Refused {
  if (!has(scope, offset, 8)) return refuse("malformed_link");
  if (uint8(scope, offset) !== 0x11 || uint8(scope, offset + 1) !== 0) return refuse("malformed_link");
  const end = offset + 6 + uint16(scope, offset + 4);
  if (end > scope.end || end < offset + 8) return refuse("malformed_link");
  const inside = { ...scope, end };
  const protocol = uint16(scope, offset + 6);
  if (protocol === 0x0021) return { version: 4, offset: offset + 8, scope: inside, vlan: 0 };
  if (protocol === 0x0057) return { version: 6, offset: offset + 8, scope: inside, vlan: 0 };
  return refuse("not_ip");
}
