import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { EVERY_ATTRIBUTE } from "../../../src/export/attributes.ts";
import { findSeriesAttributes } from "../../../src/export/flow-metrics-config.ts";
import { FlowSeries, type Series } from "../../../src/export/flow-series.ts";
import { createNdjsonFormatter } from "../../../src/export/ndjson.ts";
import { createSeriesEncoder } from "../../../src/export/otlp-metrics.ts";
import { createSplitter } from "../../../src/export/otlp-split.ts";
import type { EncodedRequest, Encoding } from "../../../src/export/request-encoder.ts";
import { RecordRow } from "../../../src/export/row.ts";
import { type DecodedPoint, decodeJsonMetrics, decodeMetrics } from "../../collector/decode-metrics.ts";
import { anyRecord, batchOf, type RecordFields, TCP_RECORD, tcpBatch } from "../../collector/records.ts";

const NAMES = ["network.type", "network.transport", "flow.direction", "destination.port", "tunnel.type"];
const DECODERS = { protobuf: decodeMetrics, json: decodeJsonMetrics } as const;
const RESOURCE = new Map([["service.name", "mermin"]]);

function seriesOf(names: readonly string[], capacity: number): FlowSeries {
  return new FlowSeries(findSeriesAttributes(names, "1.30"), {
    series: capacity,
    bytes: 1,
    measure: () => 0,
  });
}

/** A series by what tells it apart from all others, over its restarts. */
function keyOf({ attributes, startMs }: Series, number = startMs): string {
  return JSON.stringify([attributes.toSorted(), number]);
}

/** Counts wrap at 2^64, as 64-bit counters do. */
function add(sums: Map<string, bigint[]>, key: string, counts: readonly bigint[]): void {
  const sum = sums.get(key) ?? counts.map(() => 0n);
  sums.set(
    key,
    sum.map((value, index) => BigInt.asUintN(64, value + (counts[index] ?? 0n))),
  );
}

function countsOf({ forward = [], reverse = [] }: RecordFields): readonly bigint[] {
  return [forward[1] ?? 0n, reverse[1] ?? 0n, forward[0] ?? 0n, reverse[0] ?? 0n, 1n];
}

describe("FlowSeries", () => {
  test("sums up by the attributes exactly what a plain sum over the records' ndjson does", () => {
    const row = new RecordRow();
    const format = createNdjsonFormatter(EVERY_ATTRIBUTE);
    fc.assert(
      fc.property(
        fc.array(fc.array(anyRecord, { maxLength: 12 }), { maxLength: 6 }),
        fc.subarray(NAMES),
        (batches, names) => {
          const series = seriesOf(names, 1000);
          const expected = new Map<string, bigint[]>();
          for (const [time, records] of batches.entries()) {
            const batch = batchOf(records);
            series.add(batch, 1000 + time);
            row.open(batch);
            for (const [index, record] of records.entries()) {
              row.moveTo(index);
              const { attributes } = JSON.parse(format(row));
              const values = names.flatMap((name) => (name in attributes ? [[name, attributes[name]]] : []));
              add(expected, JSON.stringify(values.toSorted()), countsOf(record));
            }
          }
          const told = [...series.list()].map(({ attributes, sums }): [string, readonly bigint[]] => [
            JSON.stringify(attributes.toSorted()),
            sums,
          ]);
          expect(new Map(told)).toEqual(expected);
          expect(told).toHaveLength(expected.size);
        },
      ),
      { numRuns: 200 },
    );
  });

  test("loses nothing to its bound, nor to what expires", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(anyRecord, { maxLength: 8 }), { maxLength: 20 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 6 }),
        (batches, capacity, patience) => {
          const series = seriesOf(["network.transport", "destination.port"], capacity);
          const last = new Map<string, readonly bigint[]>();
          const expected = new Map<string, bigint[]>();
          let now = 1;
          for (const records of batches) {
            series.add(batchOf(records), ++now);
            for (const record of records) add(expected, "all", countsOf(record));
            const told = [...series.list()];
            expect(told.length).toBeLessThanOrEqual(capacity + 1);
            for (const one of told) last.set(keyOf(one), one.sums);
            series.expire(now - patience);
          }
          const sums = new Map<string, bigint[]>();
          for (const counts of last.values()) add(sums, "all", counts);
          expect(sums).toEqual(expected);
        },
      ),
      { numRuns: 200 },
    );
  });

  test("puts what has no room in a series of its own, and finds room again", () => {
    const series = seriesOf(["destination.port"], 1);
    const record = (port: number): RecordFields => ({ ...TCP_RECORD, ports: [1, port] });
    series.add(batchOf([record(1), record(2), record(3)]), 10);
    expect([...series.list()].map(({ attributes, sums }) => [attributes, sums[4]])).toEqual([
      [[["destination.port", 1]], 1n],
      [[["otel.metric.overflow", true]], 2n],
    ]);
    series.expire(11);
    series.add(batchOf([record(2)]), 12);
    expect([...series.list()].map(({ attributes, startMs, sums }) => [attributes, startMs, sums[4]])).toEqual(
      [
        [[["destination.port", 2]], 12, 1n],
        [[["otel.metric.overflow", true]], 10, 2n],
      ],
    );
  });

  test("is bounded in bytes too, and measures no more until there is room again", () => {
    const measured: Series[] = [];
    const series = new FlowSeries(findSeriesAttributes(["destination.port"], "1.30"), {
      series: 1000,
      bytes: 35,
      measure: (one) => {
        measured.push(one);
        return 10;
      },
    });
    const records = [1, 2, 3, 4, 5].map((port): RecordFields => ({ ...TCP_RECORD, ports: [1, port] }));
    const told = (): unknown =>
      new Map([...series.list()].map(({ attributes, sums }) => [attributes[0]?.[1], sums[4]]));
    series.add(batchOf(records), 10);
    const expected = (...ports: readonly number[]): unknown =>
      new Map<unknown, bigint>([...ports.map((port) => [port, 1n] as const), [true, 3n]]);
    expect(told()).toEqual(expected(1, 2));
    expect(measured.map(({ attributes, sums }) => [attributes[0]?.[1], sums[0]])).toEqual(
      [true, 1, 2, 3].map((value) => [value, 2n ** 64n - 1n]),
    );
    series.expire(11);
    series.add(batchOf(records.slice(3)), 12);
    expect(told()).toEqual(expected(4, 5));
  });

  test("begins again at 0 with a new start when a series comes back", () => {
    const series = seriesOf(["network.transport"], 10);
    series.add(tcpBatch(3), 10);
    series.add(tcpBatch(2), 20);
    series.expire(20);
    expect([...series.list()].map(({ startMs, sums }) => [startMs, sums[4]])).toEqual([[10, 5n]]);
    series.expire(21);
    expect([...series.list()]).toEqual([]);
    series.add(tcpBatch(1), 30);
    expect([...series.list()].map(({ startMs, sums }) => [startMs, sums[4]])).toEqual([[30, 1n]]);
  });

  test("counts a flow once, whatever its records", () => {
    const series = seriesOf([], 1);
    const batch = tcpBatch(3);
    batch.words[18] = 7;
    series.add(batch, 1);
    expect([...series.list()][0]?.sums).toEqual([3n * 3456n, 3n * 8192n, 36n, 30n, 2n]);
  });
});

describe.each(["protobuf", "json"] as const)("metrics in %s", (encoding: Encoding) => {
  const encode = createSeriesEncoder(encoding, RESOURCE, "1.2.3");
  const decode = DECODERS[encoding];
  const split = createSplitter("metrics", encoding);

  function request(records: readonly RecordFields[]): EncodedRequest {
    const series = seriesOf(NAMES, 3);
    series.add(batchOf(records), 1_763_678_000_123);
    return encode([...series.list()], 1_763_678_030_456);
  }

  test("say each series five times, whole and exact", () => {
    const wide = { ...TCP_RECORD, forward: [12n, (1n << 53n) + 1n, 0n, 0n] };
    const { bytes, spans } = request([wide]);
    const attributes = {
      "network.type": "ipv4",
      "network.transport": "tcp",
      "flow.direction": "forward",
      "destination.port": 443,
    };
    const point = (metric: string, unit: string, value: bigint, way?: string): DecodedPoint => ({
      metric,
      unit,
      value,
      startNs: 1_763_678_000_123_000_000n,
      timeNs: 1_763_678_030_456_000_000n,
      attributes: way === undefined ? attributes : { ...attributes, "flow.way": way },
    });
    expect(spans).toBe(5);
    expect(decode(bytes)).toEqual([
      point("mermin.flow.bytes", "By", (1n << 53n) + 1n, "forward"),
      point("mermin.flow.bytes", "By", 8192n, "reverse"),
      point("mermin.flow.packets", "{packet}", 12n, "forward"),
      point("mermin.flow.packets", "{packet}", 10n, "reverse"),
      point("mermin.flow.flows", "{flow}", 1n),
    ]);
  });

  test("have no point that ends before its start, where the clock was set back", () => {
    const series = seriesOf([], 1);
    series.add(batchOf([TCP_RECORD]), 2_000_000);
    const times = decode(encode([...series.list()], 1_000_000).bytes).map(({ timeNs }) => timeNs);
    expect(new Set(times)).toEqual(new Set([2_000_000_000_000n]));
  });

  test("have the series of what had no room", () => {
    const { bytes } = request([1, 2, 3, 4, 5].map((port) => ({ ...TCP_RECORD, ports: [1, port] })));
    const overflow = decode(bytes).filter(({ attributes }) => attributes["otel.metric.overflow"] === true);
    expect(overflow.map(({ value }) => value)).toEqual([6912n, 16_384n, 24n, 20n, 2n]);
  });

  test("are halved by data points", () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { minLength: 1, maxLength: 10 }), (records) => {
        const whole = request(records);
        const parts: EncodedRequest[] = [];
        const pending = [whole];
        for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
          const halves = split(next);
          if (halves === undefined) parts.push(next);
          else pending.push(...halves);
        }
        expect(parts.map(({ bytes, spans }) => [spans, decode(bytes).length])).toEqual(
          Array.from({ length: whole.spans }, () => [1, 1]),
        );
        const joined = parts.toReversed().flatMap(({ bytes }) => decode(bytes));
        expect(joined).toEqual([...decode(whole.bytes)]);
      }),
      { numRuns: 30 },
    );
  });
});
