import { expect, test } from "bun:test";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import fc from "fast-check";
import { EVERY_ATTRIBUTE } from "../../src/export/attributes.ts";
import { createOtlpExporter } from "../../src/export/create-exporters.ts";
import { createLogger } from "../../src/lib/log.ts";
import { otlpConfig } from "../support/otlp-config.ts";
import { toReadableSpans } from "./readable-span.ts";
import { startReceiver } from "./receiver.ts";
import { anyRecord, batchOf, tcpBatch } from "./records.ts";

const RECORDS = 64;
const FLUSH_MS = 10_000;

/** Plain and random records as a collector gets them from our exporter. */
async function receiveOurs(): Promise<ReturnType<typeof startReceiver>["spans"]> {
  using receiver = startReceiver({ kind: "accept" });
  await using exporter = createOtlpExporter(
    otlpConfig({
      endpoint: `http://127.0.0.1:${receiver.port}`,
      max_batch_size: RECORDS,
      max_queue_size: 2 * RECORDS,
      max_concurrent_exports: 1,
    }),
    "traces",
    {
      resource: new Map([["service.name", "mermin"]]),
      version: "1.2.3",
      attributes: EVERY_ATTRIBUTE,
      log: createLogger({ level: "error", format: "text", write: () => {} }),
    },
  );
  exporter.accept(tcpBatch(RECORDS));
  exporter.accept(batchOf(fc.sample(anyRecord, { numRuns: RECORDS, seed: 1 })));
  expect(await exporter.flush(AbortSignal.timeout(FLUSH_MS))).toBe(true);
  return [...receiver.spans];
}

test("a collector gets from our exporter what it gets from the official one", async () => {
  const ours = await receiveOurs();
  // Counts beyond 2^53 are decoded as text, and the official exporter would send text: those spans are no witness.
  const exact = ours.filter(({ attributes }) =>
    Object.entries(attributes).every(
      ([name, value]) => !/\.(delta|total)$/.test(name) || typeof value === "number",
    ),
  );
  expect(exact.length).toBeGreaterThanOrEqual(RECORDS);
  using receiver = startReceiver({ kind: "accept" });
  const official = new OTLPTraceExporter({ url: `http://127.0.0.1:${receiver.port}/v1/traces` });
  const readable = toReadableSpans({
    resource: { "service.name": "mermin" },
    scope: { name: "mermin", version: "1.2.3" },
    spans: exact,
  });
  const code = await new Promise<number>((resolve) =>
    official.export(readable, (result) => resolve(result.code)),
  );
  await official.shutdown();
  expect(code).toBe(0);
  expect(receiver.spans).toEqual(exact);
});
