// VXLAN between two namespaces, with the agent in one of them: told is what is inside, once, whether the agent watches
// what carries it, the tunnel's device, or both; and how much the headers weigh.

import { describe, expect, test } from "bun:test";
import { type AgentConfig, type AgentEnd, startAgent } from "../support/agent.ts";
import { packetsSent, withTransport } from "../support/agent-spans.ts";
import { bridge, connect, Namespace } from "../support/namespace.ts";
import { type Pair, setFeatures } from "../support/namespace-pair.ts";
import { iperf, ping, serveIperf } from "../support/namespace-traffic.ts";
import {
  addAddresses,
  addVxlan,
  introduce,
  makeUnderlay,
  type TunnelHost,
  type Underlay,
  VXLAN_HEADER_BYTES,
  VXLAN_PORT,
} from "../support/namespace-tunnel.ts";
import {
  exchangeDatagrams,
  sumOnWire,
  sumTunnelBytes,
  tunnelOf,
} from "../support/namespace-tunnel-traffic.ts";
import { readDevice, readSent, readWhenQuiet, sentBetween, startCounting } from "../support/witness.ts";

const VNI = 42;
const INSIDE = `vxlan${VNI}`;
const UNDERLAYS = ["ipv4", "ipv6"] as const;

/** Packets and layer-3 bytes. */
type Carried = ReturnType<typeof sumOnWire>;

interface Watched {
  readonly end: AgentEnd;
  /** What the pair carried at least and at most while the agent watched. */
  readonly wire: readonly [Carried, Carried];
}

/**
 * What both ends of the pair have sent. A veth whose peer merges counts a frame when the peer has taken its link
 * header off, and segments are cut before they are sent: see {@link makeCutUnderlay}.
 */
function readWire({ hosts }: Pair): Carried {
  const [left, right] = hosts.map(({ namespace, device }) => readDevice(namespace, device));
  if (left === undefined || right === undefined || left.dropped + right.dropped > 0)
    throw new Error("the pair dropped something");
  return {
    packets: left.sent.packets + right.sent.packets,
    bytes: left.sent.bytes + right.sent.bytes,
  };
}

function difference(after: Carried, before: Carried): Carried {
  return { packets: after.packets - before.packets, bytes: after.bytes - before.bytes };
}

/** Super-packets pass the hooks, before they are cut and after they are merged; the wire has segments. */
function makeCutUnderlay(): Pair {
  const pair = makeUnderlay();
  setFeatures(pair, ["tso", "off", "gso", "on", "gro", "on"]);
  return pair;
}

/** Has the speakers talk under the eyes of an agent on the left, and demands of its spans what each of them sent. */
async function watch(
  pair: Pair,
  speakers: readonly TunnelHost[],
  rest: { readonly config: AgentConfig; readonly talk: () => Promise<void> },
): Promise<Watched> {
  const [observer] = pair.hosts;
  const outsideBefore = readWire(pair);
  const agent = await startAgent(observer.namespace, {
    config: { span: { max_record_interval: "1s" }, ...rest.config },
  });
  const insideBefore = readWire(pair);
  const namespaces = speakers.map(({ namespace }) => namespace);
  const before = namespaces.map(readSent);
  await rest.talk();
  const after = await readWhenQuiet(namespaces);
  const insideAfter = readWire(pair);
  const end = await agent.stopped("SIGTERM");
  const outsideAfter = readWire(pair);
  expect(end.exitCode).toBe(0);
  speakers.forEach(({ addresses }, index) => {
    const [first, last] = [before[index], after[index]];
    if (first === undefined || last === undefined) throw new Error("a reading for each speaker");
    // The kernel reports groups and looks for neighbours when it likes.
    const { icmp6: _, ...spoken } = packetsSent(end.spans, addresses);
    expect({ speaker: addresses[0], ...sentBetween(first, last) }).toMatchObject(spoken);
  });
  return {
    end,
    wire: [difference(insideAfter, insideBefore), difference(outsideAfter, outsideBefore)],
  };
}

/** Bulk of TCP both ways, UDP and echoes, in both families. */
async function converse(client: TunnelHost, server: TunnelHost): Promise<void> {
  for (const family of UNDERLAYS) {
    const [from, to] = [client[family], server[family]];
    await using iperfServer = serveIperf(to);
    await iperf(from, iperfServer, ["-n", "20M", "-w", "128K"]);
    await iperf(from, iperfServer, ["-n", "20M", "-w", "128K", "--reverse"]);
    await iperf(from, iperfServer, ["-u", "-b", "200M", "-n", "2M", "-l", "1200"]);
    await ping(from, to, 10);
  }
}

/** All spans together are what the wire carried. */
function expectOnWire({ end, wire: [least, most] }: Watched): void {
  const told = sumOnWire(end.spans);
  expect(told.packets).toBeWithin(least.packets, most.packets + 1);
  expect(told.bytes).toBeWithin(least.bytes, most.bytes + 1);
}

/** Each flow between the speakers has the tunnel's headers, in every packet. */
function expectHeaders(
  { end: { spans } }: Watched,
  pair: Pair,
  rest: { readonly speakers: readonly TunnelHost[]; readonly underlay: Underlay },
): void {
  const { speakers, underlay } = rest;
  const outer = new Map(
    speakers.map(({ addresses }, index) => [addresses, pair.hosts[index]?.[underlay].address ?? ""]),
  );
  const behind = (address: string): string | undefined =>
    [...outer].find(([addresses]) => addresses.includes(address))?.[1];
  for (const span of spans) {
    const ends = [behind(span.attributes["source.address"]), behind(span.attributes["destination.address"])];
    if (ends.includes(undefined)) continue;
    expect(tunnelOf(span)).toMatchObject({
      "tunnel.type": "vxlan",
      "tunnel.id": String(VNI),
      "tunnel.network.type": underlay,
      "tunnel.source.address": ends[0],
      "tunnel.destination.address": ends[1],
      "tunnel.destination.port": VXLAN_PORT,
    });
  }
  for (const { addresses } of speakers) {
    const { tcp, udp4, udp6, icmp4, icmp6 } = packetsSent(spans, addresses);
    const packets = tcp + udp4 + udp6 + icmp4 + icmp6;
    expect(sumTunnelBytes(spans, addresses)).toBe(packets * VXLAN_HEADER_BYTES[underlay]);
  }
}

describe.each(UNDERLAYS)("agent beside VXLAN over %s", (underlay) => {
  test.each([
    ["what carries it", ["left0"]],
    ["what carries it and the tunnel's device", ["left0", INSIDE]],
  ])("tells what is inside once, watching %s", async (_, interfaces) => {
    await using pair = makeCutUnderlay();
    const speakers = addVxlan(pair, { vni: VNI, underlay });
    const { namespace } = pair.hosts[0];
    // What leaves the pair's device has been cut up behind its hook: seen is what enters the tunnel.
    const superPackets = [
      await startCounting(namespace, INSIDE, "outbound and greater 2000"),
      await startCounting(namespace, "left0", "inbound and greater 2000"),
    ];
    const watched = await watch(pair, speakers, {
      config: { capture: { interfaces } },
      talk: () => converse(...speakers),
    });
    for (const counting of superPackets) expect(await counting.stop()).toBeGreaterThan(0);
    expectHeaders(watched, pair, { speakers, underlay });
    expectOnWire(watched);
  });

  test("tells what is inside, and no tunnel, watching the tunnel's device", async () => {
    await using pair = makeCutUnderlay();
    const speakers = addVxlan(pair, { vni: VNI, underlay });
    const { end } = await watch(pair, speakers, {
      config: { capture: { interfaces: [INSIDE] } },
      talk: () => converse(...speakers),
    });
    expect(end.spans.filter((span) => tunnelOf(span)["tunnel.type"] !== undefined)).toEqual([]);
  });

  test("tells once what passes a bridge, its port and the tunnel", async () => {
    await using pair = makeCutUnderlay();
    await using pod = new Namespace("pod");
    const node = pair.hosts[0].namespace;
    const [{ device }, far] = addVxlan(pair, { vni: VNI, underlay });
    node.ip("address", "flush", "dev", device);
    node.ip("neigh", "flush", "dev", device, "nud", "permanent");
    connect({ namespace: pod, device: "eth0" }, { namespace: node, device: "port0" });
    bridge(node, "bridge0", ["port0", device]);
    // What the tunnel adds must pass the pair.
    pod.ip("link", "set", "eth0", "mtu", "1400");
    const near = addAddresses(pod, "eth0", 1);
    introduce([near, far]);
    const speakers = [near, far] as const;
    const watched = await watch(pair, speakers, { config: {}, talk: () => converse(...speakers) });
    expectHeaders(watched, pair, { speakers, underlay });
  });
});

/** Spans of the UDP flow between these ports, by who told what of it. */
function datagramSpans({ spans }: AgentEnd, port: number): AgentEnd["spans"] {
  return withTransport(spans, "udp").filter(({ attributes }) => attributes["source.port"] === port);
}

describe("agent beside VXLAN networks", () => {
  test("tells two flows of one network apart", async () => {
    await using pair = makeUnderlay();
    const speakers = addVxlan(pair, { vni: VNI, underlay: "ipv4" });
    const [left, right] = speakers;
    const { end } = await watch(pair, speakers, {
      config: { capture: { interfaces: ["left0"] } },
      talk: async () => {
        for (const [port, count] of [
          [7001, 30],
          [7002, 50],
        ] as const)
          await exchangeDatagrams(left.ipv4, right.ipv4, { ports: [port, 7000], count, bytes: 100 });
      },
    });
    for (const [port, count] of [
      [7001, 30],
      [7002, 50],
    ] as const) {
      const spans = datagramSpans(end, port);
      expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
      expect(spans.reduce((sum, { attributes }) => sum + attributes["flow.packets.delta"], 0)).toBe(count);
      expect(spans.map((span) => tunnelOf(span)["tunnel.id"])).toEqual(spans.map(() => String(VNI)));
    }
  });

  test.each([
    ["one flow", [], [["42", 30 + 50]]],
    [
      "a flow for each with their numbers in the key",
      ["tunnel_id"],
      [
        ["42", 30],
        ["43", 50],
      ],
    ],
  ])("tells the same addresses in two networks as %s", async (_, keyIncludes, told) => {
    await using pair = makeUnderlay();
    await using first = new Namespace("first");
    await using firstFar = new Namespace("first-far");
    await using second = new Namespace("second");
    await using secondFar = new Namespace("second-far");
    const networks = [
      { ends: addVxlan(pair, { vni: 42, underlay: "ipv4", tenants: [first, firstFar] }), count: 30 },
      { ends: addVxlan(pair, { vni: 43, underlay: "ipv4", tenants: [second, secondFar] }), count: 50 },
    ];
    const { end, wire } = await watch(pair, [], {
      config: { capture: { interfaces: ["left0"] }, flow: { key_includes: keyIncludes } },
      talk: async () => {
        for (const { ends, count } of networks) {
          const [left, right] = ends;
          await exchangeDatagrams(left.ipv4, right.ipv4, { ports: [7001, 7000], count, bytes: 100 });
        }
      },
    });
    const flows = Map.groupBy(datagramSpans(end, 7001), (span) => tunnelOf(span)["tunnel.id"] ?? "");
    const sums = [...flows].map(([id, spans]): [string, number] => [
      id,
      spans.reduce((sum, { attributes }) => sum + attributes["flow.packets.delta"], 0),
    ]);
    expect(sums.toSorted()).toEqual(told as [string, number][]);
    expect(sumOnWire(end.spans).packets).toBeWithin(wire[0].packets, wire[1].packets + 1);
  });
});
