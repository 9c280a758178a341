// What is said of tunnels and of the wire, over spans made by hand: right ones pass, and each wrong one is found.

import { expect, test } from "bun:test";
import { compareTunnel, judgeOpaque, judgeWire } from "./judge-tunnel.ts";
import { between, type OpaqueFlow } from "./scenario.ts";
import { groupFlows, parseSpans, type ToldFlow } from "./spans.ts";

const MAC = "02:00:00:00:00:01";
const EXCHANGE = between("vxlan", ["10.0.0.1", "10.0.0.2"], {
  tunnel: {
    type: "vxlan",
    id: "9",
    transport: "udp",
    addresses: ["fd00::1", "fd00::2"],
    port: 4789,
    mac: MAC,
    headerBytes: 70,
  },
});
const EXPECTED = { forward: { packets: 10, bytes: 1000 }, reverse: { packets: 5, bytes: 500 } };
const OPAQUE: OpaqueFlow = {
  transport: "udp",
  ends: ["10.0.0.1", "10.0.0.2"],
  port: 51_820,
  type: "wireguard",
  numbered: ["flow.ipsec.sender_index", "flow.ipsec.receiver_index"],
};

type Attributes = Readonly<Record<string, string | number>>;

const FLOW: Attributes = {
  "source.address": "10.0.0.1",
  "source.port": 40_000,
  "destination.address": "10.0.0.2",
  "destination.port": 5000,
  "network.transport": "udp",
  "flow.end_reason": "forced_end",
  ...counters("flow.packets", 10),
  ...counters("flow.bytes", 1000),
  ...counters("flow.reverse.packets", 5),
  ...counters("flow.reverse.bytes", 500),
};
const HEADERS: Attributes = {
  "tunnel.type": "vxlan",
  "tunnel.id": "9",
  "tunnel.network.type": "ipv6",
  "tunnel.network.transport": "udp",
  "tunnel.network.interface.mac": MAC,
  "tunnel.source.address": "fd00::1",
  "tunnel.destination.address": "fd00::2",
  "tunnel.destination.port": 4789,
  ...counters("tunnel.bytes", 700),
  ...counters("tunnel.reverse.bytes", 350),
};
const WIREGUARD: Attributes = {
  ...FLOW,
  "source.port": 51_820,
  "destination.port": 51_820,
  "tunnel.type": "wireguard",
  "flow.ipsec.sender_index": 7,
  "flow.ipsec.receiver_index": 8,
};

function counters(name: string, amount: number): Attributes {
  return { [`${name}.delta`]: amount, [`${name}.total`]: amount };
}

function flowsOf(...spans: readonly Attributes[]): Map<string, ToldFlow> {
  const lines = spans.map((attributes) => JSON.stringify({ name: "flow", attributes }));
  return groupFlows(parseSpans(lines.join("\n")));
}

function tunnelComplaints(attributes: Attributes, exchange = EXCHANGE): string[] {
  const [flow] = flowsOf(attributes).values();
  if (flow === undefined) throw new Error("a flow");
  return compareTunnel(flow, exchange, EXPECTED);
}

/** Two flows of 15 packets: 1,500 bytes each, 1,050 of headers around one. */
function wireComplaints(
  inside: readonly number[],
  outside: readonly number[],
  besides: string[] = [],
): string[] {
  const reading = ([packets = 0, bytes = 0]: readonly number[]): string =>
    `tx_packets ${packets}\ntx_bytes ${bytes + packets * 14}\nrx_packets 0\nrx_bytes 0\n`;
  return judgeWire(
    flowsOf({ ...FLOW, ...HEADERS }, { ...FLOW, "source.address": "10.9.0.1" }),
    { device: "veth0", besides },
    {
      outsideBefore: reading([1, 100]),
      insideBefore: reading([1, 100]),
      insideAfter: reading(inside),
      outsideAfter: reading(outside),
    },
  );
}

test("compareTunnel has no complaint about headers told to the byte", () => {
  expect(tunnelComplaints({ ...FLOW, ...HEADERS })).toEqual([]);
});

test("compareTunnel finds wrong headers, and bytes that are not the packets'", () => {
  const wrong = { "tunnel.id": "10", "tunnel.source.address": "fd00::3", "tunnel.bytes.delta": 770 };
  expect(tunnelComplaints({ ...FLOW, ...HEADERS, ...wrong })).toEqual([
    "tunnel.id is 10 instead of 9",
    "tunnel.source.address is fd00::3 instead of fd00::1",
    "tunnel.bytes.delta adds up to 770 instead of 700",
    "the last tunnel.bytes.total is 700, the deltas give 770",
  ]);
});

test("compareTunnel finds a flow without its tunnel, and a tunnel where there is none", () => {
  expect(tunnelComplaints(FLOW)).toContain("tunnel.type is undefined instead of vxlan");
  const plain = between("plain", ["10.0.0.1", "10.0.0.2"]);
  expect(tunnelComplaints(FLOW, plain)).toEqual([]);
  expect(tunnelComplaints({ ...FLOW, "tunnel.type": "gre" }, plain)).toEqual([
    "tunnel.type without a tunnel",
  ]);
});

test("judgeOpaque takes a flow from either end, told once, with its numbers", () => {
  expect(judgeOpaque(flowsOf(WIREGUARD), OPAQUE)).toEqual([]);
  const turned = { "source.address": "10.0.0.2", "destination.address": "10.0.0.1" };
  expect(judgeOpaque(flowsOf({ ...WIREGUARD, ...turned }), OPAQUE)).toEqual([]);
  expect(judgeOpaque(flowsOf(FLOW), OPAQUE)).toEqual(["told 0 times"]);
  expect(judgeOpaque(flowsOf(WIREGUARD, { ...WIREGUARD, ...turned }), OPAQUE)).toEqual(["told 2 times"]);
  expect(judgeOpaque(flowsOf({ ...WIREGUARD, "flow.ipsec.receiver_index": 0 }), OPAQUE)).toEqual([
    "there is no flow.ipsec.receiver_index",
  ]);
});

test("judgeWire takes flows and headers that are what the wire carried, and nothing else", () => {
  expect(wireComplaints([31, 4150], [31, 4150])).toEqual([]);
  expect(wireComplaints([31, 4149], [31, 4149])).toEqual(["flows have 4050 bytes, the wire 4049"]);
  expect(wireComplaints([30, 4150], [30, 4150])).toEqual(["flows have 30 packets, the wire 29"]);
});

test("judgeWire leaves open what passed while the agent began and ended, and leaves out what passes elsewhere", () => {
  expect(wireComplaints([30, 4100], [33, 4300])).toEqual([]);
  expect(wireComplaints([32, 4200], [33, 4300])).toEqual([
    "flows have 30 packets, the wire 31 to 32",
    "flows have 4050 bytes, the wire 4100 to 4200",
  ]);
  expect(wireComplaints([16, 2650], [16, 2650], ["10.9."])).toEqual([]);
});
