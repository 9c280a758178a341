// Microseconds of CPU a span: our encoder against the official serializer, same spans, same run, in turns.
// Usage: bun bench/encode.ts [ROUNDS]

import { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { EVERY_ATTRIBUTE } from "../src/export/attributes.ts";
import { OtlpEncoder } from "../src/export/otlp-encode.ts";
import { createSpanWriter } from "../src/export/otlp-span.ts";
import { decodeRequest } from "../test/collector/decode.ts";
import { VXLAN_DETAIL } from "../test/collector/details.ts";
import { toReadableSpans } from "../test/collector/readable-span.ts";
import { batchOf, TCP_RECORD, tcpBatch } from "../test/collector/records.ts";

const SPANS = 1024;
const rounds = Number(process.argv[2] ?? 400);

const batch = tcpBatch(SPANS);
const tunnelled = batchOf(
  Array.from({ length: SPANS }, () => ({ ...TCP_RECORD, detail: { ...VXLAN_DETAIL, ipip: undefined } })),
);
const encoder = new OtlpEncoder(
  createSpanWriter(EVERY_ATTRIBUTE),
  new Map([["service.name", "mermin"]]),
  "0",
);

function encodeOurs(): Uint8Array {
  encoder.append(batch, 0, SPANS);
  return encoder.take().bytes;
}

function encodeTunnelled(): Uint8Array {
  encoder.append(tunnelled, 0, SPANS);
  return encoder.take().bytes;
}

// The cheapest official way: what makes the ReadableSpans is not timed.
const request = decodeRequest(encodeOurs());
const spans = toReadableSpans(request);

function encodeOfficial(): Uint8Array {
  return ProtobufTraceSerializer.serializeRequest(spans) ?? new Uint8Array();
}

/** CPU time of all threads, the garbage collector's too; other load does not lengthen it. */
function time(encode: () => Uint8Array): number {
  const start = process.cpuUsage();
  encode();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / SPANS;
}

/** Mean: garbage is collected in some rounds for all. */
function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

const ours: number[] = [];
const official: number[] = [];
for (let round = 0; round < rounds; round++) {
  ours.push(time(encodeOurs));
  official.push(time(encodeOfficial));
}
// Apart, so that its garbage is not collected in the official serializer's rounds.
const inTunnel = Array.from({ length: rounds }, () => time(encodeTunnelled));
const warm = rounds >> 2;
const oursUs = mean(ours.slice(warm));
const officialUs = mean(official.slice(warm));
const attributes = Object.keys(request.spans[0]?.attributes ?? {}).length;
console.log(
  `${rounds} rounds of ${SPANS} spans, ${attributes} attributes, ${Math.round(encodeOurs().length / SPANS)} bytes each`,
);
console.log(`ours      ${oursUs.toFixed(2)} µs/span`);
console.log(`official  ${officialUs.toFixed(2)} µs/span`);
console.log(`tunnel    ${mean(inTunnel.slice(warm)).toFixed(2)} µs/span`);
console.log(`ratio     ${(officialUs / oursUs).toFixed(1)}`);
