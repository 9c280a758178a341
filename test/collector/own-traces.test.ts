// The agent's own traces, as a collector gets them from the official SDK and exporter.

import { expect, test } from "bun:test";
import { defaultConfig } from "../../src/config/schema.ts";
import { createLogger } from "../../src/lib/log.ts";
import { observeAttempts, openOwnTraces } from "../../src/own-traces.ts";
import { otlpConfig } from "../support/otlp-config.ts";
import { startReceiver } from "./receiver.ts";

const logged: string[] = [];
const log = createLogger({ level: "info", format: "text", write: (line) => void logged.push(line) });
const WHO = { resource: new Map([["service.name", "mermin"]]), version: "1.2.3", log };

test("own traces go to the first endpoint with its headers, and say what was done and what failed", async () => {
  using receiver = startReceiver({ kind: "accept" });
  const initial = defaultConfig();
  const otlp = [
    otlpConfig({ endpoint: `http://127.0.0.1:${receiver.port}`, auth: { bearer: { token: "t" } } }),
  ];
  const telemetry = { ...initial.telemetry, traces: true };
  const config = { ...initial, telemetry, export: { ...initial.export, otlp } };
  const tracing = await openOwnTraces(config, WHO);
  if (tracing === undefined) throw new Error("tracing is on");
  const beganMs = Date.parse("2026-11-21T04:00:00Z");
  tracing.record({
    name: "agent.start",
    beganMs,
    endedMs: beganMs + 1500,
    attributes: { "mermin.interfaces": 3 },
  });
  const observe = observeAttempts(tracing, 1);
  observe?.({
    exporter: "otlp-2",
    beganMs,
    endedMs: beganMs + 5,
    spans: 1024,
    bytes: 99,
    outcome: { status: "rejected", cause: new Error("HTTP 400") },
  });
  await tracing[Symbol.asyncDispose]();
  expect(receiver.requests[0]?.path).toBe("/v1/traces");
  expect(receiver.requests[0]?.headers.get("authorization")).toBe("Bearer t");
  const [start, request] = receiver.spans;
  expect(start).toMatchObject({
    name: "agent.start",
    startTimeUnixNano: `${beganMs}000000`,
    endTimeUnixNano: `${beganMs + 1500}000000`,
    attributes: { "mermin.interfaces": 3 },
  });
  expect(request).toMatchObject({
    name: "export.request",
    attributes: {
      "mermin.exporter": "otlp-2",
      "mermin.export.outcome": "rejected",
      "mermin.export.spans": 1024,
      "mermin.export.bytes": 99,
    },
  });
});

test("an agent whose own traces cannot have their certificates goes on without them, and says so", async () => {
  const initial = defaultConfig();
  const otlp = [otlpConfig({ endpoint: "https://localhost:1", tls: { ca_cert: "/nowhere/ca.pem" } })];
  const telemetry = { ...initial.telemetry, traces: true };
  const config = { ...initial, telemetry, export: { ...initial.export, otlp } };
  expect(await openOwnTraces(config, WHO)).toBeUndefined();
  expect(logged.join("")).toContain(
    'no own traces: cannot use the TLS files of the first [export.otlp] error="tls.ca_cert',
  );
});

test("own traces are off by default, and a share of 0 tells no request", async () => {
  expect(await openOwnTraces(defaultConfig(), WHO)).toBeUndefined();
  expect(observeAttempts(undefined, 1)).toBeUndefined();
  expect(observeAttempts({ record: () => {}, [Symbol.asyncDispose]: async () => {} }, 0)).toBeUndefined();
});
