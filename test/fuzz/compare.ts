// Differences between what the reference expects and what the maps hold, as lines of text; none: they agree.

import { DETAILS_FLAG } from "../../src/capture/record.ts";
import type { Counts } from "../bpf/bench.ts";
import type { Flow } from "../bpf/decode.ts";
import type { Details, Layer } from "../bpf/decode-details.ts";
import { type Expected, type ExpectedFlow, type ExpectedLayer, macOf, textOf } from "./expected.ts";

export function findDifferences(expected: Expected, counts: Counts, flows: readonly Flow[]): string[] {
  const differences = compareCounters(expected, counts);
  const found = new Map(flows.map((flow) => [decodedName(flow), flow]));
  for (const [name, flow] of expected.flows) {
    const decoded = found.get(name);
    found.delete(name);
    if (decoded === undefined) differences.push(`flow ${name}: expected, not there`);
    else differences.push(...compareFlow(flow, decoded).map((line) => `flow ${name}: ${line}`));
  }
  for (const name of found.keys()) differences.push(`flow ${name}: there, not expected`);
  return differences;
}

function compareCounters(expected: Expected, counts: Counts): string[] {
  const differences: string[] = [];
  const actual = new Map(Object.entries(counts));
  for (const name of new Set([...expected.counters.keys(), ...actual.keys()])) {
    const wanted = expected.counters.get(name) ?? [0, 0];
    const got = actual.get(name) ?? [0, 0];
    if (wanted[0] !== got[0] || wanted[1] !== got[1]) {
      differences.push(`counter ${name}: expected ${wanted}, got ${got}`);
    }
  }
  return differences;
}

function decodedName(flow: Flow): string {
  const { low, lowPort, high, highPort, protocol, ipVersion, keyVlan, keyTunnelId, icmpPairing } = flow;
  const ends = `${low} ${lowPort} ${high} ${highPort}`;
  return `${ends} protocol ${protocol} v${ipVersion} vlan ${keyVlan} tunnel ${keyTunnelId} icmp ${icmpPairing}`;
}

function compareFlow(expected: ExpectedFlow, actual: Flow): string[] {
  const wayLines = ([0, 1] as const).flatMap((way) => {
    const { packets, bytes } = actual.ways[way];
    return compare(`way ${way}`, [expected.packets[way], expected.bytes[way]], [packets, bytes]);
  });
  // A new life of a connection takes its headers from its own first packet.
  const headerLines = actual.incarnation === 0 ? compareHeaders(expected, actual) : [];
  return [...wayLines, ...headerLines, ...compareDetails(expected, actual.details)];
}

function compareHeaders(expected: ExpectedFlow, actual: Flow): string[] {
  const wayLines = ([0, 1] as const).flatMap((way) => {
    const first = expected.ways[way];
    if (first === undefined) return [];
    const { ttl, trafficClass, flowLabel, icmpType, icmpCode } = actual.ways[way];
    const wanted = [first.ttl, first.trafficClass, first.flowLabel, first.icmpType, first.icmpCode];
    return compare(`headers ${way}`, wanted, [ttl, trafficClass, flowLabel, icmpType, icmpCode]);
  });
  const flags = actual.ways.map((way) => way.tcpFlags);
  return [
    ...wayLines,
    ...compare("tcp flags", expected.tcpFlags, flags),
    ...compare("vlan", expected.first.vlan, actual.vlan),
    ...compare("mac", macOf(expected.first.mac), actual.mac),
    ...compare("first way", expected.firstWay, actual.firstWay),
  ];
}

const HAS_MAC = DETAILS_FLAG.hasMacLow | DETAILS_FLAG.hasMacHigh;

function compareDetails(expected: ExpectedFlow, actual: Details | undefined): string[] {
  const wanted = expectDetails(expected);
  // An entry that says nothing is as good as none: an authentication header may have the index 0.
  if (wanted === undefined && actual !== undefined && isEmpty(actual)) return [];
  if (wanted === undefined || actual === undefined) {
    return compare("details", wanted === undefined ? "none" : "some", actual === undefined ? "none" : "some");
  }
  return [
    ...compare("details", wanted, {
      tunnelOverhead: actual.tunnelOverhead,
      ipipOverhead: actual.ipipOverhead,
      fragments: actual.fragments,
      espSpi: actual.espSpi,
      ahSpi: actual.ahSpi,
      wireguardIndex: actual.wireguardIndex,
      tunnelMac: (actual.flags & HAS_MAC) === 0 ? macOf(undefined) : actual.tunnelMac,
      flags: actual.flags,
    }),
    ...compareLayer("tunnel", expected.tunnel, actual.tunnel),
    ...compareLayer("ipip", expected.ipip, actual.ipip),
  ];
}

function isEmpty({ tunnel, fragments, espSpi, ahSpi, flags }: Details): boolean {
  return tunnel === undefined && [fragments, ...espSpi, ...ahSpi, flags].every((value) => value === 0);
}

function expectDetails(flow: ExpectedFlow): object | undefined {
  const { tunnel, ipip, fragments, espSpi, ahSpi, wireguard, isWireguard, tunnelMac } = flow;
  const hasSpi = [...espSpi, ...ahSpi].some((spi) => spi !== 0);
  if (tunnel === undefined && fragments === 0 && !hasSpi && !isWireguard) return undefined;
  const macFlag = tunnelMac === undefined ? 0 : DETAILS_FLAG.hasMacLow << tunnelMac.way;
  return {
    tunnelOverhead: tunnel?.overhead ?? [0, 0],
    ipipOverhead: ipip?.overhead ?? [0, 0],
    fragments,
    espSpi,
    ahSpi,
    wireguardIndex: wireguard,
    tunnelMac: tunnelMac?.text ?? macOf(undefined),
    flags: macFlag | (isWireguard ? DETAILS_FLAG.wireguard : 0),
  };
}

function compareLayer(
  name: string,
  expected: ExpectedLayer | undefined,
  actual: Layer | undefined,
): string[] {
  if (expected === undefined || expected.isOld || actual === undefined) {
    const isNone = expected === undefined || expected.isOld;
    return compare(name, isNone ? "none" : "some", actual === undefined ? "none" : "some");
  }
  const { first, ways } = expected;
  const address = (bytes: Uint8Array): string => textOf(Buffer.from(bytes).toString("hex"));
  const wanted = {
    ends: ways.map((way) => way && [address(way.source), address(way.destination)]),
    ids: ways.map((way) => way?.id),
    ports: ways.map((way) => way && [way.sourcePort, way.destinationPort]),
    ahSpi: ways.map((way) => way?.ahSpi ?? 0),
    encapsulation: first.kind,
    ipVersion: first.ipVersion,
    protocol: first.protocol,
  };
  return compare(name, wanted, actual);
}

function compare(name: string, wanted: unknown, got: unknown): string[] {
  if (Bun.deepEquals(wanted, got)) return [];
  return [`${name}: expected ${JSON.stringify(wanted)}, got ${JSON.stringify(got)}`];
}
