// Metrics of the cluster's watch and of attribution; none where no cluster is watched.

import type { Metric } from "./metric.ts";

/** The part of the cluster that telemetry reads. */
export interface ClusterSnapshot {
  /** Every list was complete once. */
  readonly isSynced: boolean;
  /** Ends of records by how the look-up of their address ended. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly kinds: readonly {
    readonly kind: string;
    /** Known now. */
    readonly objects: number;
    readonly events: Readonly<Record<string, number>>;
  }[];
}

export const CLUSTER_METRICS: readonly Metric[] = [
  {
    name: "mermin_kubernetes_attributions_total",
    type: "counter",
    help: "Ends of flow records by what was found: resolved (who had the address when the flow began), ended (who had it until shortly before), ambiguous (several had it), unknown (nobody in the cluster).",
    labels: ["outcome"],
    samples: ({ cluster }) =>
      Object.entries(cluster?.outcomes ?? {}).map(([outcome, value]) => ({ labels: [outcome], value })),
  },
  {
    name: "mermin_kubernetes_objects",
    type: "gauge",
    help: "Objects of the cluster that are known, by kind.",
    labels: ["kind"],
    samples: ({ cluster }) =>
      (cluster?.kinds ?? []).map(({ kind, objects }) => ({ labels: [kind], value: objects })),
  },
  {
    name: "mermin_kubernetes_watch_events_total",
    type: "counter",
    help: "Changes that watches and lists told, by kind and type.",
    labels: ["kind", "type"],
    samples: ({ cluster }) =>
      (cluster?.kinds ?? []).flatMap(({ kind, events }) =>
        Object.entries(events).map(([type, value]) => ({ labels: [kind, type], value })),
      ),
  },
];
