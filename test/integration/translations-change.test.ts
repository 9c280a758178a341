// Translated conversations while something changes: the agent comes late, is followed by another, loses events, or
// conntrack forgets, uses a port again, or is not asked.

import { describe, expect, test } from "bun:test";
import { openProbe } from "../../src/capture/probe.ts";
import { watchNamespace } from "../../src/capture/watched-namespace.ts";
import { createLogger } from "../../src/lib/log.ts";
import { TranslationFeed } from "../../src/translation-feed.ts";
import { type Agent, type AgentEnd, holdMounts, startAgent } from "../support/agent.ts";
import { endAgent, persisting, unique } from "../support/agent-handover.ts";
import { type AgentSpan, withTransport } from "../support/agent-spans.ts";
import { BACKEND_PORT, makeTranslatingNode, SERVICE } from "../support/namespace-nat.ts";
import type { Neighbour, Node } from "../support/namespace-node.ts";
import type { TestProcess } from "../support/namespace-process.ts";
import { demandSuccess } from "../support/namespace-traffic.ts";
import { newTable } from "../unit/flow/driver.ts";

const EXCHANGE = new URL("../support/namespace-flood-exchange.ts", import.meta.url).pathname;
const MANY = new URL("../support/namespace-many.ts", import.meta.url).pathname;
const QUICK = { flow: { poll_interval: "200ms" } };
const ASKED = 40;

async function serve({ namespace, address }: Neighbour): Promise<void> {
  const started = namespace.start([process.execPath, EXCHANGE, "serve", address, String(BACKEND_PORT)]);
  await started.until(({ output }) => output.includes("ready"));
}

/** 40 requests, 50 ms apart. */
function ask({ namespace, address }: Neighbour, to: string): TestProcess {
  const words = [address, 41_000, to, BACKEND_PORT, ASKED, 50].map(String);
  return namespace.start([process.execPath, EXCHANGE, "ask", ...words]);
}

async function askMany({ namespace, address }: Neighbour, to: string, count: number): Promise<void> {
  await demandSuccess(
    namespace.start([process.execPath, MANY, address, to, String(BACKEND_PORT), String(count)]),
  );
}

function attribute({ attributes }: AgentSpan, name: string): unknown {
  return Object.entries(attributes).find(([key]) => key === name)?.[1];
}

function natOf(span: AgentSpan): unknown {
  return attribute(span, "flow.nat.destination.address");
}

/** Packets of both ways that these spans tell. */
function packetsOf(spans: readonly AgentSpan[]): readonly [number, number] {
  const sum = (name: "flow.packets.delta" | "flow.reverse.packets.delta"): number =>
    spans.reduce((all, { attributes }) => all + attributes[name], 0);
  return [sum("flow.packets.delta"), sum("flow.reverse.packets.delta")];
}

function expectNoLoss({ statistics }: AgentEnd): void {
  expect([...statistics.keys()].filter((name) => name.startsWith("lost_"))).toEqual([]);
}

describe("an agent and a translating node", () => {
  test("that was translating before it came: the listing tells", async () => {
    await using node = await makeTranslatingNode();
    await serve(node.outside);
    const asking = ask(node.pod, SERVICE.remote);
    await asking.until(({ output }) => output.includes("asked 5\n"));
    const agent = await startAgent(node.namespace, { config: QUICK });
    await demandSuccess(asking);
    const end = await agent.stopped("SIGTERM");
    const spans = withTransport(end.spans, "udp");
    expect(spans.map(natOf)).toEqual([node.outside.address]);
    expect(spans[0]?.attributes["destination.address"]).toBe(SERVICE.remote);
    expect(spans[0]?.attributes["source.port"]).toBe(41_000);
    expectNoLoss(end);
  }, 60_000);

  test.each(["SIGTERM", "SIGKILL"] as const)(
    "and the next agent, after %s: one trace, counted once",
    async (signal) => {
      await using node = await makeTranslatingNode();
      await serve(node.otherPod);
      const options = { config: persisting(), mountsOf: await holdMounts(node.namespace) };
      const first = await startAgent(node.namespace, options);
      const asking = ask(node.pod, SERVICE.local);
      await first.process.until(({ output }) => output.includes('"flow.nat.community_id"'));
      const before = await endOf(first, signal);
      const second = await startAgent(node.namespace, options);
      await demandSuccess(asking);
      const after = await second.stopped("SIGTERM");
      const spans = unique([...before, ...withTransport(after.spans, "udp")]);
      expect(spans.length).toBeGreaterThan(1);
      expect(new Set(spans.map((span) => [span.traceId, natOf(span)].join(" "))).size).toBe(1);
      expect(spans.map(natOf)).not.toContain(undefined);
      expect(packetsOf(spans)).toEqual([ASKED, ASKED]);
      expectNoLoss(after);
    },
    60_000,
  );

  test("whose conntrack forgets before the flow is told", async () => {
    await using node = await makeTranslatingNode();
    const { pod, outside } = node;
    await serve(outside);
    const agent = await startAgent(node.namespace, { config: QUICK });
    await askMany(pod, SERVICE.remote, 1);
    // With an address goes what was masqueraded as it.
    node.namespace.ip("address", "del", `${outside.node.address}/24`, "dev", outside.device);
    await conntrackIsEmpty(node);
    const end = await agent.stopped("SIGTERM");
    expect(withTransport(end.spans, "udp").map(natOf)).toEqual([outside.address]);
    expect(end.statistics.get("packets_translated")).toBe(2);
    expectNoLoss(end);
  }, 60_000);

  test("with hundreds of short conversations: a record each", async () => {
    await using node = await makeTranslatingNode();
    await serve(node.otherPod);
    const agent = await startAgent(node.namespace, { config: QUICK });
    await askMany(node.pod, SERVICE.local, 400);
    const end = await agent.stopped("SIGTERM");
    const spans = withTransport(end.spans, "udp");
    expect(spans).toHaveLength(400);
    expect(new Set(spans.map(natOf))).toEqual(new Set([node.otherPod.address]));
    expect(packetsOf(spans)).toEqual([400, 400]);
    expect(end.statistics.get("packets_translated")).toBe(800);
    expectNoLoss(end);
  }, 60_000);

  test("that gives a port used again to another backend: a record for each connection", async () => {
    await using node = await makeTranslatingNode();
    const agent = await startAgent(node.namespace, { config: QUICK });
    for (const { namespace, address } of [node.outside, node.otherPod]) {
      const sink = namespace.start(["nc", "-n", "-v", "-k", "-l", address, "7000"]);
      await sink.until(({ errors }) => errors.includes("Listening"));
    }
    node.pod.namespace.run(
      "sysctl",
      "-q",
      "-w",
      "net.ipv4.tcp_tw_reuse=1",
      "net.ipv4.ip_local_port_range=41000 41000",
    );
    const call = `echo hello | nc -n -N ${SERVICE.turns} 7000 2>/dev/null`;
    for (let calls = 0; calls < 4; calls++)
      await demandSuccess(node.pod.namespace.start(["sh", "-c", `until ${call}; do sleep 0.1; done`]));
    const end = await agent.stopped("SIGTERM");
    const spans = withTransport(end.spans, "tcp");
    const { outside, otherPod } = node;
    expect(spans.map(natOf)).toEqual([outside, otherPod, outside, otherPod].map(({ address }) => address));
    expect(new Set(spans.map((span) => span.traceId)).size).toBe(2);
    expectNoLoss(end);
  }, 60_000);

  test("that is not to be asked: two records", async () => {
    await using node = await makeTranslatingNode();
    await serve(node.otherPod);
    const agent = await startAgent(node.namespace, { config: { ...QUICK, capture: { conntrack: "off" } } });
    await askMany(node.pod, SERVICE.local, 1);
    const end = await agent.stopped("SIGTERM");
    const spans = withTransport(end.spans, "udp");
    expect(spans.map(({ attributes }) => attributes["destination.address"]).toSorted()).toEqual(
      [node.otherPod.address, SERVICE.local].toSorted(),
    );
    expect(spans.map(natOf)).toEqual([undefined, undefined]);
  }, 60_000);

  test("whose kernel tells nothing: two records, and one line that says why", async () => {
    await using node = await makeTranslatingNode();
    node.namespace.run("sysctl", "-q", "-w", "net.netfilter.nf_conntrack_events=0");
    await serve(node.otherPod);
    const agent = await startAgent(node.namespace, { config: QUICK });
    await askMany(node.pod, SERVICE.local, 1);
    const end = await agent.stopped("SIGTERM");
    expect(withTransport(end.spans, "udp")).toHaveLength(2);
    expect(end.stderr.split("\n").filter((line) => line.includes("conntrack is not followed"))).toHaveLength(
      1,
    );
    expect(end.stderr).toContain("nf_conntrack_events is 0");
  }, 60_000);

  test("whose events are lost: all is listed anew", async () => {
    await using node = await makeTranslatingNode();
    await serve(node.otherPod);
    watchNamespace(node.namespace.path);
    try {
      using probe = openProbe({ tableCapacity: 1024, ringBufferBytes: 1 << 18, isReplay: false });
      const table = newTable();
      const log = createLogger({ level: "error", format: "text" });
      const feed = new TranslationFeed({ probe, translator: table.translator, log, receiveBytes: 4096 });
      feed.start(0);
      await askMany(node.pod, SERVICE.local, 100);
      for (let turn = 0; turn < 50; turn++) {
        feed.read();
        feed.apply(turn);
      }
      expect(feed.stats()).toEqual({ isFollowed: true, resyncs: 1, interruptions: 0 });
      expect(table.stats().translations).toBe(100);
    } finally {
      watchNamespace("");
    }
  }, 60_000);
});

/** The spans of UDP that an agent told to its end; the line that SIGKILL cut off was not. */
async function endOf(agent: Agent, signal: NodeJS.Signals): Promise<readonly AgentSpan[]> {
  const { spans } = await endAgent(agent, signal);
  return withTransport(spans, "udp");
}

async function conntrackIsEmpty({ namespace }: Node): Promise<void> {
  const wait = 'until [ "$(sysctl -n net.netfilter.nf_conntrack_count)" = 0 ]; do sleep 0.1; done';
  await demandSuccess(namespace.start(["sh", "-c", wait]));
}
