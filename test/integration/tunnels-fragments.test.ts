// Datagrams larger than the way: each is told as one flow with the fragments that the sending kernel made, on their own,
// inside of VXLAN, and where it is VXLAN's packets that are cut.

import { describe, expect, test } from "bun:test";
import { until } from "../collector/until.ts";
import { parseCounters } from "../kernels/witness.ts";
import { startAgent } from "../support/agent.ts";
import { METRICS_ADDRESS, readMetrics } from "../support/agent-metrics.ts";
import { type AgentSpan, sumSent, withTransport } from "../support/agent-spans.ts";
import type { Namespace } from "../support/namespace.ts";
import type { Pair } from "../support/namespace-pair.ts";
import type { Speaker } from "../support/namespace-traffic.ts";
import { addVxlan, makeUnderlay, type Underlay, VXLAN_HEADER_BYTES } from "../support/namespace-tunnel.ts";
import { exchangeDatagrams, sumTunnelBytes, tunnelOf } from "../support/namespace-tunnel-traffic.ts";

const FAMILIES = ["ipv4", "ipv6"] as const;
const PORTS = [7001, 7000] as const;
const COUNT = 40;
const PAYLOAD_BYTES = 8192;
const UDP_HEADER_BYTES = 8;
/** Of each fragment: IPv6 has a header for it. */
const FRAGMENT_HEADER_BYTES = { ipv4: 20, ipv6: 40 + 8 } as const;
const IP_HEADER_BYTES = 20;

interface Outcome {
  /** The spans of the datagrams' transport. */
  readonly spans: readonly AgentSpan[];
  /** Made by the sending kernel, by the family of their header. */
  readonly fragments: Fragments;
}

type Fragments = Readonly<Record<Underlay, number>>;

function readFragments(namespace: Namespace): Fragments {
  const counters = parseCounters(namespace.run("cat", "/proc/net/snmp", "/proc/net/snmp6"));
  return {
    ipv4: counters.get("Ip.FragCreates") ?? Number.NaN,
    ipv6: counters.get("Ip6FragCreates") ?? Number.NaN,
  };
}

interface SendOptions {
  /** Watched; default the pair's. */
  readonly interfaces?: readonly string[];
  /** Done while the agent still watches. */
  readonly look?: (fragments: Fragments) => Promise<void>;
}

/** Large datagrams from the left end to the right one, under the eyes of an agent on the left. */
async function send(
  pair: Pair,
  speakers: readonly [Speaker, Speaker],
  { interfaces = ["left0"], look = async () => {} }: SendOptions = {},
): Promise<Outcome> {
  const { namespace } = pair.hosts[0];
  const agent = await startAgent(namespace, {
    config: { capture: { interfaces }, metrics: { listen: METRICS_ADDRESS } },
  });
  const before = readFragments(namespace);
  await exchangeDatagrams(...speakers, { ports: PORTS, count: COUNT, bytes: PAYLOAD_BYTES });
  const after = readFragments(namespace);
  const fragments = { ipv4: after.ipv4 - before.ipv4, ipv6: after.ipv6 - before.ipv6 };
  await look(fragments);
  const end = await agent.stopped("SIGTERM");
  expect(end.exitCode).toBe(0);
  return { spans: withTransport(end.spans, "udp"), fragments };
}

/** All are of one conversation, with the ports that only a first fragment has. */
function expectOneFlow({ spans }: Outcome): void {
  const ports = spans.map(({ attributes }) => [attributes["source.port"], attributes["destination.port"]]);
  expect(ports.length).toBeGreaterThan(0);
  expect(ports).toEqual(ports.map(() => [...PORTS]));
  expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
}

function sumFragments(spans: readonly AgentSpan[]): number {
  return spans.reduce((sum, span) => sum + tunnelOf(span)["flow.fragments.delta"], 0);
}

/** Each fragment is a packet of the flow, with a header of its own. */
function expectFragments(outcome: Outcome, speaker: Speaker, family: Underlay): void {
  const fragments = outcome.fragments[family];
  expect(fragments).toBeGreaterThan(5 * COUNT);
  expectOneFlow(outcome);
  expect(sumFragments(outcome.spans)).toBe(fragments);
  expect(sumSent(outcome.spans, [speaker.address])).toEqual({
    packets: fragments,
    bytes: COUNT * (UDP_HEADER_BYTES + PAYLOAD_BYTES) + fragments * FRAGMENT_HEADER_BYTES[family],
  });
}

/** Packets that the programs put into no flow, for that reason. */
function countVerdict(namespace: Namespace, verdict: string): number {
  return readMetrics(namespace).get(`mermin_kernel_packets_total{verdict="${verdict}"}`) ?? Number.NaN;
}

describe.each(FAMILIES)("agent beside fragments over %s", (family) => {
  test("tells a datagram's fragments as one flow", async () => {
    await using pair = makeUnderlay();
    const [left, right] = pair.hosts;
    const outcome = await send(pair, [left[family], right[family]]);
    expectFragments(outcome, left[family], family);
  });

  test.each([
    ["ipv4", ["left0"]],
    ["ipv4", ["left0", "vxlan42"]],
    ["ipv6", ["left0"]],
    ["ipv6", ["left0", "vxlan42"]],
  ] as const)(
    "tells fragments inside of VXLAN over %s as one flow, watching %p",
    async (underlay, interfaces) => {
      await using pair = makeUnderlay();
      const [left, right] = addVxlan(pair, { vni: 42, underlay });
      const outcome = await send(pair, [left[family], right[family]], { interfaces });
      expectFragments(outcome, left[family], family);
      const overhead = outcome.fragments[family] * VXLAN_HEADER_BYTES[underlay];
      expect(sumTunnelBytes(outcome.spans, [left[family].address])).toBe(overhead);
    },
  );
});

// IPv6 takes the limit that the tunnel names, whatever its route says, and cuts the datagrams themselves.
test("agent beside fragments tells a datagram once whose VXLAN packet is cut", async () => {
  await using pair = makeUnderlay();
  const [left, right] = addVxlan(pair, { vni: 42, underlay: "ipv4", mtu: 9000 });
  // Locked, or the tunnel would have the datagrams cut instead of its packets.
  left.namespace.ip("route", "add", right.ipv4.address, "dev", left.device, "mtu", "lock", "9000");
  const later = (fragments: number): boolean =>
    countVerdict(left.namespace, "fragment_encapsulated") === fragments - COUNT;
  const outcome = await send(pair, [left.ipv4, right.ipv4], {
    look: ({ ipv4 }) => until(() => later(ipv4)),
  });
  expectOneFlow(outcome);
  expect(sumSent(outcome.spans, [left.ipv4.address])).toEqual({
    packets: COUNT,
    bytes: COUNT * (IP_HEADER_BYTES + UDP_HEADER_BYTES + PAYLOAD_BYTES),
  });
  expect(sumFragments(outcome.spans)).toBe(0);
  expect(sumTunnelBytes(outcome.spans, [left.ipv4.address])).toBe(COUNT * VXLAN_HEADER_BYTES.ipv4);
  expect(outcome.fragments.ipv4).toBeGreaterThan(5 * COUNT);
});
