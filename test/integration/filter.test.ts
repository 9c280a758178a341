// [filter.*] on real traffic: every packet that both kernels sent is told or counted as left out, and where.

import { expect, test } from "bun:test";
import { type AgentConfig, type AgentEnd, startAgent } from "../support/agent.ts";
import { packetsSent } from "../support/agent-spans.ts";
import { makePair } from "../support/namespace-pair.ts";
import { demandSuccess, ping, startDatagrams, transfer } from "../support/namespace-traffic.ts";
import { readSent, readWhenQuiet, type Sent, sentBetween } from "../support/witness.ts";

/** Packets of both namespaces, by transport. */
type Packets = Pick<Sent, "tcp" | "udp4" | "icmp4">;

interface Outcome {
  readonly end: AgentEnd;
  /** While the agent watched. */
  readonly sent: Packets;
  /** By the spans. */
  readonly told: Packets;
}

/** A TCP connection to port 7000, datagrams to port 9 that are answered by ICMP, and pings; the agent is on the left. */
async function watch(config: AgentConfig): Promise<Outcome> {
  await using pair = makePair();
  const [left, right] = pair.hosts;
  const agent = await startAgent(left.namespace, {
    config: { span: { max_record_interval: "1s" }, ...config },
  });
  const before = pair.hosts.map(({ namespace }) => readSent(namespace));
  await transfer(left.ipv4, right.ipv4, 1_000_000);
  await demandSuccess(startDatagrams(left.ipv4, right.ipv4, { port: 9, count: 25, batch: 1, pauseMs: 100 }));
  await ping(right.ipv4, left.ipv4, 20);
  const after = await readWhenQuiet(pair.hosts.map(({ namespace }) => namespace));
  const end = await agent.stopped("SIGTERM");
  expect(end.exitCode).toBe(0);
  const sent = after.map((now, index) => sentBetween(before[index] ?? now, now));
  const told = pair.hosts.map(({ addresses }) => packetsSent(end.spans, addresses));
  const none = { tcp: 0, udp4: 0, icmp4: 0 };
  return { end, sent: sent.reduce(add, none), told: told.reduce(add, none) };
}

function add(one: Packets, other: Packets): Packets {
  return { tcp: one.tcp + other.tcp, udp4: one.udp4 + other.udp4, icmp4: one.icmp4 + other.icmp4 };
}

test("a flow that is accepted is told whole, the others are left out in the kernel", async () => {
  const { end, sent, told } = await watch({ "filter.destination.port": { match: ["7000"] } });
  expect(told.tcp).toBe(sent.tcp);
  expect(told.udp4 + told.icmp4).toBe(0);
  expect(end.spans.map(({ attributes }) => attributes["destination.port"])).toContain(7000);
  expect(end.statistics.get("kernel_filtered")).toBe(sent.udp4 + sent.icmp4);
  expect(end.statistics.get("packets_filtered")).toBeUndefined();
  expect(end.statistics.get("created")).toBe(1);
});

test("what only the orientation decides is counted, and left out by the agent", async () => {
  const { end, sent } = await watch({ "filter.source.port": { match: ["7000"] } });
  expect(end.spans).toEqual([]);
  expect(end.statistics.get("packets_filtered")).toBe(sent.tcp);
  expect(end.statistics.get("kernel_filtered")).toBe(sent.udp4 + sent.icmp4);
  expect(end.statistics.get("packets")).toBe(0);
});

test("what the kernel does not know is left out by the agent, every record of the flow", async () => {
  const { end, sent, told } = await watch({ "filter.flow": { min_packets: 50 } });
  expect(told.tcp).toBe(sent.tcp);
  expect(told.udp4 + told.icmp4).toBe(0);
  expect(end.statistics.get("packets_filtered")).toBe(sent.udp4 + sent.icmp4);
  expect(end.statistics.get("kernel_filtered")).toBeUndefined();
  // The datagrams took more than two seconds, so their flow alone has three records.
  expect(end.statistics.get("records_filtered")).toBeGreaterThan(3);
});

test("a connection's state is asked for with every record", async () => {
  const states = ["time_wait", "last_ack", "closed"];
  const { end, sent } = await watch({ "filter.flow.connection_state": { match: states } });
  expect(end.spans).toHaveLength(1);
  for (const { attributes } of end.spans) {
    expect(states).toContain(String(attributes["flow.connection.state"]));
    expect(attributes["flow.packets.total"] + attributes["flow.reverse.packets.total"]).toBe(sent.tcp);
  }
  const told = end.statistics.get("packets") ?? 0;
  expect(told + (end.statistics.get("packets_filtered") ?? 0)).toBe(sent.tcp + sent.udp4 + sent.icmp4);
});

test("an address that no end may have is left out in the kernel", async () => {
  const { end, sent } = await watch({
    "filter.source.address": { not_match: ["10.77.0.0/24"] },
    "filter.network.type": { match: ["ipv4"] },
  });
  expect(end.spans).toEqual([]);
  expect(end.statistics.get("kernel_filtered")).toBe(sent.tcp + sent.udp4 + sent.icmp4);
  expect(end.statistics.get("created")).toBe(0);
});

test("an interface is known by its name", async () => {
  const { sent, told } = await watch({
    "filter.network.interface_name": { match: ["left[0-9]"], not_match: ["left1"] },
  });
  expect(told).toEqual(sent);
});
