// Metrics of the exporters: what they took, what became of it, and how their collectors do.

import { BREAKER_STATES, DROP_REASONS, type PeerStats } from "../export/exporter-stats.ts";
import type { Metric, Sample } from "./metric.ts";
import { ofExporter } from "./metric-forms.ts";

/** At any moment accepted = sent + dropped + queue_spans, for each exporter. */
export const EXPORT_METRICS: readonly Metric[] = [
  ofExporter(
    "gauge",
    "mermin_queue_spans",
    "Spans accepted and neither sent nor dropped yet.",
    [],
    ({ stats }) => [{ labels: [], value: stats.queueSpans }],
  ),
  ofExporter(
    "gauge",
    "mermin_queue_capacity",
    "Spans that the queue holds before it drops the oldest.",
    [],
    ({ stats }) => [{ labels: [], value: stats.queueCapacity }],
  ),
  ofPeer(
    "gauge",
    "mermin_queue_bytes",
    "Bytes of the requests that wait or are under way, before compression.",
    ({ queueBytes }) => queueBytes,
  ),
  ofPeer(
    "gauge",
    "mermin_queue_bytes_capacity",
    "Bytes that the queue holds before it drops the oldest.",
    ({ queueByteCapacity }) => queueByteCapacity,
  ),
  ofExporter("counter", "mermin_export_accepted_total", "Spans handed to the exporter.", [], ({ stats }) => [
    { labels: [], value: stats.accepted },
  ]),
  ofExporter(
    "counter",
    "mermin_export_spans_total",
    "Spans by outcome: sent, or dropped.",
    ["outcome"],
    ({ stats }) => [
      { labels: ["sent"], value: stats.sent },
      { labels: ["dropped"], value: Object.values(stats.dropped).reduce((sum, count) => sum + count, 0) },
    ],
  ),
  ofExporter(
    "counter",
    "mermin_export_dropped_total",
    "Spans dropped by reason; of all exporters together they are in mermin_losses_total.",
    ["reason"],
    ({ stats }) => DROP_REASONS.map((reason) => ({ labels: [reason], value: stats.dropped[reason] ?? 0 })),
  ),
  ofExporter(
    "counter",
    "mermin_export_requests_total",
    "Requests (standard output: writes) by outcome.",
    ["outcome"],
    ({ stats }) => Object.entries(stats.requests).map(([outcome, value]) => ({ labels: [outcome], value })),
  ),
  ofPeer(
    "counter",
    "mermin_export_retries_total",
    "Requests that had failed before and were sent again.",
    ({ retries }) => retries,
  ),
  ofExporter(
    "gauge",
    "mermin_export_breaker",
    "The state of the way to a collector is 1, the others 0: closed (requests go out), open (it failed repeatedly, none goes out for now), half_open (one goes out to see).",
    ["state"],
    ({ stats: { peer } }) =>
      peer === undefined
        ? []
        : BREAKER_STATES.map((state): Sample => ({ labels: [state], value: Number(state === peer.breaker) })),
  ),
  ofPeer(
    "gauge",
    "mermin_export_unverified",
    "Whether any certificate of the collector is taken (tls.insecure_skip_verify): 1, else 0.",
    ({ isUnverified }) => Number(isUnverified),
  ),
];

/** One value of each exporter that sends to a collector. */
function ofPeer(type: Metric["type"], name: string, help: string, read: (peer: PeerStats) => number): Metric {
  return ofExporter(type, name, help, [], ({ stats: { peer } }) =>
    peer === undefined ? [] : [{ labels: [], value: read(peer) }],
  );
}
