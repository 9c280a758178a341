// Microseconds of CPU a span: our encoder against the official serializer, same spans, same run, in turns; then what
// else is made of records.
// Usage: bun bench/encode.ts [ROUNDS]

import { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { defaultConfig } from "../src/config/schema.ts";
import { EVERY_ATTRIBUTE } from "../src/export/attributes.ts";
import { createRequestEncoder } from "../src/export/create-encoder.ts";
import { findSeriesAttributes } from "../src/export/flow-metrics-config.ts";
import { FlowSeries } from "../src/export/flow-series.ts";
import { OtlpEncoder } from "../src/export/otlp-encode.ts";
import { createSpanWriter } from "../src/export/otlp-span.ts";
import type { Encoding } from "../src/export/request-encoder.ts";
import { decodeRequest } from "../test/collector/decode.ts";
import { VXLAN_DETAIL } from "../test/collector/details.ts";
import { toReadableSpans } from "../test/collector/readable-span.ts";
import { batchOf, TCP_RECORD, tcpBatch } from "../test/collector/records.ts";

const SPANS = 1024;
const RESOURCE = new Map([["service.name", "mermin"]]);
const rounds = Number(process.argv[2] ?? 400);

const batch = tcpBatch(SPANS);
const tunnelled = batchOf(
  Array.from({ length: SPANS }, () => ({ ...TCP_RECORD, detail: { ...VXLAN_DETAIL, ipip: undefined } })),
);
const encoder = new OtlpEncoder(createSpanWriter(EVERY_ATTRIBUTE), RESOURCE, "0");

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

function encodeAs(signal: "traces" | "logs", encoding: Encoding): () => void {
  const attributes = EVERY_ATTRIBUTE;
  const other = createRequestEncoder(signal, encoding, { resource: RESOURCE, version: "0", attributes });
  return () => {
    other.append(batch, 0, SPANS);
    other.take();
  };
}

/** By the attributes that are the default of [export.flow_metrics]. */
function sumUp(): () => void {
  const names = defaultConfig().export.flow_metrics.attributes;
  const series = new FlowSeries(findSeriesAttributes(names, "1.30"), {
    series: 2000,
    bytes: 1,
    measure: () => 0,
  });
  return () => series.add(batch, 1);
}

/** CPU time of all threads, the garbage collector's too; other load does not lengthen it. */
function time(encode: () => unknown): number {
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
const others = Object.entries({
  json: encodeAs("traces", "json"),
  logs: encodeAs("logs", "protobuf"),
  sums: sumUp(),
}).map(([name, step]) => [name, Array.from({ length: rounds }, () => time(step))] as const);
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
for (const [name, values] of others) {
  console.log(`${name.padEnd(9)} ${mean(values.slice(warm)).toFixed(2)} µs/span`);
}
console.log(`ratio     ${(officialUs / oursUs).toFixed(1)}`);
