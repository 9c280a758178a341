// Agents one after the other over the same pins, while traffic runs: each packet is told once, in records that go on.

import { describe, expect, test } from "bun:test";
import { type AgentConfig, type AgentEnd, holdMounts, startAgent } from "../support/agent.ts";
import { type AgentSpan, withTransport } from "../support/agent-spans.ts";
import { makePair, type Pair } from "../support/namespace-pair.ts";
import { runCommand, type TestProcess } from "../support/namespace-process.ts";

const PORT = 9000;
const MODES = ["tcx", "clsact"] as const;

function config(attachMode: (typeof MODES)[number] = "tcx", persist = true): AgentConfig {
  return {
    capture: { persist, attach_mode: attachMode },
    flow: { poll_interval: "100ms" },
    span: { max_record_interval: "1s" },
  };
}

/** A sender of `count` datagrams in small batches, which says how many went out. */
function send({ hosts: [left, right] }: Pair, count: number): TestProcess {
  const script = new URL("../support/namespace-datagrams.ts", import.meta.url).pathname;
  const words = [left.ipv4.address, right.ipv4.address, String(PORT), String(count), "10", "10"];
  return left.namespace.start([process.execPath, script, ...words]);
}

function sentBy({ output }: TestProcess): number {
  return Number(/sent (\d+)\n$/.exec(output)?.[1] ?? 0);
}

/** The spans of the datagrams; of those with one span id the last, which has what was told again and more. */
function told(ends: readonly AgentEnd[]): readonly AgentSpan[] {
  const spans = withTransport(
    ends.flatMap((end) => end.spans),
    "udp",
  ).filter(({ attributes }) => attributes["destination.port"] === PORT);
  return [...new Map(spans.map((span) => [span.spanId, span])).values()];
}

/** One conversation: one trace, totals that rise by each record's delta, and all of it sent. */
function expectWhole(spans: readonly AgentSpan[], sent: number): void {
  expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
  let packets = 0;
  let bytes = 0;
  for (const { attributes } of spans) {
    packets += attributes["flow.packets.delta"];
    bytes += attributes["flow.bytes.delta"];
    expect([attributes["flow.packets.total"], attributes["flow.bytes.total"]]).toEqual([packets, bytes]);
  }
  expect([packets, bytes]).toEqual([sent, sent * 128]);
}

function pinsOf(mounts: TestProcess): readonly string[] {
  const words = [`--mount=/proc/${mounts.pid}/ns/mnt`, "find", "/sys/fs/bpf", "-mindepth", "1"];
  return runCommand(["nsenter", ...words])
    .split("\n")
    .filter(Boolean);
}

describe("agents that persist", () => {
  test.each(
    MODES.flatMap((mode) => (["SIGTERM", "SIGKILL"] as const).map((signal) => [signal, mode] as const)),
  )(
    "tell every packet once over restarts by %s, attached by %s",
    async (signal, mode) => {
      await using pair = makePair();
      const [{ namespace, device }] = pair.hosts;
      const mounts = await holdMounts(namespace);
      const before = pinsOf(mounts);
      const options = { config: config(mode), mountsOf: mounts };
      const ends: AgentEnd[] = [];
      let agent = await startAgent(namespace, options);
      const sender = send(pair, 4000);
      for (const part of [800, 1800, 2600]) {
        await sender.until((process) => sentBy(process) >= part);
        ends.push(await agent.stopped(signal));
        await sender.until((process) => sentBy(process) >= part + 200);
        agent = await startAgent(namespace, options);
      }
      expect((await sender.ended()).exitCode).toBe(0);
      ends.push(await agent.stopped("SIGTERM"));
      expectWhole(told(ends), 4000);
      const last = await startAgent(namespace, { config: config(mode, false), mountsOf: mounts });
      ends.push(await last.stopped("SIGTERM"));
      expectWhole(told(ends), 4000);
      expect(pinsOf(mounts)).toEqual(before);
      expect(namespace.run("tc", "filter", "show", "dev", device, "ingress")).toBe("");
    },
    60_000,
  );

  test("overlap: the second waits for the first, and goes on", async () => {
    await using pair = makePair();
    const [{ namespace }] = pair.hosts;
    const mounts = await holdMounts(namespace);
    const options = { config: config(), mountsOf: mounts };
    const first = await startAgent(namespace, options);
    const sender = send(pair, 2000);
    await sender.until((process) => sentBy(process) >= 500);
    const second = startAgent(namespace, options);
    await sender.until((process) => sentBy(process) >= 1000);
    const ends = [await first.stopped("SIGTERM")];
    const agent = await second;
    await sender.ended();
    ends.push(await agent.stopped("SIGTERM"));
    expectWhole(told(ends), 2000);
  }, 60_000);
});
