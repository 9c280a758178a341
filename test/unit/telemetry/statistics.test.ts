import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { createLogger } from "../../../src/lib/log.ts";
import { toMilliseconds } from "../../../src/lib/time.ts";
import { logStatistics, startStatistics, statisticsFields } from "../../../src/telemetry/statistics.ts";
import { captureStats, report, snapshot, tableStats } from "./fixtures.ts";

describe("statisticsFields", () => {
  test("has the totals, the queues and the losses that happened", () => {
    const { capture, table } = report({ accounted: 100, map_full: 6, duplicate: 50 });
    const unpressed = {
      ...table,
      evicted: 0,
      packetsOverflow: 0,
      packetsOverflowDuplicate: 0,
      packetsFiltered: 0,
      recordsFiltered: 0,
    };
    const fields = statisticsFields(snapshot({ report: { capture, table: unpressed } }));
    expect(fields).toEqual({
      active: 5,
      created: 12,
      released: 7,
      packets: 90,
      bytes: 9000,
      records: 10,
      queue_otlp: 3,
      lost_kernel_map_full: 6,
      lost_queue_queue_full: 4,
      lost_export_timeout: 3,
    });
  });

  test("has what overload and the configuration left out, and none of it as lost", () => {
    const capture = captureStats({ overflow: 22, filtered: 8, sampled_out: 9 });
    const fields = statisticsFields(
      snapshot({ report: { capture, table: { ...tableStats(), packetsFiltered: 24 } } }),
    );
    expect(fields).toMatchObject({
      evicted: 3,
      packets_overflow: 20,
      packets_overflow_duplicate: 6,
      packets_filtered: 24,
      records_filtered: 2,
      kernel_filtered: 8,
      kernel_sampled_out: 9,
    });
    expect(Object.keys(fields).filter((name) => name.startsWith("lost_kernel"))).toEqual([]);
  });

  test("has only what is known before the first scan", () => {
    expect(statisticsFields(snapshot({ report: undefined, exporters: [] }))).toEqual({});
  });
});

describe("startStatistics", () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  function collect() {
    const lines: string[] = [];
    return {
      lines,
      logger: createLogger({ level: "info", format: "text", write: (line) => lines.push(line) }),
    };
  }

  test("writes the line each interval until disposed", () => {
    const { lines, logger } = collect();
    {
      using _ = startStatistics(() => logStatistics(logger, snapshot()), toMilliseconds(30_000));
      jest.advanceTimersByTime(29_999);
      expect(lines).toHaveLength(0);
      jest.advanceTimersByTime(30_001);
      expect(lines).toHaveLength(2);
    }
    expect(lines[0]).toContain("INFO  flow statistics active=5 created=12 released=7 packets=90");
    jest.advanceTimersByTime(60_000);
    expect(lines).toHaveLength(2);
  });

  test("writes nothing by itself where the interval is 0, but when asked", () => {
    const { lines, logger } = collect();
    using _ = startStatistics(() => logStatistics(logger, snapshot()), toMilliseconds(0));
    jest.advanceTimersByTime(600_000);
    expect(lines).toHaveLength(0);
    logStatistics(logger, snapshot());
    expect(lines).toHaveLength(1);
  });
});
