// Agents one after the other over the same pins, while traffic runs: each packet is told once, in records that go on.

import { describe, expect, test } from "bun:test";
import { Agent, holdMounts, startAgent } from "../support/agent.ts";
import {
  endAgent,
  MODES,
  persisting,
  pinsOf,
  problemsOf,
  send,
  sentBy,
  told,
  unique,
} from "../support/agent-handover.ts";
import { type AgentSpan, withTransport } from "../support/agent-spans.ts";
import { countFlooded, startFlood } from "../support/namespace-flood.ts";
import { makePair } from "../support/namespace-pair.ts";
import { demandSuccess } from "../support/namespace-traffic.ts";

/** Ends an agent; returns its spans. */
async function stop(agent: Agent, signal: NodeJS.Signals): Promise<readonly AgentSpan[]> {
  const { spans, stderr } = await endAgent(agent, signal);
  // What earlier agents counted and told is no loss of this one.
  expect(stderr).not.toContain("lost_kernel");
  return spans;
}

/** One conversation: one trace, totals that rise by each record's delta, and all of it sent. */
function expectWhole(spans: readonly AgentSpan[], sent: number): void {
  expect(problemsOf(spans, sent)).toEqual([]);
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
      const options = { config: persisting(mode), mountsOf: mounts };
      const spans: AgentSpan[] = [];
      let agent = await startAgent(namespace, options);
      const sender = send(pair, 4000);
      for (const part of [800, 1800, 2600]) {
        await sender.until((process) => sentBy(process) >= part);
        spans.push(...(await stop(agent, signal)));
        await sender.until((process) => sentBy(process) >= part + 200);
        agent = await startAgent(namespace, options);
      }
      expect((await sender.ended()).exitCode).toBe(0);
      spans.push(...(await stop(agent, "SIGTERM")));
      expectWhole(told(spans), 4000);
      const last = await startAgent(namespace, { config: persisting(mode, false), mountsOf: mounts });
      spans.push(...(await stop(last, "SIGTERM")));
      expectWhole(told(spans), 4000);
      expect(pinsOf(mounts)).toEqual(before);
      expect(namespace.run("tc", "filter", "show", "dev", device, "ingress")).toBe("");
    },
    60_000,
  );

  test("tell every packet of flows that come and go, over agents that are killed", async () => {
    await using pair = makePair();
    const [left] = pair.hosts;
    const mounts = await holdMounts(left.namespace);
    const brief = { ...persisting(), span: { max_record_interval: "1s", udp_timeout: "1s" } };
    const options = { config: brief, mountsOf: mounts };
    const spans: AgentSpan[] = [];
    let agent = await startAgent(left.namespace, options);
    // Each flow is quiet for longer than its timeout between two rounds: it ends, and comes anew.
    const flood = startFlood(left, { kind: "udp", flows: 3000, rounds: 4, pauseMs: 1700 });
    for (let round = 1; round <= 3; round++) {
      await flood.until((process) => countFlooded(process) >= round * 3000);
      await agent.process.until(({ output }) => output.split("idle_timeout").length > 100);
      spans.push(...(await stop(agent, "SIGKILL")));
      agent = await startAgent(left.namespace, options);
    }
    await demandSuccess(flood);
    spans.push(...(await stop(agent, "SIGTERM")));
    const packets = unique(withTransport(spans, "udp")).reduce(
      (sum, { attributes }) => sum + attributes["flow.packets.delta"],
      0,
    );
    expect(packets).toBe(4 * 3000);
  }, 60_000);

  test("give up waiting for another that goes on, and name it", async () => {
    await using pair = makePair();
    const [{ namespace }] = pair.hosts;
    const mounts = await holdMounts(namespace);
    const first = await startAgent(namespace, { config: persisting(), mountsOf: mounts });
    const impatient = { capture: { persist: true, takeover_timeout: "300ms" } };
    const second = await new Agent(namespace, { config: impatient, mountsOf: mounts }).stopped();
    expect(second.exitCode).toBe(1);
    expect(second.stderr).toMatch(
      new RegExp(`\\(process ${first.process.pid}, mermin \\d+\\.\\d+\\.\\d+ commit \\w+, holds`),
    );
    expect((await first.stopped("SIGTERM")).exitCode).toBe(0);
  });

  test("leave maps of another size alone, say so, and leave nothing of their own", async () => {
    await using pair = makePair();
    const [{ namespace }] = pair.hosts;
    const mounts = await holdMounts(namespace);
    const first = await startAgent(namespace, { config: persisting(), mountsOf: mounts });
    expect((await first.stopped("SIGTERM")).exitCode).toBe(0);
    const isMap = (path: string): boolean => !path.includes("/mermin_link_");
    const maps = pinsOf(mounts).filter(isMap);
    expect(maps.filter((path) => path.includes("/mermin_"))).toHaveLength(8);
    const larger = { ...persisting(), flow: { table_capacity: 4096 } };
    const second = await startAgent(namespace, { config: larger, mountsOf: mounts });
    const end = await second.stopped("SIGTERM");
    expect(end.stderr).toMatch(
      /nothing persists.*mermin_flow_stats_map_v\d+ is not as this agent would make it/,
    );
    expect(pinsOf(mounts)).toEqual(maps);
  }, 60_000);

  test("say it where nothing can be pinned, and count all the same", async () => {
    await using pair = makePair();
    const [{ namespace }] = pair.hosts;
    const mount = "mount -t bpf bpf /sys/fs/bpf && mount -o remount,bind,ro /sys/fs/bpf";
    const agent = await startAgent(namespace, { config: persisting(), mounts: mount });
    await send(pair, 100).ended();
    const end = await agent.stopped("SIGTERM");
    expect(end.stderr).toContain("nothing persists: /sys/fs/bpf");
    expectWhole(told(end.spans), 100);
  }, 60_000);

  test("overlap: the second waits for the first, and goes on", async () => {
    await using pair = makePair();
    const [{ namespace }] = pair.hosts;
    const mounts = await holdMounts(namespace);
    const options = { config: persisting(), mountsOf: mounts };
    const first = await startAgent(namespace, options);
    const sender = send(pair, 2000);
    await sender.until((process) => sentBy(process) >= 500);
    const second = startAgent(namespace, options);
    await sender.until((process) => sentBy(process) >= 1000);
    const spans = [...(await stop(first, "SIGTERM"))];
    const agent = await second;
    await sender.ended();
    spans.push(...(await stop(agent, "SIGTERM")));
    expectWhole(told(spans), 2000);
  }, 60_000);
});
