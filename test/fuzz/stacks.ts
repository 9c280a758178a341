// Random stacks of headers: link, IP with options and fragments, encapsulations in one another, transport.

import {
  authenticationHeader,
  EXTENSION,
  extension,
  fragmentHeader,
  jumboHeader,
} from "../support/extensions.ts";
import {
  type Extension,
  type FrameFields,
  filler,
  frame,
  ipv4,
  ipv6,
  type NetworkPacket,
  type Segment,
} from "../support/packets.ts";
import { erspan1, erspan2, erspan3, gre, ipInIp } from "../support/packets-gre.ts";
import { authenticated } from "../support/packets-ipsec.ts";
import { mpls, pppoe } from "../support/packets-link.ts";
import { geneve, gtp, teredo, udpWith, vxlan, vxlanGpe } from "../support/packets-udp-tunnels.ts";
import { FUZZ_PORTS } from "./options.ts";
import type { Random } from "./random.ts";
import { drawSegment, type SegmentSource, type Side } from "./segments.ts";

/** Frames of one packet of a conversation: several where it was fragmented on the way. */
export type FrameSource = (side: Side) => readonly Uint8Array[];
type PacketSource = (side: Side) => readonly NetworkPacket[];

const DEPTH_MOST = 5;

/** A random conversation. */
export function drawFrames(random: Random): FrameSource {
  const depth = random.pick([0, 0, 1, 1, 1, 2, 2, 3, 4, DEPTH_MOST]);
  return drawLink(random, drawNested(random, depth));
}

function drawNested(random: Random, depth: number): PacketSource {
  const segments =
    depth === 0 ? drawSegment(random) : drawEncapsulation(random, drawNested(random, depth - 1));
  return drawNetwork(random, segments);
}

function drawEthernet(random: Random): FrameFields {
  const tags = Array.from({ length: random.pick([0, 0, 0, 0, 1, 2]) }, () => ({
    ethertype: random.pick([0x8100, 0x88a8]),
    id: random.oneIn(4) ? 0 : random.below(4096),
    priority: random.below(8),
  }));
  const octet = random.below(256).toString(16);
  return { tags, sourceMac: `02:00:00:00:${octet}:0a`, ...(random.oneIn(4) ? { padTo: 60 } : {}) };
}

function drawLink(random: Random, packets: PacketSource): FrameSource {
  const fields = drawEthernet(random);
  const labels = Array.from({ length: 1 + random.below(4) }, () => random.below(1 << 20));
  const kind = random.below(8);
  return (side) =>
    packets(side).map((packet) => {
      if (kind === 0) return frame(mpls(packet.bytes, labels), fields);
      if (kind === 1) return frame(pppoe(packet), fields);
      return frame(packet, fields);
    });
}

function drawNetwork(random: Random, segments: SegmentSource): PacketSource {
  const isIpv4 = random.oneIn(2);
  const [near, far] = [drawAddress(random, isIpv4), drawAddress(random, isIpv4)];
  const cut = random.oneIn(8) ? 8 * (1 + random.below(12)) : 0;
  const build = isIpv4 ? drawIpv4(random) : drawIpv6(random);
  const identification = random.below(65536);
  return (side) => {
    const ends = side === "request" ? [near, far] : [far, near];
    const [source = near, destination = far] = ends;
    return segments(side).flatMap((segment, index) =>
      cutUp(segment, cut).map((piece) =>
        build({ source, destination }, piece, (identification + index) & 0xffff),
      ),
    );
  };
}

/** A part of a segment, and where it stood. `offset` −1: the segment is whole. */
interface Piece {
  readonly segment: Segment;
  readonly offset: number;
  readonly more: boolean;
}

function cutUp(segment: Segment, size: number): readonly Piece[] {
  if (size === 0 || segment.bytes.length <= size) return [{ segment, offset: -1, more: false }];
  const second = Math.min(
    segment.bytes.length,
    size + Math.max(8, Math.floor(segment.bytes.length / 16) * 8),
  );
  const bounds = [0, size, second, segment.bytes.length];
  return [0, 1, 2]
    .map((index) => ({
      segment: { protocol: segment.protocol, bytes: segment.bytes.slice(bounds[index], bounds[index + 1]) },
      offset: bounds[index] ?? 0,
      more: (bounds[index + 1] ?? 0) < segment.bytes.length,
    }))
    .filter((piece) => piece.segment.bytes.length > 0);
}

interface Ends {
  readonly source: string;
  readonly destination: string;
}
type Build = (ends: Ends, piece: Piece, identification: number) => NetworkPacket;

function drawIpv4(random: Random): Build {
  const options = random.oneIn(6) ? filler(4 * random.below(11)) : new Uint8Array(0);
  const fields = { options, tos: random.below(256), ttl: random.below(256), dontFragment: random.oneIn(2) };
  const spi = random.oneIn(10) ? 1 + random.below(0xffff) : 0;
  return (ends, { segment, offset, more }, identification) => {
    const fragment = offset < 0 ? {} : { fragmentOffset: offset, moreFragments: more };
    const carried = spi > 0 && offset <= 0 ? authenticated(segment, spi) : segment;
    return ipv4({ ...ends, ...fields, ...fragment, identification }, carried);
  };
}

function drawIpv6(random: Random): Build {
  const count = random.pick([0, 0, 0, 0, 1, 2, 3, 8, 9]);
  const extensions = Array.from({ length: count }, () => drawExtension(random));
  const fields = {
    trafficClass: random.below(256),
    flowLabel: random.below(1 << 20),
    hopLimit: random.below(256),
  };
  const isJumbo = random.oneIn(40);
  return (ends, { segment, offset, more }, identification) => {
    const fragment = offset < 0 ? [] : [fragmentHeader(offset, more, identification * 65537)];
    const chain: readonly Extension[] = [...extensions, ...fragment];
    if (!isJumbo) return ipv6({ ...ends, ...fields, extensions: chain }, segment);
    const jumbo = jumboHeader(segment.bytes.length);
    return ipv6({ ...ends, ...fields, extensions: [jumbo, ...chain], payloadLength: 0 }, segment);
  };
}

function drawExtension(random: Random): Extension {
  if (random.oneIn(6)) return authenticationHeader(4 * random.below(8), random.below(0xffffffff));
  if (random.oneIn(12)) return fragmentHeader(0, false, random.below(0xffffffff));
  const kinds = [
    EXTENSION.hopByHop,
    EXTENSION.routing,
    EXTENSION.destination,
    EXTENSION.mobility,
    EXTENSION.hip,
  ];
  return extension(random.pick(kinds), random.oneIn(30) ? random.below(256) : random.below(4));
}

function drawAddress(random: Random, isIpv4: boolean): string {
  if (random.oneIn(20)) return isIpv4 ? "127.0.0.1" : "0:0:0:0:0:0:0:1";
  if (random.oneIn(30) && !isIpv4) return `0:0:0:0:0:ffff:${random.below(65536).toString(16)}:1`;
  const group = (): string => random.below(65536).toString(16);
  if (!isIpv4) return `2001:db8:0:0:${group()}:${group()}:0:${group()}`;
  return [10, random.below(256), random.below(256), random.below(256)].join(".");
}

/** By ethertype: what a header that names one may have inside. */
type Wrap = (inside: Uint8Array, ethertype: number) => Segment;

function drawEncapsulation(random: Random, packets: PacketSource): SegmentSource {
  if (random.oneIn(4)) return (side) => packets(side).map(ipInIp);
  const wrap = random.oneIn(2) ? drawIpCarrier(random) : undefined;
  if (wrap !== undefined)
    return (side) => packets(side).map(({ bytes, ethertype }) => wrap(bytes, ethertype));
  const carrier = drawEthernetCarrier(random);
  const fields = drawEthernet(random);
  const labels = random.oneIn(8) ? [random.below(1 << 20)] : [];
  return (side) =>
    packets(side).map((packet) =>
      carrier(frame(labels.length > 0 ? mpls(packet.bytes, labels) : packet, fields), 0),
    );
}

function drawEthernetCarrier(random: Random): Wrap {
  const vni = random.below(1 << 24);
  const ports = [1024 + random.below(60000), 0] as const;
  const key = random.oneIn(2) ? { key: random.below(0xffffffff) } : {};
  const draws: readonly Wrap[] = [
    (inside) => vxlan(inside, { vni, ports: [ports[0], 4789] }),
    (inside) => vxlan(inside, { vni, ports: [ports[0], 8472] }),
    (inside) => vxlanGpe(inside, { vni }),
    (inside) => vxlanGpe(inside, { vni, protocol: 3 }),
    (inside) => geneve(inside, { vni, options: filler(4 * random.below(8)) }),
    (inside) => gre(0x6558, inside, key),
    (inside) => erspan1(inside),
    (inside) => erspan2(inside, random.below(1024)),
    (inside) => erspan3(inside, { session: random.below(1024), hasPlatform: random.oneIn(2) }),
    (inside) => udpWith([ports[0], FUZZ_PORTS.fou], gre(0x6558, inside, key).bytes),
  ];
  return random.pick(draws);
}

function drawIpCarrier(random: Random): Wrap {
  const id = random.below(1 << 24);
  const extensions = Array.from(
    { length: random.below(6) },
    () => [1 + random.below(255), filler(2 + 4 * random.below(3))] as const,
  );
  const fields = {
    checksum: random.oneIn(2),
    ...(random.oneIn(2) ? { key: id } : {}),
    ...(random.oneIn(2) ? { sequence: id } : {}),
  };
  const authentication = [random.below(8), random.below(8)] as const;
  const source = 1024 + random.below(60000);
  const draws: readonly Wrap[] = [
    (inside, ethertype) => gre(ethertype, inside, fields),
    (inside) => gre(0x8847, mpls(inside, [random.below(1 << 20), 3]).bytes, fields),
    (inside, ethertype) =>
      geneve(inside, { vni: id, protocol: ethertype, options: filler(4 * random.below(64)) }),
    (inside, ethertype) => vxlanGpe(inside, { vni: id, protocol: ethertype === 0x0800 ? 1 : 2 }),
    (inside) => vxlanGpe(mpls(inside, [5]).bytes, { vni: id, protocol: 5 }),
    (inside) => gtp(inside, { teid: id, flags: 0x30 | random.below(4) }),
    (inside) => gtp(inside, { teid: id, extensions }),
    (inside) => erspan3(inside, { session: id & 0x3ff, frameType: 2 }),
    (inside) => udpWith([source, FUZZ_PORTS.fou], inside),
    (inside, ethertype) => udpWith([source, FUZZ_PORTS.fou], gre(ethertype, inside, fields).bytes),
    (inside) => teredo(inside, { authentication, hasOrigin: random.oneIn(2) }),
  ];
  return random.pick(draws);
}
