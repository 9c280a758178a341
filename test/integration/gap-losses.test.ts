// Packets that are lost while no agent runs: the tables of an agent that ended are full, its ring is not read. The agent
// that follows tells them as losses, once, and what was shown before it does not tell again.

import { describe, expect, test } from "bun:test";
import { COUNTER_NAMES } from "../../src/capture/stats.ts";
import { until } from "../collector/until.ts";
import { type Agent, type AgentConfig, holdMounts, startAgent } from "../support/agent.ts";
import { countPackets, endAgent, inMounts, persisting, pinsOf, unique } from "../support/agent-handover.ts";
import { countLost } from "../support/agent-losses.ts";
import { readMetrics } from "../support/agent-metrics.ts";
import { type AgentSpan, parseAgentSpans } from "../support/agent-spans.ts";
import { countFlooded, startFlood } from "../support/namespace-flood.ts";
import { type Host, makePair } from "../support/namespace-pair.ts";
import type { TestProcess } from "../support/namespace-process.ts";
import { demandSuccess } from "../support/namespace-traffic.ts";

const TEST_MS = 60_000;
const TOLD_MS = 20_000;
/** What the kernel took for flows, and what it sent as events. */
const TAKEN: readonly number[] = [COUNTER_NAMES.indexOf("accounted"), COUNTER_NAMES.indexOf("overflow")];
const LOST = ["map_full", "map_busy"] as const;
/** COUNTER_SHOWN of bpf/flow.h: the notes of what was shown of these. */
const SHOWN: readonly number[] = LOST.map((reason) => 32 + COUNTER_NAMES.indexOf(reason));

/** Room for a fifth of what is sent at a time, told within a second. */
const SMALL: AgentConfig = {
  ...persisting(),
  flow: { poll_interval: "100ms", table_capacity: 1024, ring_buffer_bytes: "64KiB" },
  metrics: { enabled: true },
};

/** Sends so many packets, each of a flow of its own; returns how many went out. */
async function flood(host: Host, flows: number): Promise<number> {
  const sender = startFlood(host, { kind: "syn", flows });
  await demandSuccess(sender);
  return countFlooded(sender);
}

/** Packets of these counters, by whatever programs and agents. */
function countPinned(mounts: TestProcess, counters: readonly number[]): number {
  const [path] = pinsOf(mounts).filter((each) => each.includes("/mermin_counters_v"));
  if (path === undefined) throw new Error("no counters are pinned");
  const dumped: readonly {
    readonly formatted: {
      readonly key: number;
      readonly values: readonly { readonly value: { readonly packets: number } }[];
    };
  }[] = JSON.parse(inMounts(mounts, "bpftool", "-j", "map", "dump", "pinned", path));
  return dumped
    .filter(({ formatted: { key } }) => counters.includes(key))
    .flatMap(({ formatted: { values } }) => values)
    .reduce((sum, { value }) => sum + value.packets, 0);
}

/** What an agent has written so far, but for a line that is not whole. */
function spansOf({ process: { output } }: Agent): readonly AgentSpan[] {
  return parseAgentSpans(output.slice(0, output.lastIndexOf("\n") + 1));
}

/** Packets lost as the metrics say it, once these have all of `sent` and it is noted for the next agent. */
async function lostByMetrics({ namespace }: Host, sent: number, mounts: TestProcess): Promise<number> {
  let lost = 0;
  await until(() => {
    const metrics = readMetrics(namespace);
    lost = [...LOST, "delete_race"].reduce(
      (sum, reason) => sum + (metrics.get(`mermin_losses_total{stage="kernel",reason="${reason}"}`) ?? 0),
      0,
    );
    return (metrics.get("mermin_flow_packets_total") ?? 0) + lost === sent;
  }, TOLD_MS);
  await until(() => countPinned(mounts, SHOWN) === lost, TOLD_MS);
  return lost;
}

const ENDS = ["SIGTERM", "SIGKILL behind a look at its metrics", "SIGKILL before anybody looked"] as const;

/** Ends an agent that was sent `sent` packets; returns its spans, and the losses that it has shown. */
async function end(
  agent: Agent,
  how: (typeof ENDS)[number],
  [host, sent, mounts]: readonly [Host, number, TestProcess],
) {
  const shown = how.includes("behind") ? await lostByMetrics(host, sent, mounts) : 0;
  const { spans, statistics } = await endAgent(agent, how === "SIGTERM" ? how : "SIGKILL");
  return { spans, lost: how === "SIGTERM" ? countLost(statistics) : shown };
}

describe("losses between two agents", () => {
  test.each(ENDS)(
    "are told by the second, and those that the first has shown are not: ended by %s",
    async (how) => {
      await using pair = makePair();
      const [left] = pair.hosts;
      const mountsOf = await holdMounts(left.namespace);
      const options = { config: SMALL, mountsOf };
      const first = await startAgent(left.namespace, options);
      let sent = await flood(left, 5000);
      await until(() => countPackets(spansOf(first)) === countPinned(mountsOf, TAKEN), TOLD_MS);
      const one = await end(first, how, [left, sent, mountsOf]);
      const before = countPinned(mountsOf, TAKEN);
      sent += await flood(left, 6000);
      const gap = 6000 - (countPinned(mountsOf, TAKEN) - before);
      const second = await startAgent(left.namespace, options);
      const other = await endAgent(second, "SIGTERM");
      const lost = countLost(other.statistics);
      expect(gap).toBeGreaterThan(1000);
      expect(lost).toBeGreaterThanOrEqual(gap);
      if (how !== "SIGKILL before anybody looked") expect(lost).toBe(gap);
      expect(countPackets(unique([...one.spans, ...other.spans])) + one.lost + lost).toBe(sent);
      const third = await endAgent(await startAgent(left.namespace, options), "SIGTERM");
      expect([countLost(third.statistics), countPackets(third.spans)]).toEqual([0, 0]);
    },
    TEST_MS,
  );
});
