// The statistics line of the log: what the agent saw, told and lost since it started.

import { COUNTER_NAMES } from "../capture/stats.ts";
import type { LogFields, Logger } from "../lib/log.ts";
import type { Milliseconds } from "../lib/time.ts";
import { listLosses } from "./losses.ts";
import type { CaptureReport, Snapshot } from "./snapshot.ts";

/**
 * Fields of the line: cumulative but for `active` and the queues; losses, and what overload and the configuration left
 * out, only where they are not 0.
 */
export function statisticsFields(snapshot: Snapshot): LogFields {
  const { report, exporters } = snapshot;
  const fields: Record<string, number> = {};
  if (report !== undefined) {
    const { active, created, released, packetsTold, bytesTold, recordsByEndReason } = report.table;
    const records = recordsByEndReason.reduce((sum, count) => sum + count, 0);
    Object.assign(fields, { active, created, released, packets: packetsTold, bytes: bytesTold, records });
    Object.assign(fields, withoutZeros(leftOut(report)));
  }
  for (const { name, stats } of exporters) fields[`queue_${name}`] = stats.queueSpans;
  for (const { stage, reason, count } of listLosses(snapshot)) {
    if (count !== 0) fields[`lost_${stage}_${reason}`] = count;
  }
  return fields;
}

function leftOut({ capture, table }: CaptureReport): Readonly<Record<string, number>> {
  const kernel = (name: (typeof COUNTER_NAMES)[number]): number =>
    capture.counters[COUNTER_NAMES.indexOf(name)]?.packets ?? 0;
  return {
    evicted: table.evicted,
    packets_overflow: table.packetsOverflow,
    packets_overflow_duplicate: table.packetsOverflowDuplicate,
    packets_filtered: table.packetsFiltered,
    packets_translated: table.packetsTranslated,
    records_filtered: table.recordsFiltered,
    kernel_filtered: kernel("filtered"),
    kernel_sampled_out: kernel("sampled_out"),
  };
}

function withoutZeros(fields: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(fields).filter(([, count]) => count !== 0));
}

/** Writes the line now. */
export function logStatistics(logger: Logger, snapshot: Snapshot): void {
  logger.info("flow statistics", statisticsFields(snapshot));
}

/** Calls `write` every `interval` until disposed; never where the interval is 0. The timer keeps no process alive. */
export function startStatistics(write: () => void, interval: Milliseconds): Disposable {
  if (interval === 0) return { [Symbol.dispose]: () => {} };
  const timer = setInterval(write, interval);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
