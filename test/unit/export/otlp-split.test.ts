import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { EVERY_ATTRIBUTE } from "../../../src/export/attributes.ts";
import { createRequestEncoder } from "../../../src/export/create-encoder.ts";
import { createSplitter } from "../../../src/export/otlp-split.ts";
import type { EncodedRequest, Encoding } from "../../../src/export/request-encoder.ts";
import { decodeJsonRequest, decodeRequest } from "../../collector/decode.ts";
import { anyRecord, batchOf, type RecordFields, tcpBatch } from "../../collector/records.ts";

const RESOURCE = new Map<string, string | readonly string[]>([
  ["service.name", "mermin"],
  ["host.ip", ["192.0.2.1", "2001:db8::1"]],
]);

const DECODERS = { protobuf: decodeRequest, json: decodeJsonRequest } as const;

function encode(encoding: Encoding, batch: ReturnType<typeof batchOf>): EncodedRequest {
  const encoder = createRequestEncoder("traces", encoding, {
    resource: RESOURCE,
    version: "1.2.3",
    attributes: EVERY_ATTRIBUTE,
  });
  encoder.append(batch, 0, batch.count);
  return encoder.take();
}

describe.each(["protobuf", "json"] as const)("createSplitter of spans in %s", (encoding) => {
  const split = createSplitter("traces", encoding);
  const decode = DECODERS[encoding];

  test("makes halves that are requests, and joined the whole", () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { minLength: 2, maxLength: 20 }), (records: RecordFields[]) => {
        const whole = encode(encoding, batchOf(records));
        const halves = split(whole) ?? [];
        const decoded = halves.map(({ bytes }) => decode(bytes));
        expect(halves.map(({ spans }) => spans)).toEqual([records.length >> 1, (records.length + 1) >> 1]);
        expect(decoded.map(({ spans }) => spans.length)).toEqual(halves.map(({ spans }) => spans));
        const { resource, scope, spans } = decode(whole.bytes);
        for (const half of decoded) expect(half).toMatchObject({ resource, scope });
        expect(decoded.flatMap((half) => half.spans)).toEqual([...spans]);
      }),
      { numRuns: 100 },
    );
  });

  test("goes down to single spans and no further", () => {
    const pending = [encode(encoding, tcpBatch(11))];
    const ports: unknown[] = [];
    for (let request = pending.pop(); request !== undefined; request = pending.pop()) {
      const halves = split(request);
      if (halves !== undefined) pending.push(halves[1], halves[0]);
      else ports.push(decode(request.bytes).spans[0]?.attributes["source.port"]);
    }
    expect(ports).toEqual(Array.from({ length: 11 }, (_, port) => port));
    expect(split(encode(encoding, tcpBatch(0)))).toBeUndefined();
  });
});
