// Translated conversations while something changes: the agent comes late, is followed by another, loses events, or
// conntrack forgets, uses a port again, or is not asked.

import { describe, expect, test } from "bun:test";
import { type Agent, type AgentEnd, holdMounts, startAgent } from "../support/agent.ts";
import { endAgent, persisting, unique } from "../support/agent-handover.ts";
import { type AgentSpan, withTransport } from "../support/agent-spans.ts";
import { makeTranslatingNode, SERVICE } from "../support/namespace-nat.ts";
import {
  askMany,
  attributeOf,
  flushConntrack,
  lossesOf,
  natOf,
  packetsOf,
  serveBackend,
  startAsking,
} from "../support/namespace-nat-talk.ts";
import type { Node } from "../support/namespace-node.ts";
import type { TestProcess } from "../support/namespace-process.ts";
import { demandSuccess, type Speaker, startDatagrams } from "../support/namespace-traffic.ts";

const QUICK = { flow: { poll_interval: "200ms" } };
const ASKED = 40;
const FOLLOWED = "conntrack is followed";

/** 40 requests, 50 ms apart. */
function ask(speaker: Speaker, to: string): TestProcess {
  return startAsking(speaker, { from: 41_000, to, count: ASKED, pauseMs: 50 });
}

function expectNoLoss(end: AgentEnd): void {
  expect(lossesOf(end)).toEqual([]);
}

describe("an agent and a translating node", () => {
  test("that was translating before it came: the listing tells", async () => {
    await using node = await makeTranslatingNode();
    await serveBackend(node.outside);
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
      await serveBackend(node.otherPod);
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
    await serveBackend(outside);
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
    await serveBackend(node.otherPod);
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
    await serveBackend(node.otherPod);
    const agent = await startAgent(node.namespace, { config: { ...QUICK, capture: { conntrack: "off" } } });
    await askMany(node.pod, SERVICE.local, 1);
    const end = await agent.stopped("SIGTERM");
    const spans = withTransport(end.spans, "udp");
    expect(spans.map(({ attributes }) => attributes["destination.address"]).toSorted()).toEqual(
      [node.otherPod.address, SERVICE.local].toSorted(),
    );
    expect(spans.map(natOf)).toEqual([undefined, undefined]);
  }, 60_000);

  test("whose conntrack is emptied in the middle: one record, and what is not translated then tells nothing of it", async () => {
    await using node = await makeTranslatingNode();
    const { namespace, pod, otherPod } = node;
    await serveBackend(otherPod);
    const agent = await startAgent(namespace, { config: QUICK });
    const asking = { from: 41_000, to: SERVICE.local, count: ASKED };
    await demandSuccess(startAsking(pod, asking));
    flushConntrack(namespace);
    await demandSuccess(startAsking(pod, asking));
    namespace.run("nft", "flush", "ruleset");
    flushConntrack(namespace);
    const port = 7000;
    await demandSuccess(startDatagrams(pod, { ...pod, address: SERVICE.local }, { port, count: 3 }));
    const end = await agent.stopped("SIGTERM");
    const spans = withTransport(end.spans, "udp");
    const [translated, others] = [spans.filter(natOf), spans.filter((span) => natOf(span) === undefined)];
    expect(translated.map(natOf)).toEqual([otherPod.address]);
    expect(packetsOf(translated)).toEqual([2 * ASKED, 2 * ASKED]);
    expect(others.map((span) => attributeOf(span, "destination.address"))).toEqual([SERVICE.local]);
    expect(packetsOf(others)).toEqual([3, 0]);
    expect(end.statistics.get("packets_translated")).toBe(4 * ASKED);
    expectNoLoss(end);
  }, 60_000);

  test("that sends a port's datagrams to another backend: one trace, and who answers only while it is one", async () => {
    await using node = await makeTranslatingNode();
    const { namespace, pod, otherPod, outside } = node;
    for (const backend of [otherPod, outside]) await serveBackend(backend);
    const agent = await startAgent(namespace, { config: { ...QUICK, span: { max_record_interval: "1s" } } });
    const asking = { from: 41_000, to: SERVICE.local, count: ASKED };
    await demandSuccess(startAsking(pod, asking));
    await agent.process.until(({ output }) => output.includes('"flow.nat.community_id"'));
    namespace.run("nft", "flush", "chain", "ip", "nat", "before");
    const rule = ["ip", "daddr", SERVICE.local, "dnat", "to", outside.address];
    namespace.run("nft", "add", "rule", "ip", "nat", "before", ...rule);
    flushConntrack(namespace);
    await demandSuccess(startAsking(pod, asking));
    const end = await agent.stopped("SIGTERM");
    const spans = withTransport(end.spans, "udp");
    expect(spans.map(({ attributes }) => attributes["destination.address"])).toEqual(
      spans.map(() => SERVICE.local),
    );
    expect([...new Set(spans.map(natOf))]).toStrictEqual([otherPod.address, undefined]);
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
    expect(packetsOf(spans)).toEqual([2 * ASKED, 2 * ASKED]);
    expectNoLoss(end);
  }, 60_000);

  test("whose kernel tells nothing at first: two records, then one, and a line at either change", async () => {
    await using node = await makeTranslatingNode();
    const { namespace, pod, otherPod } = node;
    const setEvents = (value: number): void =>
      void namespace.run("sysctl", "-q", "-w", `net.netfilter.nf_conntrack_events=${value}`);
    setEvents(0);
    await serveBackend(otherPod);
    const agent = await startAgent(namespace, { config: { ...QUICK, span: { udp_timeout: "1s" } } });
    await demandSuccess(startAsking(pod, { from: 41_000, to: SERVICE.local, count: 3 }));
    await agent.process.until(({ output }) => output.split("\n").length > 2);
    setEvents(1);
    await agent.process.until(({ errors }) => errors.includes(FOLLOWED));
    await demandSuccess(startAsking(pod, { from: 41_001, to: SERVICE.local, count: 5 }));
    const end = await agent.stopped("SIGTERM");
    const spans = withTransport(end.spans, "udp");
    const told = (port: number): readonly AgentSpan[] =>
      spans.filter((span) => attributeOf(span, "source.port") === port);
    expect(told(41_000).map((span) => [natOf(span), ...packetsOf([span])])).toEqual([
      [undefined, 3, 3],
      [undefined, 3, 3],
    ]);
    expect(told(41_001).map((span) => [natOf(span), ...packetsOf([span])])).toEqual([
      [otherPod.address, 5, 5],
    ]);
    const lines = end.stderr.split("\n").filter((line) => line.includes("conntrack is"));
    expect(lines).toHaveLength(2);
    expect(lines[0]).toContain("nf_conntrack_events is 0");
    expectNoLoss(end);
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
