// TCP as it is: what a kernel sent again, by its own count, and how long a server took, by both ends' own clocks.

import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { type Agent, startAgent } from "../support/agent.ts";
import { type AgentSpan, withTransport } from "../support/agent-spans.ts";
import { attachForeign } from "../support/namespace-foreign.ts";
import { makePair, type Pair } from "../support/namespace-pair.ts";
import { demandSuccess, transfer } from "../support/namespace-traffic.ts";
import { readSent, readWhenQuiet, sentBetween } from "../support/witness.ts";

const REQUESTS: string = new URL("../support/namespace-requests.ts", import.meta.url).pathname;
const CLSACT = { kind: "clsact", priority: 1 } as const;

const nanoseconds = v.pipe(v.number(), v.integer(), v.minValue(0));
const tcpSchema = v.looseObject({
  "flow.connection.state": v.string(),
  "flow.tcp.retransmits": v.optional(nanoseconds, 0),
  "flow.tcp.out_of_order": v.optional(nanoseconds, 0),
  "flow.reverse.tcp.retransmits": v.optional(nanoseconds, 0),
  "flow.reverse.tcp.out_of_order": v.optional(nanoseconds, 0),
  "flow.tcp.svc.latency": v.optional(nanoseconds),
  "flow.tcp.svc.jitter": v.optional(nanoseconds),
  "flow.tcp.rndtrip.latency": v.optional(nanoseconds),
  "flow.tcp.rndtrip.jitter": v.optional(nanoseconds),
});
type TcpAttributes = v.InferOutput<typeof tcpSchema>;

function startOn(pair: Pair, host: 0 | 1, interval = "60s"): Promise<Agent> {
  return startAgent(pair.hosts[host].namespace, { config: { span: { max_record_interval: interval } } });
}

async function tcpOf(agent: Agent): Promise<readonly (AgentSpan & { readonly tcp: TcpAttributes })[]> {
  const { exitCode, spans } = await agent.stopped("SIGTERM");
  expect(exitCode).toBe(0);
  return withTransport(spans, "tcp").map((span) => ({ ...span, tcp: v.parse(tcpSchema, span.attributes) }));
}

/** The left end asks; each end's own mean, in ns. */
async function exchange(
  pair: Pair,
  { count, waitMs, thinkMs }: { readonly count: number; readonly waitMs: number; readonly thinkMs: number },
): Promise<{ readonly latencyNs: number; readonly waitedNs: number }> {
  const [left, right] = pair.hosts;
  const server = right.namespace.start([
    ...[process.execPath, REQUESTS, "server", right.ipv4.address, String(waitMs)],
  ]);
  await server.until(({ errors }) => errors.includes("listening"));
  const words = [left.ipv4.address, right.ipv4.address, String(count), String(thinkMs)];
  const client = left.namespace.start([process.execPath, REQUESTS, "client", ...words]);
  await demandSuccess(client);
  await server.until(({ output }) => output.endsWith("\n"));
  return { latencyNs: Number(client.output), waitedNs: Number(server.output) };
}

describe("agent, of TCP", () => {
  test("tells how long a server took, between what both ends measured, without think time", async () => {
    await using pair = makePair();
    const [left, right] = pair.hosts;
    // With a default route the other end of the veth is the world, not a workload of this node.
    right.namespace.ip("route", "add", "default", "via", left.ipv4.address);
    const agents = [await startOn(pair, 0), await startOn(pair, 1)] as const;
    const { latencyNs, waitedNs } = await exchange(pair, { count: 10, waitMs: 30, thinkMs: 100 });
    const [client, ...others] = await tcpOf(agents[0]);
    const [server, ...more] = await tcpOf(agents[1]);
    expect([others, more]).toEqual([[], []]);
    expect([client?.kind, server?.kind]).toEqual(["CLIENT", "SERVER"]);
    const rndtripNs = client?.tcp["flow.tcp.rndtrip.latency"] ?? Number.NaN;
    const svcNs = server?.tcp["flow.tcp.svc.latency"] ?? Number.NaN;
    expect(svcNs).toBeWithin(waitedNs, latencyNs + 1);
    expect(rndtripNs).toBeWithin(svcNs, latencyNs + 1);
    expect(client?.tcp["flow.tcp.rndtrip.jitter"]).toBeLessThan(rndtripNs);
    expect(server?.tcp["flow.tcp.svc.jitter"]).toBeLessThan(svcNs);
    expect(client?.tcp).not.toHaveProperty(["flow.tcp.svc.latency"]);
    expect(server?.tcp).not.toHaveProperty(["flow.tcp.rndtrip.latency"]);
    expect(client?.tcp["flow.connection.state"]).toBe("time_wait");
    expect(server?.tcp["flow.connection.state"]).toBe("time_wait");
  });

  test("tells as retransmits what the kernel sent again when requests were lost", async () => {
    await using pair = makePair();
    const [left, right] = pair.hosts;
    const agent = await startOn(pair, 0);
    await attachForeign(right, CLSACT, { every: 5, leastBytes: 500 });
    const before = pair.hosts.map(({ namespace }) => readSent(namespace));
    await exchange(pair, { count: 30, waitMs: 0, thinkMs: 0 });
    const after = await readWhenQuiet([left.namespace, right.namespace]);
    const again = before.map((each, index) => sentBetween(each, after[index] ?? each).tcpAgain);
    const [span, ...others] = await tcpOf(agent);
    expect(others).toEqual([]);
    expect(again[0]).toBeGreaterThanOrEqual(5);
    const { tcp } = span ?? {};
    // A lost request acknowledges the response before it: that is sent again too.
    expect([tcp?.["flow.tcp.retransmits"], tcp?.["flow.reverse.tcp.retransmits"]]).toEqual(again);
    expect([tcp?.["flow.tcp.out_of_order"], tcp?.["flow.reverse.tcp.out_of_order"]]).toEqual([0, 0]);
  });

  test("tells each segment of a lossy transfer that was sent again, over all records", async () => {
    await using pair = makePair();
    const [left, right] = pair.hosts;
    const agent = await startOn(pair, 0, "1s");
    await attachForeign(right, CLSACT, { every: 97, leastBytes: 500 });
    const before = readSent(left.namespace);
    await transfer(left.ipv4, right.ipv4, 100_000_000);
    const [after] = await readWhenQuiet([left.namespace]);
    const { tcpAgain } = sentBetween(before, after ?? before);
    const spans = await tcpOf(agent);
    const told = spans.reduce(
      (sum, { tcp }) => sum + tcp["flow.tcp.retransmits"] + tcp["flow.tcp.out_of_order"],
      0,
    );
    expect(tcpAgain).toBeGreaterThan(0);
    expect(told).toBe(tcpAgain);
  });
});
