// What all of telemetry reads: the stages' counters at one moment, gathered from the messages of the capture thread
// and from the exporters of this one.

import type { CaptureStats, KernelCounter } from "../capture/stats.ts";
import type { ExporterStats } from "../export/exporter-stats.ts";
import type { TableStats } from "../flow/stats.ts";
import { type Milliseconds, toMilliseconds } from "../lib/time.ts";
import type { ClusterSnapshot } from "./cluster-metrics.ts";

export interface Build {
  readonly version: string;
  readonly commit: string;
}

/** The part of an exporter that telemetry reads. */
export interface ObservedExporter {
  readonly name: string;
  readonly failure: Promise<Error>;
  stats(): ExporterStats;
}

export interface ExporterSnapshot {
  readonly name: string;
  readonly stats: ExporterStats;
  /** Why it can never send again; undefined while it can. */
  readonly failure: string | undefined;
}

/** Counters of the capture thread as one message brought them. */
export interface CaptureReport {
  readonly capture: CaptureStats;
  readonly table: TableStats;
  /** COUNTERS as the kernel had them, of earlier agents too; undefined where nobody needs to know that they are shown. */
  readonly counted?: readonly KernelCounter[];
}

export interface Snapshot {
  readonly build: Build;
  /** undefined until the first scan. */
  readonly report: CaptureReport | undefined;
  /** Since the last report, or since the start where there is none yet. */
  readonly reportAge: Milliseconds;
  /**
   * Packets the kernel accounted that are in no flow told or live: removed between the last look and the removal.
   * Never falls.
   */
  readonly deleteRace: number;
  readonly exporters: readonly ExporterSnapshot[];
  /** undefined where no cluster is watched. */
  readonly cluster: ClusterSnapshot | undefined;
}

export interface Recorder {
  /** Takes the counters of a scan's end. */
  readonly record: (report: CaptureReport) => void;
  readonly snapshot: () => Snapshot;
}

export interface RecorderOptions {
  readonly build: Build;
  readonly exporters: readonly ObservedExporter[];
  /** undefined where no cluster is watched. */
  readonly cluster?: (() => ClusterSnapshot) | undefined;
  /** Milliseconds of a clock that never goes back; `performance.now` by default. */
  readonly now?: () => number;
}

/** Keeps the last report and asks the exporters whenever a snapshot is taken. */
export function createRecorder({
  build,
  exporters,
  cluster,
  now = () => performance.now(),
}: RecorderOptions): Recorder {
  let report: CaptureReport | undefined;
  let reportedAt = now();
  let deleteRace = 0;
  const failures = new Map<ObservedExporter, string>();
  for (const exporter of exporters) {
    void exporter.failure.then((error) => failures.set(exporter, error.message));
  }
  return {
    record: (next) => {
      report = next;
      reportedAt = now();
      deleteRace = Math.max(deleteRace, countDeleteRace(next));
    },
    snapshot: () => ({
      build,
      report,
      reportAge: toMilliseconds(now() - reportedAt),
      deleteRace,
      exporters: exporters.map((exporter) => ({
        name: exporter.name,
        stats: exporter.stats(),
        failure: failures.get(exporter),
      })),
      cluster: cluster?.(),
    }),
  };
}

/**
 * Exact where no packet came between the reading of COUNTERS and the scan; else too small by those packets, as
 * COUNTERS is read first. Packets that came as overflow events count as accounted from when they were taken in. Settled
 * packets were told, but never accounted; those of entries that were gone are a loss of the table's own.
 */
function countDeleteRace({ capture, table }: CaptureReport): number {
  const counted = (capture.counters[0]?.packets ?? 0) + table.packetsOverflow;
  const found = table.packetsTold + table.packetsFiltered + table.packetsTranslated - table.packetsSettled;
  return counted - found - table.packetsPending - table.packetsAbsent;
}
