// What an agent tells of flows that one before it began: connections, tunnels, what a collector never acknowledged, and
// what is left at interfaces that are not watched any more.

import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { holdMounts, startAgent } from "../support/agent.ts";
import { endAgent, hooksOf, MODES, persisting, send, sentBy, unique } from "../support/agent-handover.ts";
import { METRICS_ADDRESS, readMetrics } from "../support/agent-metrics.ts";
import { type AgentSpan, withTransport } from "../support/agent-spans.ts";
import { connect } from "../support/namespace.ts";
import { startCollector } from "../support/namespace-collector.ts";
import { startFlood } from "../support/namespace-flood.ts";
import { makePair } from "../support/namespace-pair.ts";
import type { TestProcess } from "../support/namespace-process.ts";
import { demandSuccess } from "../support/namespace-traffic.ts";
import { addVxlan, makeUnderlay, VXLAN_HEADER_BYTES } from "../support/namespace-tunnel.ts";
import { exchangeDatagrams, tunnelOf } from "../support/namespace-tunnel-traffic.ts";

const SIGNALS = ["SIGTERM", "SIGKILL"] as const;
const TALK: string = new URL("../support/namespace-talk.ts", import.meta.url).pathname;
const PORT = "7300";
const TEST_MS = 60_000;

const tcpSchema = v.looseObject({
  "flow.connection.state": v.string(),
  "flow.tcp.handshake.latency": v.pipe(v.number(), v.integer(), v.minValue(1)),
});
const collectedSchema = v.array(
  v.looseObject({
    spanId: v.string(),
    attributes: v.looseObject({
      "network.transport": v.string(),
      "flow.packets.delta": v.number(),
    }),
  }),
);

/** Has the caller say so many bytes, one after the other. */
async function say(caller: TestProcess, server: TestProcess, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const heard = server.output.length;
    caller.signal("SIGUSR1");
    await server.until(({ output }) => output.length > heard);
  }
}

/** Each span's totals are the sums of the deltas up to it, both ways. */
function expectTotals(spans: readonly AgentSpan[]): void {
  let forward = 0;
  let reverse = 0;
  for (const { attributes } of spans) {
    forward += attributes["flow.packets.delta"];
    reverse += attributes["flow.reverse.packets.delta"];
    const totals = [attributes["flow.packets.total"], attributes["flow.reverse.packets.total"]];
    expect(totals).toEqual([forward, reverse]);
  }
}

describe("an agent that follows another", () => {
  test.each(SIGNALS)(
    "goes on with a connection as it was, after %s",
    async (signal) => {
      await using pair = makePair();
      const [left, right] = pair.hosts;
      const options = { config: persisting(), mountsOf: await holdMounts(left.namespace) };
      const first = await startAgent(left.namespace, options);
      const server = right.namespace.start([process.execPath, TALK, "tcp-serve", right.ipv4.address, PORT]);
      await server.until(({ output }) => output.includes("ready"));
      const caller = left.namespace.start([process.execPath, TALK, "tcp-call", right.ipv4.address, PORT]);
      await caller.until(({ output }) => output.includes("ready"));
      await say(caller, server, 5);
      await first.process.until(({ output }) => output.includes('"network.transport":"tcp"'));
      const { spans } = await endAgent(first, signal);
      await say(caller, server, 5);
      const second = await startAgent(left.namespace, options);
      await say(caller, server, 5);
      caller.signal("SIGTERM");
      await caller.ended();
      await second.process.until(({ output }) => output.includes('"time_wait"'));
      const end = await endAgent(second, "SIGTERM");
      expect(end.stderr).not.toContain("lost_");
      const told = unique(withTransport([...spans, ...end.spans], "tcp"));
      expect(new Set(told.map(({ traceId }) => traceId)).size).toBe(1);
      expectTotals(told);
      // SYN, its last acknowledgement, 15 bytes, FIN and the acknowledgement of the server's.
      expect(told.at(-1)?.attributes["flow.packets.total"]).toBeGreaterThanOrEqual(18);
      const ways = told.map(({ kind, attributes }) => [
        kind,
        attributes["destination.port"],
        attributes["flow.direction"],
      ]);
      expect(new Set(ways.map(String))).toEqual(new Set([`CLIENT,${PORT},forward`]));
      const tcp = told.map(({ attributes }) => v.parse(tcpSchema, attributes));
      expect(new Set(tcp.map((each) => each["flow.tcp.handshake.latency"])).size).toBe(1);
      // Of a record that was not acknowledged only the second telling is looked at.
      for (const each of tcp.slice(0, -1)) expect(each["flow.connection.state"]).toBe("established");
    },
    TEST_MS,
  );

  test.each(SIGNALS)(
    "goes on with what carries a flow, after %s",
    async (signal) => {
      await using pair = makeUnderlay();
      const [client, server] = addVxlan(pair, { vni: 42, underlay: "ipv4" });
      const [left] = pair.hosts;
      const config = { ...persisting(), capture: { persist: true, interfaces: ["left0"] } };
      const options = { config, mountsOf: await holdMounts(left.namespace) };
      const exchange = { ports: [5001, 5002], count: 50, bytes: 100 } as const;
      const first = await startAgent(left.namespace, options);
      await exchangeDatagrams(client.ipv4, server.ipv4, exchange);
      await first.process.until(({ output }) => output.includes('"destination.port":5002'));
      const { spans } = await endAgent(first, signal);
      await exchangeDatagrams(client.ipv4, server.ipv4, exchange);
      const second = await startAgent(left.namespace, options);
      await exchangeDatagrams(client.ipv4, server.ipv4, exchange);
      const end = await endAgent(second, "SIGTERM");
      const all = withTransport([...spans, ...end.spans], "udp");
      const told = unique(all.filter(({ attributes }) => attributes["destination.port"] === 5002));
      expect(new Set(told.map(({ traceId }) => traceId)).size).toBe(1);
      expectTotals(told);
      let overhead = 0;
      for (const span of told) {
        overhead += tunnelOf(span)["tunnel.bytes.delta"];
        expect(span.attributes).toMatchObject({ "tunnel.id": "42", "tunnel.bytes.total": overhead });
      }
      expect(overhead).toBe(150 * VXLAN_HEADER_BYTES.ipv4);
    },
    TEST_MS,
  );

  test.each(SIGNALS)(
    "counts as accounted what it tells, no more and no less, after %s",
    async (signal) => {
      await using pair = makePair();
      const [left] = pair.hosts;
      const config = {
        ...persisting(),
        span: { max_record_interval: "1s", udp_timeout: "1s", icmp_timeout: "1s" },
        metrics: { enabled: true, listen: METRICS_ADDRESS },
      };
      const options = { config, mountsOf: await holdMounts(left.namespace) };
      const first = await startAgent(left.namespace, options);
      const sender = send(pair, 2000);
      await sender.until((process) => sentBy(process) >= 700);
      await endAgent(first, signal);
      await sender.until((process) => sentBy(process) >= 900);
      const second = await startAgent(left.namespace, options);
      await sender.ended();
      // Both flows end, that of the datagrams and that of the errors which they met.
      let metrics = readMetrics(left.namespace);
      for (
        const until = Date.now() + 20_000;
        metrics.get("mermin_flows_active") !== 0 && Date.now() < until;
      ) {
        await Bun.sleep(50);
        metrics = readMetrics(left.namespace);
      }
      const told = metrics.get("mermin_flow_packets_total");
      expect(told).toBeGreaterThan(0);
      expect(metrics.get('mermin_kernel_packets_total{verdict="accounted"}')).toBe(told ?? 0);
      await endAgent(second, "SIGTERM");
    },
    TEST_MS,
  );

  test(
    "tells again what no collector acknowledged, flows that came back since among them",
    async () => {
      await using pair = makePair();
      const [left] = pair.hosts;
      const mountsOf = await holdMounts(left.namespace);
      const configured = (endpoint: string): Parameters<typeof startAgent>[1] => ({
        config: {
          ...persisting(),
          span: { max_record_interval: "1s", udp_timeout: "1s" },
          "export.stdout": { format: "none" },
          "export.otlp": { endpoint, max_batch_interval: "200ms" },
        },
        mountsOf,
      });
      const silent = await startCollector(left.namespace, "stall");
      const first = await startAgent(left.namespace, configured(silent.endpoint));
      const flood = startFlood(left, { kind: "udp", flows: 300, rounds: 3, pauseMs: 1700 });
      await demandSuccess(flood);
      first.process.signal("SIGKILL");
      await first.process.ended();
      const unanswered = v.parse(collectedSchema, await silent.stop());
      const collector = await startCollector(left.namespace, "accept");
      const second = await startAgent(left.namespace, configured(collector.endpoint));
      const { stderr } = await endAgent(second, "SIGTERM");
      expect(stderr).not.toContain("lost_kernel");
      const collected = v.parse(collectedSchema, await collector.stop());
      const told = collected.filter(({ attributes }) => attributes["network.transport"] === "udp");
      expect(told.reduce((sum, { attributes }) => sum + attributes["flow.packets.delta"], 0)).toBeWithin(
        900,
        950,
      );
      const ids = new Set(collected.map(({ spanId }) => spanId));
      expect(unanswered.length).toBeGreaterThan(0);
      expect(unanswered.filter(({ spanId }) => !ids.has(spanId))).toEqual([]);
    },
    TEST_MS,
  );

  test.each(MODES)("leaves nothing at interfaces that it does not watch, attached by %s", async (mode) => {
    await using pair = makePair();
    const [left, right] = pair.hosts;
    connect(
      { namespace: left.namespace, device: "extra0" },
      { namespace: right.namespace, device: "extra1" },
    );
    const mountsOf = await holdMounts(left.namespace);
    const { capture = {}, ...rest } = persisting(mode);
    const extra = { namespace: left.namespace, device: "extra0" };
    const first = await startAgent(left.namespace, { config: { capture, ...rest }, mountsOf });
    expect(await hooksOf(extra, mountsOf)).toHaveLength(2);
    await endAgent(first, "SIGKILL");
    const narrower = { ...rest, capture: { ...capture, exclude: ["extra0"] } };
    const second = await startAgent(left.namespace, { config: narrower, mountsOf });
    expect(await hooksOf(extra, mountsOf)).toEqual([]);
    expect(await hooksOf(left, mountsOf)).toHaveLength(2);
    expect(left.namespace.run("tc", "qdisc", "show", "dev", "extra0")).not.toContain("clsact");
    expect((await endAgent(second, "SIGTERM")).exitCode).toBe(0);
  });
});
