// Both exporters of a live agent at once: what a collector decodes is what standard output says.

import { expect, test } from "bun:test";
import { startAgent } from "../support/agent.ts";
import { startCollector } from "../support/namespace-collector.ts";
import { addIpv6, makePair } from "../support/namespace-pair.ts";
import { iperf, ping, serveIperf } from "../support/namespace-traffic.ts";
import { readWhenQuiet } from "../support/witness.ts";

test.each(["gzip", "none"])("a collector gets the spans of standard output, %s", async (compression) => {
  await using pair = makePair();
  const [left, right] = pair.hosts;
  const collector = await startCollector(left.namespace, "accept");
  const agent = await startAgent(left.namespace, {
    config: {
      span: { max_record_interval: "1s" },
      "export.otlp": { endpoint: collector.endpoint, compression, max_batch_interval: "200ms" },
    },
  });
  addIpv6(pair);
  for (const family of ["ipv4", "ipv6"] as const) {
    await using server = serveIperf(right[family]);
    await iperf(left[family], server, ["-t", "1", "-b", "100M"]);
    await ping(left[family], right[family], 3);
  }
  await readWhenQuiet([left.namespace, right.namespace]);
  const { exitCode, stdout } = await agent.stopped("SIGTERM");
  expect(exitCode).toBe(0);
  const written = stdout
    .split("\n")
    .filter(Boolean)
    .map((line): unknown => JSON.parse(line));
  expect(written.length).toBeGreaterThanOrEqual(6);
  expect(await collector.stop()).toEqual(written);
});
