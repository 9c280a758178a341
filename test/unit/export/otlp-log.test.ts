import { describe, expect, test } from "bun:test";
import { ProtobufLogsSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import fc from "fast-check";
import { EVERY_ATTRIBUTE } from "../../../src/export/attributes.ts";
import { createRequestEncoder } from "../../../src/export/create-encoder.ts";
import { createSplitter } from "../../../src/export/otlp-split.ts";
import type { EncodedRequest, Encoding, Signal } from "../../../src/export/request-encoder.ts";
import { decodeRequest } from "../../collector/decode.ts";
import { type DecodedLog, decodeJsonLogs, decodeLogs } from "../../collector/decode-logs.ts";
import { toHrTime } from "../../collector/readable-span.ts";
import { anyRecord, batchOf, type RecordFields, TCP_RECORD, toExact } from "../../collector/records.ts";

const DECODERS = { protobuf: decodeLogs, json: decodeJsonLogs } as const;

type OfficialLogs = Parameters<typeof ProtobufLogsSerializer.serializeRequest>[0];

function encode(
  signal: Exclude<Signal, "metrics">,
  encoding: Encoding,
  records: readonly RecordFields[],
): EncodedRequest {
  const encoder = createRequestEncoder(signal, encoding, {
    resource: new Map([["service.name", "mermin"]]),
    version: "1.2.3",
    attributes: EVERY_ATTRIBUTE,
  });
  const batch = batchOf(records);
  encoder.append(batch, 0, batch.count);
  return encoder.take();
}

/** What the official serializer writes of the same log records; integers must be safe ones. */
function encodeOfficially(logs: readonly DecodedLog[]): Uint8Array {
  const resource = resourceFromAttributes({ "service.name": "mermin" });
  const instrumentationScope = { name: "mermin", version: "1.2.3" };
  const official: OfficialLogs = logs.map((log) => ({
    hrTime: toHrTime(log.timeUnixNano),
    hrTimeObserved: toHrTime(log.observedTimeUnixNano),
    severityNumber: log.severityNumber,
    severityText: log.severityText,
    eventName: log.eventName,
    body: log.body,
    spanContext: { traceId: log.traceId, spanId: log.spanId, traceFlags: 0 },
    attributes: Object.fromEntries(
      Object.entries(log.attributes).map(([name, value]) => [
        name,
        typeof value === "object" ? value.map(String) : value,
      ]),
    ),
    droppedAttributesCount: 0,
    resource,
    instrumentationScope,
  }));
  return ProtobufLogsSerializer.serializeRequest(official) ?? new Uint8Array();
}

describe.each(["protobuf", "json"] as const)("log records in %s", (encoding) => {
  const decode = DECODERS[encoding];

  test("have the span's ids, times and attributes, and the start", () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { minLength: 1, maxLength: 10 }), (records) => {
        const { spans } = decodeRequest(encode("traces", "protobuf", records).bytes);
        const before = Date.now();
        const { logs } = decode(encode("logs", encoding, records).bytes);
        const after = Date.now();
        const told = logs.map(({ attributes: { "flow.record.start": start, ...attributes }, ...log }) => ({
          traceId: log.traceId,
          spanId: log.spanId,
          startTimeUnixNano: String(start),
          endTimeUnixNano: log.timeUnixNano,
          name: log.body.split(" ")[0],
          attributes,
        }));
        expect<unknown>(told).toEqual(spans.map(({ kind: _kind, ...span }) => span));
        for (const { observedTimeUnixNano, severityNumber, severityText, eventName } of logs) {
          expect([severityNumber, severityText, eventName]).toEqual([9, "INFO", "mermin.flow"]);
          const observed = Number(BigInt(observedTimeUnixNano) / 1_000_000n);
          expect(observed).toBeWithin(before, after + 1);
        }
      }),
      { numRuns: 150 },
    );
  });

  test("say a line for people", () => {
    const [log] = decode(encode("logs", encoding, [TCP_RECORD]).bytes).logs;
    expect(log?.body).toBe(
      "flow_ipv4_tcp 10.1.2.3:41234 -> 192.0.2.200:443: 12 packets, 3456 bytes; back: 10 packets, 8192 bytes",
    );
  });

  test("are halved as spans are", () => {
    const split = createSplitter("logs", encoding);
    fc.assert(
      fc.property(fc.array(anyRecord, { minLength: 2, maxLength: 10 }), (records) => {
        const whole = encode("logs", encoding, records);
        const halves = (split(whole) ?? []).map(({ bytes, spans }) => ({ spans, ...decode(bytes) }));
        expect(halves.map(({ spans, logs }) => [spans, logs.length])).toEqual(
          [records.length >> 1, (records.length + 1) >> 1].map((count) => [count, count]),
        );
        const { logs, ...frame } = decode(whole.bytes);
        for (const half of halves) expect(half).toMatchObject(frame);
        expect(halves.flatMap((half) => half.logs)).toEqual([...logs]);
      }),
      { numRuns: 60 },
    );
  });
});

test("log records are what the official serializer writes of them", () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { minLength: 1, maxLength: 10 }), (records) => {
      const ours = decodeLogs(encode("logs", "protobuf", records.map(toExact)).bytes);
      expect(decodeLogs(encodeOfficially(ours.logs))).toEqual(ours);
    }),
    { numRuns: 150 },
  );
});
