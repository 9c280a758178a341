// A real OpenTelemetry Collector that dies, stands still, is slow or refuses. After each: every span is with the
// collector, or counted as dropped with its reason; twice only where an answer was lost on the way.

import { expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { issueCertificate, makeAuthority } from "../support/certificates.ts";
import { describeWithCollector, type OtelCollector, startOtelCollector } from "../support/collector.ts";
import { countDropped, type Exporting, SpanSource, startExporting } from "../support/exporting.ts";
import { startSlowProxy } from "../support/slow-proxy.ts";
import { until } from "./until.ts";

const TEST_MS = 60_000;
const DRAIN_MS = 30_000;
const PROTOCOLS = ["http_protobuf", "grpc"] as const;
/** Of a request; four are under way at once at most. */
const BATCH = 100;
const CONCURRENT = 4;

type Protocol = (typeof PROTOCOLS)[number];

function portOf(collector: OtelCollector, protocol: Protocol): number {
  return collector.ports[protocol === "grpc" ? "grpc" : "http"];
}

/** TOML values of [export.otlp] by key. */
type Settings = Readonly<Record<string, string | number>>;

const SETTINGS: Settings = {
  timeout: "2s",
  max_batch_size: BATCH,
  max_batch_interval: "20ms",
  max_concurrent_exports: CONCURRENT,
};

function table(header: string, settings: Settings): string {
  const lines = Object.entries({ ...SETTINGS, ...settings }).map(
    ([key, value]) => `${key} = ${JSON.stringify(value)}\n`,
  );
  return `${header}\n${lines.join("")}retry = { initial = "50ms", maximum = "200ms" }\n`;
}

function exportTo(protocol: Protocol, port: number, settings: Settings = {}): Exporting {
  const endpoint = `${"tls.ca_cert" in settings ? "https" : "http"}://127.0.0.1:${port}`;
  return startExporting(table("[export.otlp]", { protocol, endpoint, ...settings }));
}

/** Has the exporter accept a batch every few milliseconds while `during` runs. */
async function underLoad(
  exporting: Exporting,
  source: SpanSource,
  during: () => Promise<void>,
): Promise<void> {
  let isOver = false;
  const load = (async () => {
    while (!isOver) {
      for (const exporter of exporting.exporters) await exporter.room();
      const batch = source.batch(50);
      for (const exporter of exporting.exporters) exporter.accept(batch);
      await Bun.sleep(5);
    }
  })();
  try {
    await during();
  } finally {
    isOver = true;
    await load;
  }
}

/** @param mostTwice requests whose answers may have been lost */
async function expectAccounted(
  { exporter }: Exporting,
  collector: OtelCollector,
  source: SpanSource,
  mostTwice: number,
): Promise<void> {
  await until(() => exporter.stats().queueSpans === 0, DRAIN_MS);
  const stats = exporter.stats();
  expect(stats.accepted).toBe(source.made);
  expect(stats.sent + countDropped(stats)).toBe(source.made);
  const received = collector.spans().map(({ spanId }) => spanId);
  const known = new Set(received);
  const made = source.ids();
  expect(received.filter((id) => !made.has(id))).toEqual([]);
  // What was dropped after its answer was lost is with the collector and counted.
  expect(known.size).toBeGreaterThanOrEqual(stats.sent);
  expect(known.size + countDropped(stats)).toBeGreaterThanOrEqual(source.made);
  expect(received.length - known.size).toBeLessThanOrEqual(mostTwice * BATCH);
}

describeWithCollector("a collector", () => {
  test.each(PROTOCOLS)(
    "killed and started again under load loses nothing: %s",
    async (protocol) => {
      await using collector = await startOtelCollector();
      await using exporting = exportTo(protocol, portOf(collector, protocol));
      const source = new SpanSource();
      const kills = 3;
      await underLoad(exporting, source, async () => {
        for (let kill = 0; kill < kills; kill++) {
          const before = exporting.exporter.stats().sent;
          await until(() => exporting.exporter.stats().sent > before + 500);
          await collector.kill();
          const { failure } = exporting.exporter.stats().requests;
          await until(() => exporting.exporter.stats().requests.failure > failure);
          await collector.start();
        }
      });
      await expectAccounted(exporting, collector, source, kills * CONCURRENT);
      expect(exporting.exporter.stats().dropped).toEqual({});
    },
    TEST_MS,
  );

  test.each(PROTOCOLS)(
    "that stands still beyond the timeout gets everything once it goes on: %s",
    async (protocol) => {
      await using collector = await startOtelCollector();
      await using exporting = exportTo(protocol, portOf(collector, protocol), { timeout: "500ms" });
      const source = new SpanSource();
      let timeouts = 0;
      await underLoad(exporting, source, async () => {
        await until(() => exporting.exporter.stats().sent > 500);
        collector.hold();
        await until(() => exporting.exporter.stats().requests.failure >= CONCURRENT + 2);
        timeouts = exporting.exporter.stats().requests.failure;
        collector.release();
        const before = exporting.exporter.stats().sent;
        await until(() => exporting.exporter.stats().sent > before);
      });
      // A request that it was sent while it stood still it reads afterwards; ours may fail once more until then.
      await expectAccounted(exporting, collector, source, timeouts + 2 * CONCURRENT);
      expect(exporting.exporter.stats().dropped).toEqual({});
    },
    TEST_MS,
  );

  test.each(PROTOCOLS)(
    "behind a slow link gets everything, as fast as the link is: %s",
    async (protocol) => {
      await using collector = await startOtelCollector();
      using proxy = await startSlowProxy(portOf(collector, protocol), 800_000);
      await using exporting = exportTo(protocol, proxy.port, { timeout: "5s", compression: "none" });
      const source = new SpanSource();
      for (let batch = 0; batch < 12; batch++) exporting.exporter.accept(source.batch(BATCH));
      await expectAccounted(exporting, collector, source, 0);
      expect(exporting.exporter.stats()).toMatchObject({
        dropped: {},
        requests: { success: 12, failure: 0 },
      });
    },
    TEST_MS,
  );

  test.each(PROTOCOLS)(
    "that stays away costs the oldest spans, counted, and never more than the queue: %s",
    async (protocol) => {
      await using collector = await startOtelCollector();
      await using exporting = exportTo(protocol, portOf(collector, protocol), { max_queue_size: 1000 });
      const source = new SpanSource();
      await collector.kill();
      for (let batch = 0; batch < 100; batch++) {
        exporting.exporter.accept(source.batch(BATCH));
        expect(exporting.exporter.stats().queueSpans).toBeLessThanOrEqual(1000 + BATCH * CONCURRENT);
        await Bun.sleep(1);
      }
      await collector.start();
      await expectAccounted(exporting, collector, source, 0);
      const { dropped, sent } = exporting.exporter.stats();
      expect(Object.keys(dropped)).toEqual(["queue_full"]);
      expect(sent).toBeGreaterThanOrEqual(1000 - BATCH * CONCURRENT);
      const kept = collector.spans().map(({ spanId }) => Number.parseInt(spanId, 16));
      expect(Math.max(...kept)).toBe(source.made);
    },
    TEST_MS,
  );

  test.each(PROTOCOLS)(
    "that takes only small requests gets them all, halved: %s",
    async (protocol) => {
      await using collector = await startOtelCollector({ mostMebibytes: 1 });
      const settings = { max_batch_size: 4000, timeout: "10s" };
      await using exporting = exportTo(protocol, portOf(collector, protocol), settings);
      const source = new SpanSource();
      exporting.exporter.accept(source.batch(4000));
      await expectAccounted(exporting, collector, source, 0);
      expect(exporting.exporter.stats()).toMatchObject({ sent: 4000, dropped: {} });
      expect(collector.requests().length).toBeGreaterThan(2);
    },
    TEST_MS,
  );

  test.each(PROTOCOLS)(
    "whose certificate and authority are replaced under load loses nothing: %s",
    async (protocol) => {
      const folder = mkdtempSync("/dev/shm/mermin-rotation-");
      try {
        const names = ["IP:127.0.0.1"];
        const trusted = join(folder, "trusted.pem");
        const trust = (path: string): void => {
          copyFileSync(path, `${trusted}.new`);
          renameSync(`${trusted}.new`, trusted);
        };
        const first = makeAuthority(folder, "first");
        const second = makeAuthority(folder, "second");
        trust(first.cert);
        const tls = issueCertificate(first, folder, "server", names);
        await using collector = await startOtelCollector({ tls });
        const settings = { "tls.ca_cert": trusted };
        await using exporting = exportTo(protocol, portOf(collector, protocol), settings);
        const source = new SpanSource();
        await underLoad(exporting, source, async () => {
          await until(() => exporting.exporter.stats().sent > 500);
          issueCertificate(second, folder, "server", names);
          await collector.kill();
          await collector.start();
          const { failure } = exporting.exporter.stats().requests;
          await until(() => exporting.exporter.stats().requests.failure >= failure + 2);
          trust(second.cert);
          const before = exporting.exporter.stats().sent;
          await until(() => exporting.exporter.stats().sent > before + 500);
        });
        await expectAccounted(exporting, collector, source, CONCURRENT);
        expect(exporting.exporter.stats().dropped).toEqual({});
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
    TEST_MS,
  );

  test(
    "beside a dead one and one that stands still gets everything in time",
    async () => {
      await using alive = await startOtelCollector();
      await using held = await startOtelCollector();
      await using dead = await startOtelCollector();
      const one = (name: string, { http }: OtelCollector): string =>
        table("[[export.otlp]]", { name, endpoint: http, max_queue_size: 2000, timeout: "500ms" });
      await using exporting = startExporting(one("dead", dead) + one("held", held) + one("alive", alive));
      await dead.kill();
      held.hold();
      const source = new SpanSource();
      const [first, second, third] = exporting.exporters;
      if (first === undefined || second === undefined || third === undefined)
        throw new Error("three are asked for");
      await underLoad(exporting, source, async () => {
        await until(() => third.stats().sent > 5000);
        // All but what the last moments brought, whatever the other two do.
        await until(() => third.stats().queueSpans <= 2 * BATCH);
      });
      await until(() => third.stats().queueSpans === 0);
      expect(third.stats()).toMatchObject({ sent: source.made, dropped: {}, requests: { failure: 0 } });
      expect(new Set(alive.spans().map(({ spanId }) => spanId))).toEqual(source.ids());
      for (const stats of [first.stats(), second.stats()]) {
        expect(stats.sent).toBe(0);
        expect(stats.queueSpans + countDropped(stats)).toBe(source.made);
        expect(stats.queueSpans).toBeLessThanOrEqual(2000 + CONCURRENT * BATCH);
      }
    },
    TEST_MS,
  );
});
