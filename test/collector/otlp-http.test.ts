import { describe, expect, test } from "bun:test";
import { EVERY_ATTRIBUTE } from "../../src/export/attributes.ts";
import { createOtlpExporter } from "../../src/export/create-exporters.ts";
import { type RecordExporter, ROOM_PATIENCE_MS } from "../../src/export/exporter.ts";
import type { ExporterStats } from "../../src/export/exporter-stats.ts";
import { createLogger } from "../../src/lib/log.ts";
import { otlpConfig } from "../support/otlp-config.ts";
import { startReceiver } from "./receiver.ts";
import { tcpBatch } from "./records.ts";
import { until } from "./until.ts";

const QUICK = { initial: "20ms", factor: 1.5, maximum: "100ms", elapsed: "1m" };
const FLUSH_MS = 10_000;

interface Opened extends AsyncDisposable {
  readonly exporter: RecordExporter;
  readonly logged: readonly string[];
}

function open(port: number, written: Readonly<Record<string, unknown>> = {}): Opened {
  const logged: string[] = [];
  const config = otlpConfig({
    endpoint: `http://127.0.0.1:${port}`,
    timeout: "5s",
    compression: "none",
    max_batch_size: 100,
    max_batch_interval: "1m",
    max_queue_size: 1_000,
    retry: QUICK,
    ...written,
  });
  const exporter = createOtlpExporter(config, "traces", {
    resource: new Map([["service.name", "mermin"]]),
    version: "1.2.3",
    attributes: EVERY_ATTRIBUTE,
    log: createLogger({ level: "debug", format: "text", write: (line) => logged.push(line) }),
  });
  return { exporter, logged, [Symbol.asyncDispose]: () => exporter[Symbol.asyncDispose]() };
}

function dropped({ dropped: reasons }: ExporterStats): number {
  return Object.values(reasons).reduce((sum, spans) => sum + spans, 0);
}

function expectBalanced(stats: ExporterStats): void {
  expect(stats.sent + dropped(stats) + stats.queueSpans).toBe(stats.accepted);
}

describe("OTLP exporter", () => {
  test("sends full batches at once and the rest at flush, each span once", async () => {
    using receiver = startReceiver({ kind: "accept" });
    await using opened = open(receiver.port, { headers: { "x-token": "secret" } });
    opened.exporter.accept(tcpBatch(250));
    await until(() => receiver.requests.length === 2);
    expect(await opened.exporter.flush(AbortSignal.timeout(FLUSH_MS))).toBe(true);
    expect(receiver.requests.map(({ spans }) => spans)).toEqual([100, 100, 50]);
    const ports = receiver.spans.map(({ attributes }) => Number(attributes["source.port"]));
    expect(ports.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 250 }, (_, port) => port));
    const [request] = receiver.requests;
    expect(request?.path).toBe("/v1/traces");
    expect(request?.headers.get("content-type")).toBe("application/x-protobuf");
    expect(request?.headers.get("x-token")).toBe("secret");
    expect(request?.headers.get("user-agent")).toBe("mermin/1.2.3");
    expect(opened.exporter.stats()).toMatchObject({ accepted: 250, sent: 250, dropped: {}, queueSpans: 0 });
    expect(opened.exporter.stats().requests).toEqual({ success: 3, failure: 0 });
    expect(opened.exporter.acknowledged).toBe(250);
  });

  test("sends a batch that does not fill after max_batch_interval, compressed", async () => {
    using receiver = startReceiver({ kind: "accept" });
    await using opened = open(receiver.port, { max_batch_interval: "20ms", compression: "gzip" });
    opened.exporter.accept(tcpBatch(1));
    opened.exporter.accept(tcpBatch(2));
    await until(() => opened.exporter.stats().sent === 3);
    expect(receiver.requests.map(({ spans }) => spans)).toEqual([3]);
    expect(receiver.requests[0]?.headers.get("content-encoding")).toBe("gzip");
  });

  test("keeps spans while the collector is down, and sends all once it is back", async () => {
    const first = startReceiver({ kind: "accept" });
    const { port } = first;
    first[Symbol.dispose]();
    await using opened = open(port);
    opened.exporter.accept(tcpBatch(400));
    await until(() => opened.exporter.stats().requests.failure > 2);
    expectBalanced(opened.exporter.stats());
    expect(opened.exporter.stats().queueSpans).toBe(400);
    expect(opened.exporter.acknowledged).toBe(0);
    using receiver = startReceiver({ kind: "accept" }, port);
    await until(() => opened.exporter.stats().sent === 400);
    expect(receiver.spans).toHaveLength(400);
    expect(opened.exporter.acknowledged).toBe(400);
    expect(opened.logged.filter((line) => line.includes("cannot export"))).toHaveLength(1);
    expect(opened.logged.filter((line) => line.includes("exporting again"))).toHaveLength(1);
  });

  test("drops the oldest and counts them when the collector stays down", async () => {
    using receiver = startReceiver({ kind: "status", status: 503 });
    await using opened = open(receiver.port, { max_concurrent_exports: 1 });
    for (let i = 0; i < 50; i++) opened.exporter.accept(tcpBatch(100));
    const stats = opened.exporter.stats();
    expectBalanced(stats);
    expect(stats.dropped.queue_full).toBe(3_900);
    expect(stats.queueSpans).toBe(1_100);
    receiver.behaviour = { kind: "accept" };
    await until(() => opened.exporter.stats().queueSpans === 0);
    expectBalanced(opened.exporter.stats());
    expect(opened.exporter.acknowledged).toBe(5_000);
    expect(opened.exporter.stats().sent).toBe(receiver.spans.length);
    expect(opened.exporter.stats().sent).toBeGreaterThanOrEqual(1_000);
  });

  test("gives a request up after the retries' time, by its last reason", async () => {
    using receiver = startReceiver({ kind: "status", status: 503 });
    await using opened = open(receiver.port, { timeout: "100ms", retry: { ...QUICK, elapsed: "60ms" } });
    opened.exporter.accept(tcpBatch(100));
    await until(() => opened.exporter.stats().queueSpans === 0);
    expect(opened.exporter.stats().dropped).toEqual({ unavailable: 100 });
    expect(opened.exporter.stats().requests.failure).toBeGreaterThan(1);
  });

  test("drops at once what the collector refuses for good", async () => {
    using receiver = startReceiver({ kind: "status", status: 400 });
    await using opened = open(receiver.port);
    opened.exporter.accept(tcpBatch(100));
    expect(await opened.exporter.flush(AbortSignal.timeout(FLUSH_MS))).toBe(false);
    expect(opened.exporter.stats()).toMatchObject({ dropped: { rejected: 100 }, queueSpans: 0 });
    expect(receiver.requests).toHaveLength(1);
    expect(opened.logged.join("")).toContain("HTTP 400");
  });

  test("counts the spans of a partial success as rejected", async () => {
    using receiver = startReceiver({ kind: "partial", rejected: 7 });
    await using opened = open(receiver.port);
    opened.exporter.accept(tcpBatch(100));
    expect(await opened.exporter.flush(AbortSignal.timeout(FLUSH_MS))).toBe(false);
    expect(opened.exporter.stats()).toMatchObject({ sent: 93, dropped: { rejected: 7 } });
    expect(opened.logged.join("")).toContain("too many");
  });

  test("goes on accepting, bounded, while the collector stalls, and recovers", async () => {
    using receiver = startReceiver({ kind: "stall" });
    await using opened = open(receiver.port, { timeout: "200ms" });
    for (let i = 0; i < 20; i++) opened.exporter.accept(tcpBatch(100));
    await until(() => receiver.requests.length >= 4);
    expect(opened.exporter.stats().queueSpans).toBeLessThanOrEqual(1_400);
    expectBalanced(opened.exporter.stats());
    await until(() => opened.exporter.stats().requests.failure >= 4);
    receiver.behaviour = { kind: "accept" };
    await until(() => opened.exporter.stats().queueSpans === 0);
    expectBalanced(opened.exporter.stats());
    // What is answered too late is sent again.
    expect(receiver.spans.length).toBeGreaterThanOrEqual(opened.exporter.stats().sent);
    expect(receiver.mostConcurrent).toBeLessThanOrEqual(8);
  });

  test("loses nothing of a burst far above its queue where the caller waits for room", async () => {
    using receiver = startReceiver({ kind: "accept" });
    await using opened = open(receiver.port, { compression: "gzip" });
    for (let i = 0; i < 30; i++) {
      await opened.exporter.room();
      // On a machine too busy to send a batch within the patience the wait ends early: wait on.
      await until(() => opened.exporter.stats().queueSpans <= 700);
      opened.exporter.accept(tcpBatch(300));
    }
    expect(await opened.exporter.flush(AbortSignal.timeout(FLUSH_MS))).toBe(true);
    expect(opened.exporter.stats()).toMatchObject({ accepted: 9_000, sent: 9_000, dropped: {} });
  });

  test("ends the wait for room after its patience where the collector stalls", async () => {
    using receiver = startReceiver({ kind: "stall" });
    await using opened = open(receiver.port);
    for (let i = 0; i < 4; i++) opened.exporter.accept(tcpBatch(300));
    const start = performance.now();
    await opened.exporter.room();
    const waitedMs = performance.now() - start;
    expect(waitedMs).toBeGreaterThanOrEqual(ROOM_PATIENCE_MS - 5);
    expect(waitedMs).toBeLessThan(4_000);
    expect(opened.exporter.stats().queueSpans).toBeGreaterThan(500);
  });

  test("gives up an answer that trickles without an end", async () => {
    using receiver = startReceiver({ kind: "trickle" });
    await using opened = open(receiver.port, { timeout: "100ms", retry: { ...QUICK, elapsed: "0s" } });
    opened.exporter.accept(tcpBatch(100));
    await until(() => opened.exporter.stats().queueSpans === 0);
    expect(opened.exporter.stats().dropped).toEqual({ timeout: 100 });
  });

  test("stops waiting in flush when the signal aborts, and counts the rest as lost at dispose", async () => {
    using receiver = startReceiver({ kind: "stall" });
    const opened = open(receiver.port);
    opened.exporter.accept(tcpBatch(250));
    expect(await opened.exporter.flush(AbortSignal.timeout(50))).toBe(false);
    await opened.exporter[Symbol.asyncDispose]();
    opened.exporter.accept(tcpBatch(5));
    expect(opened.exporter.stats()).toMatchObject({
      accepted: 255,
      sent: 0,
      dropped: { shutdown: 255 },
      queueSpans: 0,
    });
  });
});
