// One packet each way of every link × network × transport, on both programs.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { authenticationHeader, EXTENSION, extension } from "../support/extensions.ts";
import {
  filler,
  frame,
  ipv4,
  ipv6,
  type NetworkPacket,
  type Segment,
  SOURCE_MAC,
  type Tag,
} from "../support/packets.ts";
import { authenticated } from "../support/packets-ipsec.ts";
import { dccp, icmp, icmpv6, opaque, sctp, TCP_FLAG, tcp, udp } from "../support/segments.ts";
import { Bench, type Counts } from "./bench.ts";
import { type Details, NO_DETAILS } from "./decode-details.ts";

const LOW4 = "10.0.0.9";
const HIGH4 = "10.0.0.200";
const LOW6 = "2001:db8:0:0:0:0:0:9";
const HIGH6 = "2001:db8:0:0:0:0:1:2";
const HAS_MAC = 2;
const HAS_DETAILS = 4;
const AH_SPI = 0x11112222;
/** What filler is as an SPI. */
const ESP_SPI = 0xa5a5a5a5;

interface Transport {
  readonly protocol: number;
  readonly lowPort: number;
  readonly highPort: number;
  readonly request: Segment;
  readonly reply: Segment;
}

interface Network {
  readonly low: string;
  readonly high: string;
  readonly isAuthenticated: boolean;
  readonly packet: (isReply: boolean, segment: Segment) => NetworkPacket;
}

const LINKS: Readonly<Record<string, readonly Tag[]>> = {
  "Ethernet II": [],
  "802.1Q": [{ ethertype: 0x8100, id: 1234, priority: 5 }],
  "802.1ad": [{ ethertype: 0x88a8, id: 77 }],
  QinQ: [
    { ethertype: 0x88a8, id: 4094 },
    { ethertype: 0x8100, id: 12 },
  ],
  "two 802.1Q tags": [
    { ethertype: 0x8100, id: 1 },
    { ethertype: 0x8100, id: 2 },
  ],
};

const NETWORKS: Readonly<Record<string, Network>> = {
  IPv4: network4(0),
  "IPv4 with 4 bytes of options": network4(4),
  "IPv4 with 40 bytes of options": network4(40),
  "IPv4 with options and authentication": network4(4, true),
  IPv6: network6([]),
  "IPv6 with hop-by-hop": network6([extension(EXTENSION.hopByHop)]),
  "IPv6 with routing, destination options and authentication": network6([
    extension(EXTENSION.routing, 4),
    extension(EXTENSION.destination, 1),
    authenticationHeader(12, AH_SPI),
  ]),
};

const PORTS = [40000, 53] as const;
const REPLY_PORTS = [53, 40000] as const;

const TRANSPORTS: Readonly<Record<string, Transport>> = {
  TCP: withPorts(tcp(PORTS), tcp(REPLY_PORTS)),
  "TCP with 40 bytes of options": withPorts(
    tcp(PORTS, { options: 40 }, 7),
    tcp(REPLY_PORTS, { options: 12 }, 1),
  ),
  UDP: withPorts(udp(PORTS, 33), udp(REPLY_PORTS, 1)),
  "UDP-Lite": withPorts(udp(PORTS, 33, 136), udp(REPLY_PORTS, 0, 136)),
  SCTP: withPorts(sctp(PORTS, 16), sctp(REPLY_PORTS)),
  DCCP: withPorts(dccp(PORTS, 5), dccp(REPLY_PORTS)),
  "ICMP echo": echo(icmp({ type: 8, identifier: 0x0102 }, 56), icmp({ type: 0, identifier: 0x0102 }, 56)),
  "ICMPv6 echo": echo(
    icmpv6({ type: 128, identifier: 0x0102 }, 8),
    icmpv6({ type: 129, identifier: 0x0102 }, 8),
  ),
  "no next header": withoutPorts(59, 0),
  IGMP: withoutPorts(2, 8),
  GRE: withoutPorts(47, 24),
  ESP: withoutPorts(50, 40),
  OSPF: withoutPorts(89, 44),
  VRRP: withoutPorts(112, 12),
  "protocol 253 without a byte": withoutPorts(253, 0),
};

function network4(optionBytes: number, isAuthenticated = false): Network {
  const fields = { tos: 0xb9, ttl: 63, options: filler(optionBytes) };
  return {
    low: LOW4,
    high: HIGH4,
    isAuthenticated,
    packet: (isReply, segment) =>
      ipv4(
        { ...fields, source: isReply ? HIGH4 : LOW4, destination: isReply ? LOW4 : HIGH4 },
        isAuthenticated ? authenticated(segment, AH_SPI) : segment,
      ),
  };
}

function network6(extensions: readonly ReturnType<typeof extension>[]): Network {
  const fields = { trafficClass: 0xb9, hopLimit: 63, flowLabel: 0xfedcb, extensions };
  return {
    low: LOW6,
    high: HIGH6,
    isAuthenticated: extensions.some(({ kind }) => kind === EXTENSION.authentication),
    packet: (isReply, segment) =>
      ipv6({ ...fields, source: isReply ? HIGH6 : LOW6, destination: isReply ? LOW6 : HIGH6 }, segment),
  };
}

function withPorts(request: Segment, reply: Segment): Transport {
  return { protocol: request.protocol, lowPort: 40000, highPort: 53, request, reply };
}

function echo(request: Segment, reply: Segment): Transport {
  return { protocol: request.protocol, lowPort: 0x0102, highPort: 0x0102, request, reply };
}

function withoutPorts(protocol: number, length: number): Transport {
  const segment = opaque(protocol, length);
  return { protocol, lowPort: 0, highPort: 0, request: segment, reply: segment };
}

let bench: Bench;
beforeAll(() => {
  bench = new Bench();
});
afterAll(() => bench[Symbol.dispose]());
beforeEach(() => bench.reset());

/** The protocol that names the flow: an authentication header of IPv4 that protects nothing is the conversation. */
function protocolOf(network: Network, { protocol }: Transport): number {
  return network.isAuthenticated && network.low === LOW4 && protocol === 59 ? 51 : protocol;
}

function detailsOf(network: Network, { protocol }: Transport): Details | undefined {
  if (!network.isAuthenticated && protocol !== 50) return undefined;
  return {
    ...NO_DETAILS,
    ahSpi: network.isAuthenticated ? [AH_SPI, AH_SPI] : [0, 0],
    espSpi: protocol === 50 ? [ESP_SPI, ESP_SPI] : [0, 0],
  };
}

/** Filler is no GRE header that can be read: the packet is counted as it is, and that. */
function countsOf(packet: NetworkPacket, { protocol }: Transport): Counts {
  const counted = [1, packet.bytes.length] as const;
  return protocol === 47 ? { accounted: counted, encapsulated_unread: counted } : { accounted: counted };
}

function expectBothWays(tags: readonly Tag[], network: Network, transport: Transport, egress: boolean): void {
  const request = network.packet(false, transport.request);
  const reply = network.packet(true, transport.reply);
  for (const packet of [request, request, reply])
    expect(bench.run(frame(packet, { tags }), { egress })).toEqual(countsOf(packet, transport));

  const isIpv6 = request.ethertype === 0x86dd;
  const isEcho = transport.protocol === 1 || transport.protocol === 58;
  const icmpTypes = [transport.request, transport.reply].map((segment) =>
    isEcho ? (segment.bytes[0] ?? 0) : 0,
  );
  const common = {
    trafficClass: 0xb9,
    ttl: 63,
    flowLabel: isIpv6 ? 0xfedcb : 0,
    tcpFlags: transport.protocol === 6 ? TCP_FLAG.ack : 0,
    generation: bench.reader.generation,
    ownerHook: 2 | (egress ? 1 : 0),
    candidateHook: 0,
    flags: 0,
    icmpCode: 0,
  };
  const details = detailsOf(network, transport);
  const flow = bench.flow();
  expect(flow.details).toEqual(details);
  expect(flow).toMatchObject({
    low: network.low,
    lowPort: transport.lowPort,
    high: network.high,
    highPort: transport.highPort,
    protocol: protocolOf(network, transport),
    ipVersion: isIpv6 ? 6 : 4,
    keyVlan: 0,
    icmpPairing: isEcho ? 1 : 0,
    ways: [
      { ...common, packets: 2, bytes: 2 * request.bytes.length, icmpType: icmpTypes[0] },
      { ...common, packets: 1, bytes: reply.bytes.length, icmpType: icmpTypes[1] },
    ],
    firstWay: 0,
    initiator: 0,
    vlan: tags[0]?.id ?? 0,
    mac: SOURCE_MAC,
    flags: details === undefined ? HAS_MAC : HAS_MAC | HAS_DETAILS,
  });
}

for (const [linkName, tags] of Object.entries(LINKS)) {
  for (const [networkName, network] of Object.entries(NETWORKS)) {
    describe(`parse ${linkName} / ${networkName}`, () => {
      test.each(Object.entries(TRANSPORTS))("%s keys both ways alike", (_, transport) => {
        expectBothWays(tags, network, transport, false);
        bench.reset();
        expectBothWays(tags, network, transport, true);
      });
    });
  }
}

test("an opened event tells the key, way and flags of every first packet", () => {
  const segment = tcp(REPLY_PORTS, { flags: TCP_FLAG.syn | TCP_FLAG.ece });
  bench.run(frame(ipv4({ source: HIGH4, destination: LOW4 }, segment)));
  bench.run(frame(ipv4({ source: HIGH4, destination: LOW4 }, segment)));
  expect(bench.events()).toMatchObject([
    {
      size: 64,
      kind: 1,
      way: 1,
      low: LOW4,
      lowPort: 40000,
      high: HIGH4,
      highPort: 53,
      tcpFlags: [0, 0x42],
      incarnation: 0,
    },
  ]);
});
