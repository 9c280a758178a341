// What a real OpenTelemetry Collector takes from our exporter, over each protocol.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { describeWithCollector, type OtelCollector, startOtelCollector } from "../support/collector.ts";
import { describeSpans, SpanSource, startExporting } from "../support/exporting.ts";
import { decodeLogs } from "./decode-logs.ts";
import { decodeMetrics } from "./decode-metrics.ts";
import { VXLAN_DETAIL } from "./details.ts";
import { anyRecord, batchOf, TCP_RECORD } from "./records.ts";
import { until } from "./until.ts";

const FLUSH_MS = 10_000;
const SPANS = 2_500;

const PROTOCOLS = ["http_protobuf", "http_json", "grpc"] as const;
const COMPRESSIONS = ["gzip", "none"] as const;
const WAYS = PROTOCOLS.flatMap((protocol) =>
  COMPRESSIONS.map((compression) => [protocol, compression] as const),
);

function endpointOf(collector: OtelCollector, protocol: string): string {
  return protocol === "grpc" ? collector.grpc : collector.http;
}

describeWithCollector("OpenTelemetry Collector", () => {
  test.each(WAYS)("takes each span once: %s, %s", async (protocol, compression) => {
    await using collector = await startOtelCollector();
    await using exporting = startExporting(`
      [export.otlp]
      protocol = "${protocol}"
      endpoint = "${endpointOf(collector, protocol)}"
      compression = "${compression}"
      max_batch_size = 1000
    `);
    const source = new SpanSource();
    exporting.exporter.accept(source.batch(SPANS));
    expect(await exporting.exporter.flush(AbortSignal.timeout(FLUSH_MS))).toBe(true);
    const requests = collector.requests();
    expect(requests.map(({ spans }) => spans.length).toSorted()).toEqual([1000, 1000, 500]);
    const spans = requests.flatMap((request) => request.spans);
    expect(spans.map(({ spanId }) => spanId).toSorted()).toEqual([...source.ids()]);
    expect(exporting.exporter.stats()).toMatchObject({ accepted: SPANS, sent: SPANS, dropped: {} });
    expect(exporting.logged).toEqual([]);
  });

  test.each(PROTOCOLS)("reads in a span all that the record says: %s", async (protocol) => {
    await using collector = await startOtelCollector();
    await using exporting = startExporting(`
      [export.otlp]
      protocol = "${protocol}"
      endpoint = "${endpointOf(collector, protocol)}"
    `);
    const batch = batchOf([
      ...fc.sample(anyRecord, 200),
      TCP_RECORD,
      { ...TCP_RECORD, detail: VXLAN_DETAIL },
    ]);
    exporting.exporter.accept(batch);
    expect(await exporting.exporter.flush(AbortSignal.timeout(FLUSH_MS))).toBe(true);
    const [request] = collector.requests();
    expect<unknown>(request?.spans).toEqual(describeSpans(batch));
    expect(request?.resource).toEqual({ "service.name": "mermin" });
    expect(request?.scope).toEqual({ name: "mermin", version: "1.2.3" });
  });

  test.each(PROTOCOLS)("takes flows as log records and as metrics: %s", async (protocol) => {
    await using collector = await startOtelCollector();
    await using exporting = startExporting(`
      [export.otlp]
      protocol = "${protocol}"
      endpoint = "${endpointOf(collector, protocol)}"
      signals = ["logs", "metrics"]
      [export.flow_metrics]
      attributes = ["network.transport"]
    `);
    const source = new SpanSource();
    for (const exporter of exporting.exporters) exporter.accept(source.batch(SPANS));
    for (const exporter of exporting.exporters)
      expect(await exporter.flush(AbortSignal.timeout(FLUSH_MS))).toBe(true);
    expect(collector.spans()).toEqual([]);
    const logs = collector.taken("logs").flatMap((bytes) => decodeLogs(bytes).logs);
    expect(logs).toHaveLength(SPANS);
    expect(new Set(logs.map(({ attributes }) => attributes["source.port"])).size).toBe(SPANS);
    const points = collector.taken("metrics").flatMap(decodeMetrics);
    const flows = points.filter(({ metric }) => metric === "mermin.flow.flows");
    expect(flows).toMatchObject([{ value: BigInt(SPANS), attributes: { "network.transport": "tcp" } }]);
  });

  test("is waited for while it is down, and killed it loses nothing of what it confirmed", async () => {
    await using collector = await startOtelCollector();
    await using exporting = startExporting(`
      [export.otlp]
      endpoint = "${collector.http}"
      timeout = "1s"
      max_batch_interval = "20ms"
    `);
    const { exporter } = exporting;
    const source = new SpanSource();
    exporter.accept(source.batch(SPANS));
    await until(() => exporter.stats().sent === SPANS);
    await collector.kill();
    exporter.accept(source.batch(SPANS));
    await until(() => exporter.stats().requests.failure > 0);
    expect(exporter.stats().queueSpans).toBe(SPANS);
    await collector.start();
    await until(() => exporter.stats().queueSpans === 0, 20_000);
    expect(exporter.stats()).toMatchObject({ accepted: source.made, sent: source.made, dropped: {} });
    expect(new Set(collector.spans().map(({ spanId }) => spanId))).toEqual(source.ids());
  });
});
