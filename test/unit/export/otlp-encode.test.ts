import { describe, expect, test } from "bun:test";
import { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import fc from "fast-check";
import type { DecoratedBatch } from "../../../src/decorate.ts";
import { EVERY_ATTRIBUTE } from "../../../src/export/attributes.ts";
import { createNdjsonFormatter } from "../../../src/export/ndjson.ts";
import { OtlpEncoder } from "../../../src/export/otlp-encode.ts";
import { createSpanWriter } from "../../../src/export/otlp-span.ts";
import { RecordRow } from "../../../src/export/row.ts";
import { decodeRequest } from "../../collector/decode.ts";
import { toReadableSpans } from "../../collector/readable-span.ts";
import { anyRecord, batchOf, TCP_RECORD, tcpBatch, toExact } from "../../collector/records.ts";

const formatNdjson = createNdjsonFormatter(EVERY_ATTRIBUTE);

const RESOURCE = new Map<string, string | readonly string[]>([
  ["service.name", "mermin"],
  ["host.name", "prüfstand"],
  ["host.ip", ["192.0.2.1", "2001:db8::1"]],
]);

function ndjsonLines(batch: DecoratedBatch): unknown[] {
  const row = new RecordRow();
  row.open(batch);
  return Array.from({ length: batch.count }, (_, index): unknown => {
    row.moveTo(index);
    return JSON.parse(formatNdjson(row));
  });
}

function encodeAll(batch: DecoratedBatch): Uint8Array {
  const encoder = new OtlpEncoder(createSpanWriter(EVERY_ATTRIBUTE), RESOURCE, "1.2.3");
  encoder.append(batch, 0, batch.count);
  return encoder.take().bytes;
}

describe("OtlpEncoder", () => {
  test("writes what the published definitions decode to the ndjson of the same rows", () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { minLength: 1, maxLength: 20 }), (records) => {
        const batch = batchOf(records);
        expect<unknown>(decodeRequest(encodeAll(batch)).spans).toEqual(ndjsonLines(batch));
      }),
      { numRuns: 300 },
    );
  });

  test("says what the official serializer says of the same spans", () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { minLength: 1, maxLength: 10 }), (records) => {
        const ours = decodeRequest(encodeAll(batchOf(records.map(toExact))));
        const official = ProtobufTraceSerializer.serializeRequest(toReadableSpans(ours));
        expect(decodeRequest(official ?? new Uint8Array())).toEqual(ours);
      }),
      { numRuns: 200 },
    );
  });

  test("writes resource and scope, lists and text beyond ASCII included", () => {
    const { resource, scope } = decodeRequest(encodeAll(batchOf([TCP_RECORD])));
    expect(resource).toEqual(Object.fromEntries(RESOURCE));
    expect(scope).toEqual({ name: "mermin", version: "1.2.3" });
  });

  test("gathers rows of several batches, starts over after take, and keeps what it gave", () => {
    const encoder = new OtlpEncoder(createSpanWriter(EVERY_ATTRIBUTE), RESOURCE, "1.2.3");
    encoder.append(tcpBatch(10), 3, 7);
    encoder.append(tcpBatch(2), 0, 2);
    expect(encoder.spans).toBe(6);
    const first = encoder.take();
    expect(first.spans).toBe(6);
    encoder.append(tcpBatch(500), 0, 500);
    const second = encoder.take();
    const ports = (bytes: Uint8Array): unknown[] =>
      decodeRequest(bytes).spans.map(({ attributes }) => attributes["source.port"]);
    expect(ports(first.bytes)).toEqual([3, 4, 5, 6, 0, 1]);
    expect(ports(second.bytes)).toHaveLength(500);
  });

  test("keeps interface names of any length and script", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 300 }), (name) => {
        const batch = { ...batchOf([TCP_RECORD]), interfaceName: () => name };
        const [span] = decodeRequest(encodeAll(batch)).spans;
        expect(span?.attributes["network.interface.name"]).toBe(name);
      }),
    );
  });

  test("tells values that come again, and more of them than it keeps", () => {
    const encoder = new OtlpEncoder(createSpanWriter(EVERY_ATTRIBUTE), RESOURCE, "1.2.3");
    const names = Array.from({ length: 900 }, (_, index) => `veth${index % 300}-${"x".repeat(index % 97)}`);
    for (const name of names) encoder.append({ ...batchOf([TCP_RECORD]), interfaceName: () => name }, 0, 1);
    const told = decodeRequest(encoder.take().bytes).spans.map(
      ({ attributes }) => attributes["network.interface.name"],
    );
    expect(told).toEqual(names);
  });
});
