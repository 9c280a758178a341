// What a live agent tells of itself, beside the flows: to the same collector, by another exporter.

import { expect, test } from "bun:test";
import { startAgent } from "../support/agent.ts";
import { startCollector } from "../support/namespace-collector.ts";
import { makePair } from "../support/namespace-pair.ts";
import { ping } from "../support/namespace-traffic.ts";

function nameOf(span: unknown): unknown {
  return typeof span === "object" && span !== null && "name" in span ? span.name : undefined;
}

test("an agent with [telemetry] tells its start, its interfaces, its requests and its end", async () => {
  await using pair = makePair();
  const [left, right] = pair.hosts;
  const collector = await startCollector(left.namespace, "accept");
  const agent = await startAgent(left.namespace, {
    config: {
      span: { icmp_timeout: "1s" },
      telemetry: { traces: true, export_sampling: 1 },
      "export.otlp": { endpoint: collector.endpoint, max_batch_interval: "50ms" },
    },
  });
  await ping(left.ipv4, right.ipv4, 3);
  const { exitCode } = await agent.stopped("SIGTERM");
  expect(exitCode).toBe(0);
  const names = new Set((await collector.stop()).map(nameOf));
  expect([...names].map(String).toSorted()).toEqual([
    "agent.start",
    "agent.stop",
    "export.request",
    "flow_ipv4_icmp",
    "interfaces.sync",
  ]);
}, 20_000);
