// Who began a flow, and which end is on this node: spans.md, "Who is source, who is destination".
// Comes in: a key, what was seen of it, and what the node knows. Goes out: an orientation, a span kind.

import { ICMP_PAIRING } from "../capture/record.ts";
import { SPAN_KIND } from "./flow.ts";

/** What the node knows. Addresses are 16 bytes in network order at a word index, IPv4 mapped. */
export interface DirectionContext {
  /**
   * True where a socket listens on this protocol and port at that address, in the network namespace of that end: the
   * one behind the interface `behind`, or, where that is 0 as not known, the one that has the address.
   */
  readonly isListening: (
    protocol: number,
    port: number,
    words: Uint32Array,
    addressAt: number,
    behind: number,
  ) => boolean;
  /** True where the address is the host's, or one behind a watched interface. */
  readonly isLocalAddress: (words: Uint32Array, addressAt: number) => boolean;
  readonly roleOf: (ifindex: number) => "workload" | "outward";
  /** net.ipv4.ip_local_port_range, both inclusive. */
  readonly localPortRange: readonly [low: number, high: number];
  /** Rises when sockets or addresses changed: flows that are not told yet are asked about again. */
  readonly revision: number;
}

/** What is known of a flow when its orientation is asked for; reused, so mutable. */
export interface Sighting {
  /** VALUE_BYTE.initiator: 0 unknown, 1 low, 2 high. */
  initiator: number;
  firstWay: number;
  /** Ways that have packets: bit 0 low → high, bit 1 high → low. */
  seenWays: number;
  /** As SHARED.icmp; valid for the ways seen. */
  icmp: number;
  /** Hooks that own the packets of the low (high) end; 0: not known. */
  lowHook: number;
  highHook: number;
}

/** Hooks that own each way (0: no packet that way), relative to the orientation; reused, so mutable. */
export interface Path {
  forwardHook: number;
  reverseHook: number;
  hasForwardEntered: boolean;
  hasReverseEntered: boolean;
}

/** Ranks of the rules, strongest first. */
export const RULE = {
  handshake: 1,
  /** conntrack's original tuple; after the handshake, as conntrack may have met a connection in the middle. */
  translation: 2,
  listener: 3,
  icmpRequest: 4,
  ports: 5,
  firstPacket: 6,
} as const;

const ICMP = 1;
const TCP = 6;
const UDP = 17;
const ICMPV6 = 58;
const WELL_KNOWN_PORTS = 1024;
/** Protocols whose header begins with two ports: TCP, UDP, DCCP, SCTP, UDP-Lite. */
const PORT_PROTOCOLS: ReadonlySet<number> = new Set([TCP, UDP, 33, 132, 136]);
const ICMP_REQUESTS: ReadonlySet<number> = new Set([8, 10, 13, 15, 17, 42]);
const ICMPV6_REQUESTS: ReadonlySet<number> = new Set([128, 130, 133, 135, 139, 144, 146, 148, 160]);

/** Port of the low end in host order, from the key at `at`. */
export function lowPort(keys: Uint32Array, at: number): number {
  const word = keys[at + 8] as number;
  return ((word & 0xff) << 8) | ((word >>> 8) & 0xff);
}

/** Port of the high end in host order, from the key at `at`. */
export function highPort(keys: Uint32Array, at: number): number {
  const word = keys[at + 8] as number;
  return ((word >>> 8) & 0xff00) | (word >>> 24);
}

/**
 * Orients a flow by the first rule that answers.
 * @returns rule << 1 | way that leads from source to destination
 */
export function orient(keys: Uint32Array, at: number, sighting: Sighting, context: DirectionContext): number {
  const protocol = (keys[at + 9] as number) & 0xff;
  if (protocol === TCP && sighting.initiator !== 0) return (RULE.handshake << 1) | (sighting.initiator - 1);
  if (protocol === ICMP || protocol === ICMPV6) return orientIcmp(keys, at, protocol, sighting);
  if (PORT_PROTOCOLS.has(protocol)) {
    const orientation = orientByPorts(keys, at, protocol, sighting, context);
    if (orientation !== 0) return orientation;
  }
  return (RULE.firstPacket << 1) | sighting.firstWay;
}

function orientByPorts(
  keys: Uint32Array,
  at: number,
  protocol: number,
  sighting: Sighting,
  context: DirectionContext,
): number {
  const low = lowPort(keys, at);
  const high = highPort(keys, at);
  if (protocol === TCP || protocol === UDP) {
    const lowListens = isServer(keys, at, 0, sighting, context);
    const highListens = isServer(keys, at, 1, sighting, context);
    if (lowListens !== highListens) return (RULE.listener << 1) | (highListens ? 0 : 1);
  }
  const ephemeral = context.localPortRange[0];
  const isLowFixed = low < ephemeral;
  if (isLowFixed !== high < ephemeral) return (RULE.ports << 1) | (isLowFixed ? 1 : 0);
  const isLowKnown = low < WELL_KNOWN_PORTS;
  if (isLowKnown !== high < WELL_KNOWN_PORTS) return (RULE.ports << 1) | (isLowKnown ? 1 : 0);
  return 0;
}

/**
 * Whether the low (0) or high (1) end of a TCP or UDP flow listens. A resolver that binds a port of its own choice has a
 * socket like a server's: it is none where the port at the other end is well known, and that end none of this node's.
 */
function isServer(
  keys: Uint32Array,
  at: number,
  end: number,
  { lowHook, highHook }: Sighting,
  context: DirectionContext,
): boolean {
  const protocol = (keys[at + 9] as number) & 0xff;
  const isLow = end === 0;
  const port = isLow ? lowPort(keys, at) : highPort(keys, at);
  const otherPort = isLow ? highPort(keys, at) : lowPort(keys, at);
  const behind = interfaceBefore(isLow ? lowHook : highHook, isLow ? highHook : lowHook, context);
  if (!context.isListening(protocol, port, keys, at + end * 4, behind)) return false;
  if (protocol === TCP || port < WELL_KNOWN_PORTS || otherPort >= WELL_KNOWN_PORTS) return true;
  return context.isLocalAddress(keys, at + 4 - end * 4);
}

/** The workload's interface that an end is behind, by what it sent, else by what was sent to it; 0 not known. */
function interfaceBefore(sentHook: number, receivedHook: number, context: DirectionContext): number {
  const sent = sentHook >>> 1;
  if (sent !== 0 && (sentHook & 1) === 0 && context.roleOf(sent) === "workload") return sent;
  const received = receivedHook >>> 1;
  return (receivedHook & 1) === 1 && context.roleOf(received) === "workload" ? received : 0;
}

function orientIcmp(keys: Uint32Array, at: number, protocol: number, sighting: Sighting): number {
  const first = sighting.firstWay;
  if (hasSentRequest(keys, at, protocol, first, sighting)) return (RULE.icmpRequest << 1) | first;
  if (hasSentRequest(keys, at, protocol, 1 - first, sighting)) return (RULE.icmpRequest << 1) | (1 - first);
  return (RULE.firstPacket << 1) | first;
}

function hasSentRequest(
  keys: Uint32Array,
  at: number,
  protocol: number,
  way: number,
  sighting: Sighting,
): boolean {
  if ((sighting.seenWays & (1 << way)) === 0) return false;
  const requests = protocol === ICMP ? ICMP_REQUESTS : ICMPV6_REQUESTS;
  return requests.has(sentIcmpType(keys, at, way, sighting.icmp));
}

/** Message type sent in one way: in the key's ports, but for echo, where they hold the identifier. */
function sentIcmpType(keys: Uint32Array, at: number, way: number, icmp: number): number {
  if (((keys[at + 11] as number) & 0xff) === ICMP_PAIRING.echo) return (icmp >>> (way * 8)) & 0xff;
  return way === 0 ? lowPort(keys, at) : highPort(keys, at);
}

/**
 * CLIENT where the initiator is on this node, SERVER where only the responder is, else INTERNAL.
 * @param orientation as {@link orient} returns it
 */
export function spanKind(
  keys: Uint32Array,
  at: number,
  orientation: number,
  path: Path,
  context: DirectionContext,
): number {
  if (orientation >>> 1 >= RULE.firstPacket) return SPAN_KIND.internal;
  const source = at + (orientation & 1) * 4;
  const destination = at + 4 - (orientation & 1) * 4;
  if (isLocal(path.forwardHook, path.hasForwardEntered, path.reverseHook, keys, source, context))
    return SPAN_KIND.client;
  if (isLocal(path.reverseHook, path.hasReverseEntered, path.forwardHook, keys, destination, context)) {
    return SPAN_KIND.server;
  }
  return SPAN_KIND.internal;
}

/** An end is judged by what it sent; an end that sent nothing by what was sent to it. */
function isLocal(
  sentHook: number,
  hasEntered: boolean,
  receivedHook: number,
  keys: Uint32Array,
  addressAt: number,
  context: DirectionContext,
): boolean {
  if (sentHook !== 0) {
    // What leaves without having entered was sent by this host itself, to a pod too.
    const isEgress = (sentHook & 1) === 1;
    return isEgress ? !hasEntered : context.roleOf(sentHook >>> 1) === "workload";
  }
  if (receivedHook === 0) return false;
  const isEgress = (receivedHook & 1) === 1;
  return isEgress
    ? context.roleOf(receivedHook >>> 1) === "workload"
    : context.isLocalAddress(keys, addressAt);
}
