// Random transports, drawn once and rendered for both directions of a conversation.

import { filler, type Segment } from "../support/packets.ts";
import { authenticated, esp, espInUdp, wireguard } from "../support/packets-ipsec.ts";
import { udpWith } from "../support/packets-udp-tunnels.ts";
import { dccp, icmp, icmpv6, opaque, type Ports, sctp, tcp, udp } from "../support/segments.ts";
import type { Random } from "./random.ts";

/** Segments of one packet of a conversation; a list, because what is around may have cut it. */
export type Side = "request" | "reply";
export type SegmentSource = (side: Side) => readonly Segment[];

const ICMP_TYPES = [0, 3, 5, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 42];
const ICMPV6_TYPES = [1, 2, 3, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 139, 140, 143, 144, 145];
const PORTLESS = [2, 46, 50, 51, 59, 89, 103, 112, 135, 139, 253, 255];

type Draw = (random: Random) => SegmentSource;

const DRAWS: readonly Draw[] = [
  (random) => {
    const fields = { flags: random.below(256), options: 4 * random.below(11) };
    return withPorts(random, (ports, length) => tcp(ports, fields, length));
  },
  (random) => withPorts(random, (ports, length) => udp(ports, length)),
  (random) => withPorts(random, (ports, length) => udp(ports, length, 136)),
  (random) => withPorts(random, (ports, length) => sctp(ports, length)),
  (random) => withPorts(random, (ports, length) => dccp(ports, length)),
  (random) => message(random, ICMP_TYPES, icmp),
  (random) => message(random, ICMPV6_TYPES, icmpv6),
  (random) => always(opaque(random.pick(PORTLESS), random.below(40))),
  (random) => always(esp(random.below(0xffffffff), random.below(40))),
  (random) =>
    always(authenticated(udp([1000, 2000], random.below(40)), random.below(0xffffffff), 4 * random.below(5))),
  drawWireguard,
  drawEspInUdp,
];

/** A random transport with what it carries, which is no packet. */
export function drawSegment(random: Random): SegmentSource {
  return random.pick(DRAWS)(random);
}

function always(segment: Segment): SegmentSource {
  return () => [segment];
}

function withPorts(random: Random, build: (ports: Ports, length: number) => Segment): SegmentSource {
  const ports = [1 + random.below(65535), 1 + random.below(65535)] as const;
  const length = random.oneIn(8) ? random.below(1200) : random.below(40);
  return (side) => [build(side === "request" ? ports : [ports[1], ports[0]], length)];
}

function message(random: Random, types: readonly number[], build: typeof icmp): SegmentSource {
  const type = random.oneIn(6) ? random.below(256) : random.pick(types);
  return always(build({ type, code: random.below(4), identifier: random.below(65536) }, random.below(40)));
}

function drawWireguard(random: Random): SegmentSource {
  const type = random.below(6);
  const indices = [random.below(0xffffffff), random.below(0xffffffff)];
  const other = random.oneIn(2) ? 51820 : 1024 + random.below(30000);
  return (side) => [wireguard(type, indices, side === "request" ? [other, 51820] : [51820, other])];
}

/** ESP, a keepalive, or IKE behind its marker. */
function drawEspInUdp(random: Random): SegmentSource {
  const kind = random.below(4);
  const spi = 1 + random.below(0xfffffffe);
  const other = random.oneIn(2) ? 4500 : 1024 + random.below(30000);
  return (side) => {
    const ports: Ports = side === "request" ? [other, 4500] : [4500, other];
    if (kind === 0) return [udpWith(ports, Uint8Array.of(0xff))];
    if (kind === 1) return [udpWith(ports, Buffer.concat([new Uint8Array(4), filler(28)]))];
    return [espInUdp(spi, ports)];
  };
}
