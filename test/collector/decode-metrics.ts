// Decodes OTLP metric requests by the published message definitions: a witness of our own encoder.

import protobuf from "protobufjs";
import * as v from "valibot";
import { COMMON_DEFINITIONS } from "./decode.ts";

// As far as sums reach beyond the common messages.
const DEFINITIONS = `
  message ExportMetricsServiceRequest { repeated ResourceMetrics resource_metrics = 1; }
  message ResourceMetrics { Resource resource = 1; repeated ScopeMetrics scope_metrics = 2; string schema_url = 3; }
  message ScopeMetrics { InstrumentationScope scope = 1; repeated Metric metrics = 2; string schema_url = 3; }
  message Metric { string name = 1; string description = 2; string unit = 3; Sum sum = 7; }
  message Sum { repeated NumberDataPoint data_points = 1; int32 aggregation_temporality = 2; bool is_monotonic = 3; }
  message NumberDataPoint {
    fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3; double as_double = 4; sfixed64 as_int = 6;
    repeated KeyValue attributes = 7;
  }
`;

const requestType = protobuf
  .parse(COMMON_DEFINITIONS + DEFINITIONS)
  .root.lookupType("ExportMetricsServiceRequest");

const attributeSchema = v.strictObject({
  key: v.string(),
  value: v.union([
    v.pipe(
      v.strictObject({ stringValue: v.string() }),
      v.transform(({ stringValue }) => stringValue),
    ),
    v.pipe(
      v.strictObject({ intValue: v.string() }),
      v.transform(({ intValue }) => Number(intValue)),
    ),
    v.pipe(
      v.strictObject({ boolValue: v.boolean() }),
      v.transform(({ boolValue }) => boolValue),
    ),
  ]),
});
const pointSchema = v.strictObject({
  startTimeUnixNano: v.string(),
  timeUnixNano: v.string(),
  // protobufjs leaves out a field that has its default value.
  asInt: v.optional(v.string(), "0"),
  attributes: v.optional(v.array(attributeSchema), []),
});
const metricSchema = v.strictObject({
  name: v.string(),
  description: v.string(),
  unit: v.string(),
  sum: v.strictObject({
    dataPoints: v.array(pointSchema),
    aggregationTemporality: v.literal(2),
    isMonotonic: v.literal(true),
  }),
});
const requestSchema = v.strictObject({
  resourceMetrics: v.tuple([
    v.strictObject({
      resource: v.unknown(),
      scopeMetrics: v.tuple([
        v.strictObject({
          scope: v.strictObject({ name: v.literal("mermin"), version: v.string() }),
          metrics: v.array(metricSchema),
        }),
      ]),
    }),
  ]),
});

/** One data point. */
export interface DecodedPoint {
  readonly metric: string;
  readonly unit: string;
  readonly startNs: bigint;
  readonly timeNs: bigint;
  readonly value: bigint;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

/** Decodes a request of one resource and one scope. @throws on anything but cumulative monotonic sums */
export function decodeMetrics(bytes: Uint8Array): readonly DecodedPoint[] {
  return readRequest(requestType.toObject(requestType.decode(bytes), { longs: String }));
}

/** Likewise of a request in JSON. */
export function decodeJsonMetrics(bytes: Uint8Array): readonly DecodedPoint[] {
  return readRequest(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
}

function readRequest(message: unknown): readonly DecodedPoint[] {
  const [{ metrics }] = v.parse(requestSchema, message).resourceMetrics[0].scopeMetrics;
  return metrics.flatMap(({ name, unit, sum }) =>
    sum.dataPoints.map((point) => ({
      metric: name,
      unit,
      startNs: BigInt(point.startTimeUnixNano),
      timeNs: BigInt(point.timeUnixNano),
      value: BigInt(point.asInt),
      attributes: Object.fromEntries(point.attributes.map(({ key, value }) => [key, value])),
    })),
  );
}
