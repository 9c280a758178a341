// The agent where there is more than it has room for: tables of a few thousand flows, a ring of 64 KiB, senders at full
// speed. Each packet that was sent is told, or counted as lost for a reason; a quiet conversation is told whole.

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type Agent, type AgentConfig, type AgentEnd, startAgent } from "../support/agent.ts";
import { countLost } from "../support/agent-losses.ts";
import { type AgentSpan, withTransport } from "../support/agent-spans.ts";
import { countFlooded, serveExchanges, startExchange, startFlood } from "../support/namespace-flood.ts";
import { makePair } from "../support/namespace-pair.ts";
import type { TestProcess } from "../support/namespace-process.ts";
import { demandSuccess } from "../support/namespace-traffic.ts";

/** Of the agent's memory at its peak: what it has at rest, and what any flood may add. */
const MOST_RESIDENT_BYTES = 300e6;

function config(tableCapacity: number): AgentConfig {
  return { flow: { table_capacity: tableCapacity, ring_buffer_bytes: "64KiB" } };
}

function packetsOf(spans: readonly AgentSpan[]): number {
  return spans.reduce(
    (sum, { attributes }) =>
      sum + attributes["flow.packets.delta"] + attributes["flow.reverse.packets.delta"],
    0,
  );
}

/** Every packet is in a span or in a loss, and no span was lost. */
function expectSum({ exitCode, spans, statistics }: AgentEnd, sent: number): void {
  const lost = countLost(statistics);
  const spansLost = [...statistics.keys()].filter((name) => /^lost_(decorate|queue|export)_/.test(name));
  expect({ exitCode, spansLost, records: statistics.get("records") }).toEqual({
    exitCode: 0,
    spansLost: [],
    records: spans.length,
  });
  expect(packetsOf(spans)).toBe(statistics.get("packets") ?? Number.NaN);
  expect(packetsOf(spans) + lost).toBe(sent);
}

function peakResidentBytes({ process: { pid } }: Agent): number {
  const [, kibibytes] = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kibibytes) * 1024;
}

function byReason(spans: readonly AgentSpan[]): Readonly<Record<string, number>> {
  const reasons = Map.groupBy(spans, ({ attributes }) => attributes["flow.end_reason"]);
  return Object.fromEntries([...reasons].map(([reason, { length }]) => [reason, length]));
}

describe("agent under overload", () => {
  test("tells quiet exchanges exactly beside a SYN flood at full speed, and counts every packet", async () => {
    await using pair = makePair();
    const [left, right] = pair.hosts;
    const agent = await startAgent(left.namespace, { config: config(1024) });
    const quiet = [
      { port: 40_000, count: 60, pauseMs: 100 },
      { port: 40_001, count: 5, pauseMs: 1500 },
    ];
    await serveExchanges(right.ipv4);
    const exchanges: TestProcess[] = [];
    for (const each of quiet) exchanges.push(await startExchange(left.ipv4, right.ipv4, each));
    const flood = startFlood(left, { kind: "syn", flows: 30_000, rounds: 12, pauseMs: 500 });
    for (const each of [flood, ...exchanges]) await demandSuccess(each);
    const peak = peakResidentBytes(agent);
    const end = await agent.stopped("SIGTERM");
    expectSum(end, countFlooded(flood) + 2 * (60 + 5));
    const told = withTransport(end.spans, "udp").map(({ attributes }) => attributes);
    for (const { port, count } of quiet) {
      expect(told.filter((each) => each["source.port"] === port)).toMatchObject([
        {
          "source.address": left.ipv4.address,
          "flow.end_reason": "forced_end",
          "flow.packets.total": count,
          "flow.reverse.packets.total": count,
          "flow.bytes.total": count * 108,
          "flow.reverse.bytes.total": count * 108,
        },
      ]);
    }
    expect(byReason(end.spans)["lack_of_resources"]).toBeGreaterThan(1024);
    const [begun, ended] = [/flow table nearly full/g, /flow table has room again/g].map(
      (line) => end.stderr.match(line)?.length ?? 0,
    );
    expect(begun).toBeGreaterThan(0);
    expect([begun, (begun ?? 0) - 1]).toContain(ended);
    expect(peak).toBeLessThan(MOST_RESIDENT_BYTES);
  }, 60_000);

  test("counts on where it was stopped for seconds: by the table, where the ring was full", async () => {
    await using pair = makePair();
    const [left] = pair.hosts;
    const flows = 3000;
    const agent = await startAgent(left.namespace, { config: config(4096) });
    agent.process.signal("SIGSTOP");
    const flood = startFlood(left, { kind: "udp", flows, rounds: 50, pauseMs: 100 });
    await flood.until((process) => countFlooded(process) >= 30 * flows);
    agent.process.signal("SIGCONT");
    await demandSuccess(flood);
    const end = await agent.stopped("SIGTERM");
    expectSum(end, 50 * flows);
    expect(packetsOf(end.spans)).toBe(50 * flows);
    expect(end.spans).toHaveLength(flows);
    expect(end.statistics.get("lost_ring_ring_full")).toBeGreaterThan(0);
  }, 60_000);

  test("counts every packet where it was stopped during a flood that its table has no room for", async () => {
    await using pair = makePair();
    const [left] = pair.hosts;
    const agent = await startAgent(left.namespace, { config: config(1024) });
    const flood = startFlood(left, { kind: "syn", flows: 5000, rounds: 50, pauseMs: 100 });
    await agent.process.until(({ errors }) => errors.includes("flow table nearly full"));
    agent.process.signal("SIGSTOP");
    await flood.until((process) => countFlooded(process) >= 35 * 5000);
    agent.process.signal("SIGCONT");
    await demandSuccess(flood);
    const end = await agent.stopped("SIGTERM");
    expectSum(end, 50 * 5000);
    expect(end.statistics.get("lost_kernel_map_full")).toBeGreaterThan(0);
  }, 60_000);

  test("counts every packet of more flows than its table holds, of many packets each", async () => {
    await using pair = makePair();
    const [left] = pair.hosts;
    const agent = await startAgent(left.namespace, { config: config(1024) });
    const flood = startFlood(left, { kind: "udp", flows: 3000, rounds: 60, pauseMs: 50 });
    await demandSuccess(flood);
    const peak = peakResidentBytes(agent);
    const end = await agent.stopped("SIGTERM");
    expectSum(end, 60 * 3000);
    expect(peak).toBeLessThan(MOST_RESIDENT_BYTES);
  }, 60_000);
});
