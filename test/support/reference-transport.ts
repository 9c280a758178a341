// Transport headers: ports, TCP flags, ICMP messages, ESP's index.

import type { Datagram } from "./reference-network.ts";
import {
  has,
  LAST_HEADER_OFFSET,
  type Refusal,
  type Refused,
  readableEnd,
  refuse,
  type Scope,
  uint8,
  uint16,
  uint32,
} from "./reference-scope.ts";

export interface Transport {
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly tcpFlags: number;
  /** `oneWay`: ports are the type and code of a message that nothing answers. */
  readonly icmp: "none" | "paired" | "echo" | "oneWay";
  readonly icmpType: number;
  readonly icmpCode: number;
  /** Of ESP, 0 none. */
  readonly espSpi: number;
  /** Where what it carries begins. */
  readonly payloadOffset: number;
}

const TCP = 6;
const UDP = 17;
const ESP = 50;

/** By protocol: bytes of the header, bytes of it that a key needs, and the reason of refusal. */
const HEADERS: ReadonlyMap<number, readonly [header: number, forKey: number, refusal: Refusal]> = new Map([
  [TCP, [20, 4, "malformed_tcp"]],
  [UDP, [8, 4, "malformed_udp"]],
  [136, [8, 4, "malformed_udp"]],
  [132, [12, 4, "malformed_sctp"]],
  [33, [12, 4, "malformed_sctp"]],
  [1, [8, 8, "malformed_icmp"]],
  [58, [8, 8, "malformed_icmp"]],
]);

/** Type of a message and of the one that answers it (Community ID v1). */
const ICMP_PAIRS: ReadonlyMap<number, ReadonlyMap<number, number>> = new Map([
  [1, bothWays([10, 9], [13, 14], [15, 16], [17, 18])],
  [58, bothWays([130, 131], [133, 134], [135, 136], [139, 140], [144, 145])],
]);
const ICMP_ECHO: ReadonlyMap<number, readonly number[]> = new Map([
  [1, [8, 0]],
  [58, [128, 129]],
]);

function bothWays(...pairs: readonly (readonly [number, number])[]): ReadonlyMap<number, number> {
  return new Map(pairs.flatMap(([left, right]) => [[left, right] as const, [right, left] as const]));
}

/** The transport of a datagram that is no later fragment. */
export function readTransport(datagram: Datagram): Transport | Refused {
  const { protocol, scope, transportOffset: at, bytes } = datagram;
  const header = HEADERS.get(protocol);
  if (header === undefined) return withoutPorts(datagram);
  const [headerBytes, forKey, refusal] = header;
  if (at > LAST_HEADER_OFFSET) return refuse("parse_depth", bytes);
  const readable = readableEnd(scope) - at;
  const mayEndInside = protocol === TCP && datagram.fragment === "first";
  if (readable < forKey) return refuse(refusal, bytes);
  if (scope.end - at < headerBytes && !mayEndInside) return refuse(refusal, bytes);
  if (protocol === TCP) return readTcp(datagram, readable);
  if (forKey === 8) return readIcmp(scope, at, protocol);
  return { ...withPorts(scope, at, protocol), payloadOffset: at + headerBytes };
}

function readTcp(datagram: Datagram, readable: number): Transport | Refused {
  const { scope, transportOffset: at, bytes } = datagram;
  const portsOnly = { ...withPorts(scope, at, TCP), payloadOffset: at + 4 };
  // A header that ends behind its carrier is none; one that a capture cut, or its own fragment, has its ports.
  const isBehindCarrier = at + 20 > scope.carried && scope.end > scope.carried;
  if (isBehindCarrier && at + 20 <= scope.readable) return { ...portsOnly, payloadOffset: at + 20 };
  if (readable < 20) return portsOnly;
  const headerBytes = (uint8(scope, at + 12) >> 4) * 4;
  if (headerBytes < 20) return refuse("malformed_tcp", bytes);
  if (at + headerBytes > scope.end && datagram.fragment !== "first") return refuse("malformed_tcp", bytes);
  return { ...portsOnly, tcpFlags: uint8(scope, at + 13), payloadOffset: at + headerBytes };
}

function readIcmp(scope: Scope, at: number, protocol: number): Transport {
  const type = uint8(scope, at);
  const code = uint8(scope, at + 1);
  const message = { ...none(protocol, at + 8), icmpType: type, icmpCode: code };
  if (ICMP_ECHO.get(protocol)?.includes(type)) {
    const identifier = uint16(scope, at + 4);
    return { ...message, icmp: "echo", sourcePort: identifier, destinationPort: identifier };
  }
  const answer = ICMP_PAIRS.get(protocol)?.get(type);
  if (answer !== undefined) return { ...message, icmp: "paired", sourcePort: type, destinationPort: answer };
  return { ...message, icmp: "oneWay", sourcePort: type, destinationPort: code };
}

function withoutPorts({ protocol, scope, transportOffset: at }: Datagram): Transport {
  const hasSpi = protocol === ESP && scope.end - at >= 8 && has(scope, at, 4);
  return { ...none(protocol, at), espSpi: hasSpi ? uint32(scope, at) : 0 };
}

function withPorts(scope: Scope, at: number, protocol: number): Transport {
  return { ...none(protocol, at), sourcePort: uint16(scope, at), destinationPort: uint16(scope, at + 2) };
}

/** A transport of which nothing is known but its number: a later fragment's too. */
export function none(protocol: number, payloadOffset: number): Transport {
  return {
    protocol,
    sourcePort: 0,
    destinationPort: 0,
    tcpFlags: 0,
    icmp: "none",
    icmpType: 0,
    icmpCode: 0,
    espSpi: 0,
    payloadOffset,
  };
}
