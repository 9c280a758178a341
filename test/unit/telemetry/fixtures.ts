// Counters of every stage, each with a value of its own, for tests of what telemetry makes of them.

import { type CaptureStats, COUNTER_NAMES } from "../../../src/capture/stats.ts";
import type { ExporterStats } from "../../../src/export/exporter-stats.ts";
import type { TableStats } from "../../../src/flow/stats.ts";
import { toMilliseconds } from "../../../src/lib/time.ts";
import type { ClusterSnapshot } from "../../../src/telemetry/cluster-metrics.ts";
import type { CaptureReport, ObservedExporter, Snapshot } from "../../../src/telemetry/snapshot.ts";

type CounterName = (typeof COUNTER_NAMES)[number];

export function captureStats(counters: Partial<Record<CounterName, number>> = {}): CaptureStats {
  return {
    counters: COUNTER_NAMES.map((name) => ({
      packets: counters[name] ?? 0,
      bytes: 100 * (counters[name] ?? 0),
    })),
    interfaces: [
      { ifindex: 2, name: "eth0", mode: "tcx", packets: [10, 20], bytes: [1000, 2000] },
      { ifindex: 3, name: 'odd"\\\nname', mode: "clsact", packets: [1, 2], bytes: [3, 4] },
    ],
    failedInterfaces: 1,
    namespaces: { read: 3, unread: 1, reads: 40 },
    shadowedInterfaces: 1,
    interfaceResyncs: 2,
    ringBytesPending: 640,
    scans: 7,
    stretchedScans: 2,
    pressedScans: 3,
    mapEntries: 55,
    mapCapacity: 131_072,
    recordsSent: 30,
    recordsRefused: 0,
    shortPackets: 0,
    packetsSetOff: 0,
    persistence: { isWanted: true, failure: undefined },
    conntrack: { isFollowed: true, resyncs: 1, interruptions: 0 },
  };
}

export function tableStats(): TableStats {
  return {
    active: 5,
    created: 12,
    released: 7,
    recordsByEndReason: [0, 4, 3, 2, 1, 0],
    packetsTold: 90,
    bytesTold: 9000,
    packetsSettled: 4,
    bytesSettled: 400,
    packetsPending: 14,
    absent: 0,
    packetsAbsent: 0,
    livesMerged: 0,
    evicted: 3,
    packetsOverflow: 20,
    packetsOverflowDuplicate: 6,
    packetsFiltered: 20,
    bytesFiltered: 2000,
    recordsFiltered: 2,
    packetsTranslated: 0,
    bytesTranslated: 0,
    translations: 8,
    translationsEvicted: 0,
    translationsContested: 0,
  };
}

export const EXPORTER_STATS: ExporterStats = {
  accepted: 30,
  sent: 20,
  dropped: { queue_full: 4, timeout: 3 },
  queueSpans: 3,
  queueCapacity: 32_768,
  requests: { success: 6, failure: 2 },
};

export function report(counters: Partial<Record<CounterName, number>> = { accounted: 100 }): CaptureReport {
  return { capture: captureStats(counters), table: tableStats() };
}

export function exporter(name = "otlp"): ObservedExporter & { readonly fail: (error: Error) => void } {
  const { promise, resolve } = Promise.withResolvers<Error>();
  return { name, failure: promise, stats: () => EXPORTER_STATS, fail: resolve };
}

export function snapshot(changes: Partial<Snapshot> = {}): Snapshot {
  return {
    build: { version: "1.2.3", commit: "abc" },
    report: report(),
    reportAge: toMilliseconds(500),
    deleteRace: 0,
    exporters: [{ name: "otlp", stats: EXPORTER_STATS, failure: undefined }],
    cluster: undefined,
    ...changes,
  };
}

type KindState = ClusterSnapshot["kinds"][number]["state"];

/** A cluster whose kinds are in these states, some for a reason. */
export function cluster(
  states: Readonly<Record<string, KindState | readonly [KindState, failure: string]>>,
  isSynced = true,
): ClusterSnapshot {
  const kinds = Object.entries(states).map(([kind, told]) => {
    const [state, failure] = typeof told === "string" ? [told, ""] : told;
    const events = { added: 4, modified: 2, deleted: 1 };
    return { kind, state, failure, objects: 3, events, lists: 5, watches: 6, bytes: 700 };
  });
  return { isSynced, outcomes: { resolved: 8, ambiguous: 9 }, kinds };
}
