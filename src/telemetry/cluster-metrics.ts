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
    readonly state: "listing" | "synced" | "forbidden" | "absent";
    /** Why the last attempt to list or to watch failed; "" where it did not. */
    readonly failure: string;
    /** Known now. */
    readonly objects: number;
    readonly events: Readonly<Record<string, number>>;
    /** Asked for from the start on. */
    readonly lists: number;
    readonly watches: number;
    /** Of both, decompressed. */
    readonly bytes: number;
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
    name: "mermin_kubernetes_synced",
    type: "gauge",
    help: "Whether a kind is known, 1 or 0: its list was complete and it may be read, or the API server does not serve it.",
    labels: ["kind"],
    samples: ({ cluster }) =>
      (cluster?.kinds ?? []).map(({ kind, state }) => ({
        labels: [kind],
        value: state === "synced" || state === "absent" ? 1 : 0,
      })),
  },
  {
    name: "mermin_kubernetes_requests_total",
    type: "counter",
    help: "Lists (from the first page on) and watches that were asked for, by kind.",
    labels: ["kind", "request"],
    samples: ({ cluster }) =>
      (cluster?.kinds ?? []).flatMap(({ kind, lists, watches }) => [
        { labels: [kind, "list"], value: lists },
        { labels: [kind, "watch"], value: watches },
      ]),
  },
  {
    name: "mermin_kubernetes_received_bytes_total",
    type: "counter",
    help: "Bytes of lists and watches, decompressed, by kind.",
    labels: ["kind"],
    samples: ({ cluster }) =>
      (cluster?.kinds ?? []).map(({ kind, bytes }) => ({ labels: [kind], value: bytes })),
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
