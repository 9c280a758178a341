// Everything that was observed and not told, by stage and reason. What is no loss: a packet seen again at another hook
// (duplicate), one held and then added (taken_over), what is not IP, one told in a record of its own (overflow), what was
// left out as the configuration has it (filtered, sampled_out), and a fragment out of order, which `fragment` counts.

import { COUNTER_NAMES } from "../capture/stats.ts";
import { DROP_REASONS, type DropReason } from "../export/exporter-stats.ts";
import type { Snapshot } from "./snapshot.ts";

export type LossStage = "kernel" | "ring" | "table" | "decorate" | "queue" | "export";

export interface Loss {
  readonly stage: LossStage;
  readonly reason: string;
  /** Packets (kernel, table; `lives_merged`: lives), events (ring), records (decorate), spans (queue, export). */
  readonly count: number;
}

type CounterName = (typeof COUNTER_NAMES)[number];

const NO_LOSS: ReadonlySet<CounterName> = new Set<CounterName>([
  "accounted",
  "duplicate",
  "taken_over",
  "not_ip",
  "fragment_reordered",
  "overflow",
  "filtered",
  "sampled_out",
]);

const STAGE_OF_DROP: Readonly<Record<DropReason, LossStage>> = {
  queue_full: "queue",
  shutdown: "queue",
  rejected: "export",
  too_large: "export",
  unreachable: "export",
  timeout: "export",
  unavailable: "export",
  output_failed: "export",
};

/** Every loss that can be counted now, zeros included; the drops of all exporters are summed. */
export function listLosses(snapshot: Snapshot): readonly Loss[] {
  return [...listCaptureLosses(snapshot), ...listExportLosses(snapshot)];
}

function listCaptureLosses({ report, deleteRace }: Snapshot): readonly Loss[] {
  if (report === undefined) return [];
  const { counters, shortPackets, recordsRefused, packetsSetOff } = report.capture;
  const { packetsAbsent, livesMerged } = report.table;
  const kernel = COUNTER_NAMES.flatMap((reason, index): Loss[] => {
    if (NO_LOSS.has(reason)) return [];
    return [
      { stage: reason === "ring_full" ? "ring" : "kernel", reason, count: counters[index]?.packets ?? 0 },
    ];
  });
  return [
    ...kernel,
    { stage: "kernel", reason: "delete_race", count: deleteRace },
    { stage: "kernel", reason: "schema_upgrade", count: packetsSetOff },
    { stage: "kernel", reason: "short_packet", count: shortPackets },
    { stage: "table", reason: "entry_gone", count: packetsAbsent },
    { stage: "table", reason: "lives_merged", count: livesMerged },
    { stage: "decorate", reason: "records_refused", count: recordsRefused },
  ];
}

function listExportLosses({ exporters }: Snapshot): readonly Loss[] {
  if (exporters.length === 0) return [];
  const spans = exporters.filter(({ stats }) => stats.items === undefined);
  return DROP_REASONS.map((reason) => {
    const counts = spans.map(({ stats }) => stats.dropped[reason] ?? 0);
    return { stage: STAGE_OF_DROP[reason], reason, count: counts.reduce((sum, count) => sum + count, 0) };
  });
}
