// Agents that persist and have several exporters, one of them slow or dead: after a crash each collector has every
// record, and what waits for the slowest is bounded.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import * as v from "valibot";
import { until } from "../collector/until.ts";
import { type Agent, type AgentConfig, holdMounts, startAgent } from "../support/agent.ts";
import { countPackets, endAgent, persisting } from "../support/agent-handover.ts";
import { countLost } from "../support/agent-losses.ts";
import { startCollector } from "../support/namespace-collector.ts";
import { countFlooded, startFlood } from "../support/namespace-flood.ts";
import { makePair } from "../support/namespace-pair.ts";
import { demandSuccess } from "../support/namespace-traffic.ts";

const TEST_MS = 90_000;
const DRAIN_MS = 30_000;
/** Of an agent at its peak, with a collector that has been dead throughout. */
const MOST_RESIDENT_BYTES = 300e6;

/** Every flow is told once, a second after its last packet. */
const BRIEF: AgentConfig = { ...persisting(), span: { udp_timeout: "1s", tcp_timeout: "1s" } };

const telling = v.looseObject({
  spanId: v.string(),
  attributes: v.looseObject({ "flow.packets.delta": v.number() }),
});

/** Packets by span id, of each id the last. */
function packetsById(spans: readonly unknown[]): ReadonlyMap<string, number> {
  const read = spans.map((span) => v.parse(telling, span));
  return new Map(read.map(({ spanId, attributes }) => [spanId, attributes["flow.packets.delta"]]));
}

/** An exporter in TOML, of small requests one after the other. */
function exporterTo(name: string, endpoint: string): string {
  const settings = `max_batch_size = 64\nmax_concurrent_exports = 1\nmax_batch_interval = "100ms"\n`;
  return `[[export.otlp]]\nname = "${name}"\nendpoint = "${endpoint}"\n${settings}`;
}

function peakResidentBytes({ process: { pid } }: Agent): number {
  const [, kibibytes] = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kibibytes) * 1024;
}

test(
  "a slow collector has every record of an agent that is killed, and the quick one the same, under the same ids",
  async () => {
    await using pair = makePair();
    const [left] = pair.hosts;
    const mountsOf = await holdMounts(left.namespace);
    const quick = await startCollector(left.namespace, "accept");
    const slow = await startCollector(left.namespace, "late");
    const toml = exporterTo("quick", quick.endpoint) + exporterTo("slow", slow.endpoint);
    const options = { config: BRIEF, toml, mountsOf };
    const flows = 2000;
    const first = await startAgent(left.namespace, options);
    await demandSuccess(startFlood(left, { kind: "udp", flows }));
    await until(() => quick.taken === flows, DRAIN_MS);
    await endAgent(first, "SIGKILL");
    expect(slow.taken).toBeLessThan(flows);
    const second = await startAgent(left.namespace, options);
    expect((await endAgent(second, "SIGTERM")).exitCode).toBe(0);
    const [early, late] = [await quick.stop(), await slow.stop()].map(packetsById);
    expect(early?.size).toBe(flows);
    expect(late).toEqual(early ?? new Map());
  },
  TEST_MS,
);

test(
  "a dead collector holds up neither flows that end nor the other exporter, and takes little memory",
  async () => {
    await using pair = makePair();
    const [left] = pair.hosts;
    const small = { poll_interval: "100ms", table_capacity: 1024 };
    const agent = await startAgent(left.namespace, {
      config: { "": { shutdown_timeout: "2s" }, ...BRIEF, flow: small },
      toml: exporterTo("dead", "http://127.0.0.1:9"),
    });
    const flood = startFlood(left, { kind: "syn", flows: 200, rounds: 20, pauseMs: 500 });
    await demandSuccess(flood);
    const peak = peakResidentBytes(agent);
    const { spans, statistics, stderr } = await endAgent(agent, "SIGTERM");
    expect(stderr).not.toContain("nearly full");
    expect([countLost(statistics), countPackets(spans)]).toEqual([0, countFlooded(flood)]);
    expect(peak).toBeLessThan(MOST_RESIDENT_BYTES);
  },
  TEST_MS,
);
