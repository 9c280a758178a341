import { describe, expect, test } from "bun:test";
import { JsonTraceSerializer } from "@opentelemetry/otlp-transformer";
import fc from "fast-check";
import type { DecoratedBatch } from "../../../src/decorate.ts";
import { EVERY_ATTRIBUTE } from "../../../src/export/attributes.ts";
import { createRequestEncoder } from "../../../src/export/create-encoder.ts";
import { requestLines } from "../../../src/export/lines.ts";
import type { Encoding, RequestEncoder } from "../../../src/export/request-encoder.ts";
import { decodeJsonRequest, decodeRequest } from "../../collector/decode.ts";
import { VXLAN_DETAIL } from "../../collector/details.ts";
import { toReadableSpans } from "../../collector/readable-span.ts";
import { anyRecord, batchOf, TCP_RECORD, tcpBatch } from "../../collector/records.ts";

const RESOURCE = new Map<string, string | readonly string[]>([
  ["service.name", 'mer"min'],
  ["host.name", "prüfstand"],
  ["host.ip", ["192.0.2.1", "2001:db8::1"]],
]);

function encoderOf(encoding: Encoding): RequestEncoder {
  return createRequestEncoder("traces", encoding, {
    resource: RESOURCE,
    version: "1.2.3",
    attributes: EVERY_ATTRIBUTE,
  });
}

function encodeAll(encoding: Encoding, batch: DecoratedBatch): Uint8Array {
  const encoder = encoderOf(encoding);
  encoder.append(batch, 0, batch.count);
  return encoder.take().bytes;
}

describe("OTLP/JSON", () => {
  test("says what the protobuf says of the same records", () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { minLength: 1, maxLength: 20 }), (records) => {
        const batch = batchOf(records);
        const [json, protobuf] = [encodeAll("json", batch), encodeAll("protobuf", batch)];
        expect(decodeJsonRequest(json)).toEqual(decodeRequest(protobuf));
      }),
      { numRuns: 200 },
    );
  });

  test("is what the official serializer writes, but for the members it writes empty", () => {
    const batch = batchOf([TCP_RECORD, { ...TCP_RECORD, detail: VXLAN_DETAIL }]);
    const ours: unknown = JSON.parse(new TextDecoder().decode(encodeAll("json", batch)));
    const spans = toReadableSpans(decodeRequest(encodeAll("protobuf", batch)));
    const official = JsonTraceSerializer.serializeRequest(spans) ?? new Uint8Array();
    expect(JSON.parse(new TextDecoder().decode(official), textInts)).toMatchObject(Object(ours));
  });

  test.each<Encoding>(["json", "protobuf"])(
    "says in each request what is known of the sender then (%s)",
    (encoding) => {
      const resource = new Map(RESOURCE);
      const options = { resource, version: "1.2.3", attributes: EVERY_ATTRIBUTE };
      const encoder = createRequestEncoder("traces", encoding, options);
      const decode = encoding === "json" ? decodeJsonRequest : decodeRequest;
      encoder.append(tcpBatch(1), 0, 1);
      expect(decode(encoder.take().bytes).resource["k8s.cluster.uid"]).toBeUndefined();
      encoder.append(tcpBatch(1), 0, 1);
      resource.set("k8s.cluster.uid", "uid-1");
      expect(decode(encoder.take().bytes).resource["k8s.cluster.uid"]).toBe("uid-1");
    },
  );

  test("gathers several batches, starts over after take, and has no item too many", () => {
    const encoder = encoderOf("json");
    encoder.append(tcpBatch(10), 3, 7);
    encoder.append(tcpBatch(2), 0, 2);
    expect(encoder.spans).toBe(6);
    const first = encoder.take();
    const empty = encoder.take();
    expect(first.spans).toBe(6);
    expect(decodeJsonRequest(first.bytes).spans.map(({ attributes }) => attributes["source.port"])).toEqual([
      3, 4, 5, 6, 0, 1,
    ]);
    expect(empty.spans).toBe(0);
    expect(decodeJsonRequest(empty.bytes).spans).toEqual([]);
  });

  test("as lines is a whole request each, of at most 128 spans", () => {
    const text = new TextDecoder().decode(requestLines(encoderOf("json"))(tcpBatch(300), 10, 300));
    const lines = text.split("\n");
    expect(lines.pop()).toBe("");
    const requests = lines.map((line) => decodeJsonRequest(new TextEncoder().encode(line)));
    expect(requests.map(({ spans }) => spans.length)).toEqual([128, 128, 34]);
    const ports = requests.flatMap(({ spans }) => spans.map((span) => span.attributes["source.port"]));
    expect(ports).toEqual(Array.from({ length: 290 }, (_, index) => index + 10));
  });
});

/** Integers as the proto3 mapping has them: the official serializer writes safe ones as numbers. */
function textInts(name: string, value: unknown): unknown {
  return name === "intValue" ? String(value) : value;
}
