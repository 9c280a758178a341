// Packets that pass several hooks of one agent, at once or one after the other: each is told once.

import { describe, expect, test } from "bun:test";
import { until } from "../collector/until.ts";
import { type AgentEnd, startAgent } from "../support/agent.ts";
import { METRICS_ADDRESS, type Metrics, readMetrics } from "../support/agent-metrics.ts";
import { packetsSent } from "../support/agent-spans.ts";
import { bridge, connect, Namespace } from "../support/namespace.ts";
import { iperf, ping, type Speaker, serveIperf, startDatagrams } from "../support/namespace-traffic.ts";
import { readSent, readWhenQuiet, sentBetween } from "../support/witness.ts";

const CONFIG = {
  span: { max_record_interval: "1s", tcp_fin_timeout: "1s", udp_timeout: "1s" },
  metrics: { listen: METRICS_ADDRESS },
};

interface Watched {
  readonly end: AgentEnd;
  readonly metrics: Metrics;
}

/** Has the speakers talk under the eyes of an agent, and demands of its spans what each of them sent. */
async function watch(
  observer: Namespace,
  speakers: readonly Speaker[],
  talk: () => Promise<void>,
): Promise<Watched> {
  const agent = await startAgent(observer, { config: CONFIG });
  const namespaces = speakers.map(({ namespace }) => namespace);
  const before = namespaces.map(readSent);
  await talk();
  const after = await readWhenQuiet(namespaces);
  // Flows end by themselves, not by the agent's end.
  const released = (): number => readMetrics(observer).get("mermin_flows_released_total") ?? 0;
  await until(() => released() > 0);
  const metrics = readMetrics(observer);
  const end = await agent.stopped("SIGTERM");
  expect(end.exitCode).toBe(0);
  speakers.forEach(({ address }, index) => {
    const [first, last] = [before[index], after[index]];
    if (first === undefined || last === undefined) throw new Error("a reading for each speaker");
    // Multicast reports have no speaker's address.
    const { icmp6: _, ...spoken } = packetsSent(end.spans, [address]);
    expect({ speaker: address, ...sentBetween(first, last) }).toMatchObject({
      speaker: address,
      ...spoken,
    });
  });
  return { end, metrics };
}

async function converse(client: Speaker, server: Speaker): Promise<void> {
  await using iperfServer = serveIperf(server);
  await iperf(client, iperfServer, ["-n", "30M", "-w", "128K"]);
  await iperf(client, iperfServer, ["-n", "30M", "-w", "128K", "--reverse"]);
  await iperf(client, iperfServer, ["-u", "-b", "400M", "-n", "3M", "-l", "1200"]);
  await ping(client, server, 10);
}

/** Packets that an interface's hook has seen. */
function seenAt(metrics: Metrics, device: string, hook: "ingress" | "egress"): number {
  return metrics.get(`mermin_packets_total{interface="${device}",hook="${hook}"}`) ?? 0;
}

function speaker(namespace: Namespace, device: string, address: string): Speaker {
  namespace.ip("address", "add", `${address}/24`, "dev", device);
  return { namespace, address };
}

describe("agent on every device of a path", () => {
  test("counts once what passes a bridge and its ports", async () => {
    await using left = new Namespace("left");
    await using right = new Namespace("right");
    await using router = new Namespace("router");
    connect({ namespace: left, device: "left0" }, { namespace: router, device: "port0" });
    connect({ namespace: right, device: "right0" }, { namespace: router, device: "port1" });
    bridge(router, "bridge0", ["port0", "port1"]);
    const speakers = [
      speaker(left, "left0", "10.77.0.1"),
      speaker(right, "right0", "10.77.0.2"),
      speaker(router, "bridge0", "10.77.0.3"),
    ] as const;
    const { metrics } = await watch(router, speakers, async () => {
      await converse(speakers[0], speakers[1]);
      await converse(speakers[0], speakers[2]);
    });
    for (const device of ["port0", "port1", "bridge0"]) {
      for (const hook of ["ingress", "egress"] as const)
        expect(seenAt(metrics, device, hook)).toBeGreaterThan(0);
    }
  });

  test("counts once what passes both ends of a veth pair and two bridges", async () => {
    await using left = new Namespace("left");
    await using right = new Namespace("right");
    await using router = new Namespace("router");
    connect({ namespace: left, device: "left0" }, { namespace: router, device: "port0" });
    connect({ namespace: right, device: "right0" }, { namespace: router, device: "port1" });
    connect({ namespace: router, device: "inner0" }, { namespace: router, device: "inner1" });
    bridge(router, "bridge0", ["port0", "inner0"]);
    bridge(router, "bridge1", ["port1", "inner1"]);
    const speakers = [speaker(left, "left0", "10.77.0.1"), speaker(right, "right0", "10.77.0.2")] as const;
    const { metrics } = await watch(router, speakers, () => converse(speakers[0], speakers[1]));
    for (const device of ["port0", "port1", "inner0", "inner1"]) {
      for (const hook of ["ingress", "egress"] as const)
        expect(seenAt(metrics, device, hook)).toBeGreaterThan(0);
    }
  });

  test("counts once what passes a device stacked on another", async () => {
    await using left = new Namespace("left");
    await using right = new Namespace("right");
    connect({ namespace: left, device: "left0" }, { namespace: right, device: "right0" });
    right.ip("link", "add", "upper0", "link", "right0", "type", "macvlan", "mode", "bridge");
    right.ip("link", "set", "upper0", "addrgenmode", "none", "up");
    const speakers = [speaker(left, "left0", "10.77.0.1"), speaker(right, "upper0", "10.77.0.2")] as const;
    const { metrics } = await watch(right, speakers, () => converse(speakers[0], speakers[1]));
    for (const device of ["right0", "upper0"]) {
      for (const hook of ["ingress", "egress"] as const)
        expect(seenAt(metrics, device, hook)).toBeGreaterThan(0);
    }
  });
});

/** Two namespaces with two ways between them; each speaks from an address that belongs to neither. */
interface Ways extends AsyncDisposable {
  readonly left: Speaker;
  readonly right: Speaker;
  /** Sends what goes from left to right over the way of this number from now on. */
  take(way: 0 | 1): void;
}

function makeWays(): Ways {
  const namespaces = [new Namespace("left"), new Namespace("right")] as const;
  const [left, right] = [
    { namespace: namespaces[0], address: "10.88.0.1" },
    { namespace: namespaces[1], address: "10.88.0.2" },
  ];
  for (const way of [0, 1]) {
    connect(
      { namespace: left.namespace, device: `left${way}` },
      { namespace: right.namespace, device: `right${way}` },
    );
    left.namespace.ip("address", "add", `10.77.${way}.1/24`, "dev", `left${way}`);
    right.namespace.ip("address", "add", `10.77.${way}.2/24`, "dev", `right${way}`);
  }
  for (const { namespace, address } of [left, right]) namespace.ip("address", "add", address, "dev", "lo");
  const take = (way: 0 | 1): void => {
    left.namespace.ip("route", "replace", right.address, "via", `10.77.${way}.2`, "src", left.address);
  };
  take(0);
  right.namespace.ip("route", "add", left.address, "via", "10.77.0.1", "src", right.address);
  return {
    left,
    right,
    take,
    [Symbol.asyncDispose]: async () => {
      for (const namespace of namespaces) await namespace[Symbol.asyncDispose]();
    },
  };
}

describe("agent on both ways of a flow", () => {
  // 20 datagrams every 5 ms: some 0.2 s, respectively 2 s, after the move.
  test.each([
    ["that ends at once", 1_000],
    ["that goes on for longer than an owner may be silent", 9_000],
  ])("loses no datagram of a flow %s after its route has moved", async (_, rest) => {
    await using ways = makeWays();
    const { left, right } = ways;
    const { metrics } = await watch(left.namespace, [left], async () => {
      const sender = startDatagrams(left, right, { port: 9, count: 1000 + rest, batch: 20, pauseMs: 4 });
      await sender.until(({ output }) => output.includes("sent 1000\n"));
      ways.take(1);
      expect((await sender.ended()).exitCode).toBe(0);
    });
    for (const device of ["left0", "left1"]) expect(seenAt(metrics, device, "egress")).toBeGreaterThan(200);
  });

  test.each([
    ["that ends at once", 0.75],
    ["that goes on for longer than an owner may be silent", 0.3],
  ])("loses no segment of a flow %s after its route has moved", async (_, share) => {
    await using ways = makeWays();
    const { left, right } = ways;
    const segments = 25_000_000 / 1448;
    const { metrics } = await watch(left.namespace, [left], async () => {
      await using server = serveIperf(right);
      const before = readSent(left.namespace).tcp;
      const run = iperf(left, server, ["-n", "25000000", "-b", "70M"]);
      await until(() => readSent(left.namespace).tcp - before > share * segments);
      ways.take(1);
      await run;
    });
    for (const device of ["left0", "left1"]) expect(seenAt(metrics, device, "egress")).toBeGreaterThan(200);
  });
});
