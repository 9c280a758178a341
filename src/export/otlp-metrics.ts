// Series of flows as OTLP metrics. Comes in: series. Goes out: ExportMetricsServiceRequest, in protobuf or JSON. Written
// once an interval, not for each record: plainly, and exact where numbers would round.

import type { Series } from "./flow-series.ts";
import { encodeResource, encodeScope } from "./otlp-encode.ts";
import { ANY_VALUE, KEY_VALUE, REQUEST } from "./otlp-fields.ts";
import { METRIC, NUMBER_DATA_POINT, RESOURCE_METRICS, SCOPE_METRICS, SUM } from "./otlp-fields-metrics.ts";
import { jsonFrame } from "./otlp-json.ts";
import { fieldTag, ProtobufWriter, WIRE } from "./protobuf.ts";
import type { EncodedRequest, Encoding } from "./request-encoder.ts";
import type { ResourceAttributes } from "./resource.ts";

/** Which way a data point's packets went, as the flow sees it. */
const WAY = "flow.way";

/** One metric: its data points are sums of a series, by their place in `SUMS`. */
interface FlowMetric {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  readonly points: readonly { readonly sum: number; readonly way?: "forward" | "reverse" }[];
}

/** The metrics there are: cumulative, monotonic. */
export const FLOW_METRICS: readonly FlowMetric[] = [
  {
    name: "mermin.flow.bytes",
    unit: "By",
    description: "Layer-3 bytes of flows.",
    points: [
      { sum: 0, way: "forward" },
      { sum: 1, way: "reverse" },
    ],
  },
  {
    name: "mermin.flow.packets",
    unit: "{packet}",
    description: "Packets of flows.",
    points: [
      { sum: 2, way: "forward" },
      { sum: 3, way: "reverse" },
    ],
  },
  {
    name: "mermin.flow.flows",
    unit: "{flow}",
    description: "Flows that began.",
    points: [{ sum: 4 }],
  },
];

/** Data points of one series. */
export const POINTS_PER_SERIES: number = FLOW_METRICS.flatMap(({ points }) => points).length;

/** Writes series as they are at `timeMs`, milliseconds since 1970. */
export type EncodeSeries = (series: readonly Series[], timeMs: number) => EncodedRequest;

/** AGGREGATION_TEMPORALITY_CUMULATIVE */
const CUMULATIVE = 2;

type AttributeValue = string | number | boolean;

/**
 * @param resource read anew for each request
 * @param version of the build: the instrumentation scope's
 */
export function createSeriesEncoder(
  encoding: Encoding,
  resource: ResourceAttributes,
  version: string,
): EncodeSeries {
  const encode =
    encoding === "protobuf" ? protobufEncoder(resource, version) : jsonEncoder(resource, version);
  return (series, timeMs) => ({
    bytes: encode(series, timeMs),
    spans: series.length * POINTS_PER_SERIES,
  });
}

type Encode = (series: readonly Series[], timeMs: number) => Uint8Array<ArrayBuffer>;

function jsonEncoder(resource: ResourceAttributes, version: string): Encode {
  return (series, timeMs) => {
    const [before, after] = jsonFrame(["resourceMetrics", "scopeMetrics", "metrics"], resource, version);
    const metrics = FLOW_METRICS.map(({ name, unit, description, points }) => ({
      name,
      unit,
      description,
      sum: {
        aggregationTemporality: CUMULATIVE,
        isMonotonic: true,
        dataPoints: series.flatMap((one) =>
          points.map(({ sum, way }) => ({
            attributes: withWay(one, way).map(([key, value]) => ({ key, value: jsonValue(value) })),
            startTimeUnixNano: String(toNanos(one.startMs)),
            timeUnixNano: String(timeOf(one, timeMs)),
            asInt: String(one.sums[sum]),
          })),
        ),
      },
    }));
    return new TextEncoder().encode(before + JSON.stringify(metrics).slice(1, -1) + after);
  };
}

/** No point ends before its start, also where the clock was set back since. In ns. */
function timeOf({ startMs }: Series, timeMs: number): bigint {
  return toNanos(Math.max(timeMs, startMs));
}

function toNanos(ms: number): bigint {
  return BigInt(ms) * 1_000_000n;
}

function withWay({ attributes }: Series, way: string | undefined): Series["attributes"] {
  return way === undefined ? attributes : [...attributes, [WAY, way]];
}

function jsonValue(value: AttributeValue): Record<string, string | boolean> {
  if (typeof value === "string") return { stringValue: value };
  return typeof value === "number" ? { intValue: String(value) } : { boolValue: value };
}

function protobufEncoder(resource: ResourceAttributes, version: string): Encode {
  const scopeBytes = encodeScope(version);
  return (series, timeMs) =>
    message((request) =>
      request.field(
        REQUEST.resourceSpans,
        message((resourceMetrics) => {
          resourceMetrics.field(RESOURCE_METRICS.resource, encodeResource(resource));
          resourceMetrics.field(
            RESOURCE_METRICS.scopeMetrics,
            message((scopeMetrics) => {
              scopeMetrics.field(SCOPE_METRICS.scope, scopeBytes);
              for (const metric of FLOW_METRICS)
                scopeMetrics.field(SCOPE_METRICS.metrics, encodeMetric(metric, series, timeMs));
            }),
          );
        }),
      ),
    );
}

function message(write: (writer: ProtobufWriter) => void): Uint8Array<ArrayBuffer> {
  const writer = new ProtobufWriter(256);
  write(writer);
  return writer.bytes.subarray(0, writer.length);
}

function encodeMetric(
  { name, unit, description, points }: FlowMetric,
  series: readonly Series[],
  timeMs: number,
): Uint8Array {
  const sums = message((sum) => {
    for (const one of series)
      for (const { sum: index, way } of points)
        sum.field(SUM.dataPoints, encodePoint(one, one.sums[index] ?? 0n, withWay(one, way), timeMs));
    sum.varintField(SUM.aggregationTemporality, CUMULATIVE);
    sum.varintField(SUM.isMonotonic, 1);
  });
  return message((metric) => {
    metric.textField(METRIC.name, name);
    metric.textField(METRIC.description, description);
    metric.textField(METRIC.unit, unit);
    metric.field(METRIC.sum, sums);
  });
}

function encodePoint(
  series: Series,
  count: bigint,
  attributes: Series["attributes"],
  timeMs: number,
): Uint8Array {
  return message((point) => {
    writeFixed64(point, NUMBER_DATA_POINT.startTime, toNanos(series.startMs));
    writeFixed64(point, NUMBER_DATA_POINT.time, timeOf(series, timeMs));
    writeFixed64(point, NUMBER_DATA_POINT.asInt, count);
    for (const [name, value] of attributes) {
      const keyValue = message((writer) => {
        writer.textField(KEY_VALUE.key, name);
        writer.field(KEY_VALUE.value, encodeValue(value));
      });
      point.field(NUMBER_DATA_POINT.attributes, keyValue);
    }
  });
}

function writeFixed64(writer: ProtobufWriter, field: number, value: bigint): void {
  writer.reserve(9);
  writer.byte(fieldTag(field, WIRE.fixed64));
  writer.fixed64(Number(value & 0xffff_ffffn), Number(value >> 32n));
}

/** @param value a text, a truth, or a whole number below 2^53 */
function encodeValue(value: AttributeValue): Uint8Array {
  return message((writer) => {
    if (typeof value === "string") writer.textField(ANY_VALUE.string, value);
    else if (typeof value === "boolean") writer.varintField(ANY_VALUE.bool, value ? 1 : 0);
    else writer.varintField(ANY_VALUE.int, value);
  });
}
