import { describe, expect, test } from "bun:test";
import { describeConfig } from "../../src/config/settings.ts";
import { validateConfig } from "../../src/config/validate.ts";
import { EVERY_ATTRIBUTE } from "../../src/export/attributes.ts";
import { createExporters } from "../../src/export/create-exporters.ts";
import type { RecordExporter } from "../../src/export/exporter.ts";
import { createLogger } from "../../src/lib/log.ts";
import { decodeLogs } from "./decode-logs.ts";
import { decodeJsonMetrics, decodeMetrics } from "./decode-metrics.ts";
import { tcpBatch } from "./records.ts";
import { until } from "./until.ts";

const FLUSH_MS = 10_000;

interface Collector extends Disposable {
  readonly port: number;
  readonly requests: readonly { readonly path: string; readonly body: Uint8Array }[];
}

/** A collector of whatever is posted to it. */
function startCollector(): Collector {
  const requests: { path: string; body: Uint8Array }[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      requests.push({ path: new URL(request.url).pathname, body: await request.bytes() });
      return new Response();
    },
  });
  return { port: server.port ?? 0, requests, [Symbol.dispose]: () => void server.stop(true) };
}

function exportersOf(settings: Record<string, unknown>): readonly RecordExporter[] {
  const result = validateConfig({ export: settings }, describeConfig());
  if (result.status !== "valid") throw new Error(JSON.stringify(result.problems));
  return createExporters(result.config.export, {
    resource: new Map([["service.name", "mermin"]]),
    version: "1.2.3",
    attributes: EVERY_ATTRIBUTE,
    log: createLogger({ level: "error", format: "text", write: () => {} }),
  });
}

function otlp(port: number, changes: Record<string, unknown>): Record<string, unknown> {
  return { endpoint: `http://127.0.0.1:${port}`, compression: "none", ...changes };
}

describe("a collector with other signals than traces", () => {
  test("gets flows as log records at the path of logs", async () => {
    using collector = startCollector();
    const [exporter, ...others] = exportersOf({ otlp: otlp(collector.port, { signals: ["logs"] }) });
    if (exporter === undefined) throw new Error("no exporter");
    await using _ = exporter;
    exporter.accept(tcpBatch(3));
    expect(await exporter.flush(AbortSignal.timeout(FLUSH_MS))).toBe(true);
    expect(others).toEqual([]);
    expect(exporter.name).toBe("otlp-logs");
    expect(collector.requests.map(({ path }) => path)).toEqual(["/v1/logs"]);
    const ports = collector.requests.flatMap(({ body }) =>
      decodeLogs(body).logs.map(({ attributes }) => attributes["source.port"]),
    );
    expect(ports).toEqual([0, 1, 2]);
  });

  test.each([
    ["http_protobuf", decodeMetrics],
    ["http_json", decodeJsonMetrics],
  ] as const)(
    "gets sums of flows each interval, by %s, and what is left at the end",
    async (protocol, decode) => {
      using collector = startCollector();
      const [exporter] = exportersOf({
        otlp: otlp(collector.port, { protocol, signals: ["metrics"], max_batch_size: 10 }),
        flow_metrics: { interval: "100ms", attributes: ["source.port"], max_series: 3 },
      });
      if (exporter === undefined) throw new Error("no exporter");
      await using _ = exporter;
      exporter.accept(tcpBatch(5));
      await until(() => exporter.stats().sent >= 40);
      exporter.accept(tcpBatch(5));
      expect(await exporter.flush(AbortSignal.timeout(FLUSH_MS))).toBe(true);
      const { accepted, sent, items } = exporter.stats();
      expect([sent, items, exporter.acknowledged]).toEqual([accepted, "data_points", 10]);
      const points = collector.requests.flatMap(({ body }) => decode(body));
      expect(points.length).toBe(accepted);
      for (const { path, body } of collector.requests) {
        expect(path).toBe("/v1/metrics");
        expect(decode(body).length).toBeLessThanOrEqual(10);
      }
      // A series' greatest value is its last one: a cumulative sum never goes back.
      const last = new Map<string, bigint>();
      for (const { metric, attributes, value } of points) {
        if (metric !== "mermin.flow.flows") continue;
        const key = JSON.stringify(attributes);
        expect(value).toBeGreaterThanOrEqual(last.get(key) ?? 0n);
        last.set(key, value);
      }
      expect(Object.fromEntries(last)).toEqual({
        '{"source.port":0}': 2n,
        '{"source.port":1}': 2n,
        '{"source.port":2}': 2n,
        '{"otel.metric.overflow":true}': 4n,
      });
    },
  );

  test.each([
    ["http_protobuf", decodeMetrics],
    ["http_json", decodeJsonMetrics],
  ] as const)(
    "gets as many series, by %s, as the queue has bytes for, and the rest in one: none pushes another out",
    async (protocol, decode) => {
      using collector = startCollector();
      const [exporter] = exportersOf({
        otlp: otlp(collector.port, {
          protocol,
          signals: ["metrics"],
          max_batch_size: 50,
          max_queue_bytes: "64KiB",
          max_concurrent_exports: 1,
        }),
        flow_metrics: { interval: "1h", attributes: ["source.port"], max_series: 1000, expire: "2h" },
      });
      if (exporter === undefined) throw new Error("no exporter");
      await using _ = exporter;
      exporter.accept(tcpBatch(1000));
      expect(await exporter.flush(AbortSignal.timeout(FLUSH_MS))).toBe(true);
      expect(exporter.stats().dropped).toEqual({});
      const bytes = collector.requests.reduce((sum, { body }) => sum + body.length, 0);
      expect(bytes).toBeLessThanOrEqual(65_536);
      expect(bytes).toBeGreaterThan(50_000);
      const points = collector.requests.flatMap(({ body }) => decode(body));
      const flows = points.filter(({ metric }) => metric === "mermin.flow.flows");
      expect(flows.reduce((sum, { value }) => sum + value, 0n)).toBe(1000n);
    },
  );
});
