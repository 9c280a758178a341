// The table of metrics: name, type, help, labels, and where each value comes from. The reference page and /metrics are
// both made from it; a metric that is not here does not exist.

import { CLUSTER_METRICS } from "./cluster-metrics.ts";
import { EXPORT_METRICS } from "./export-metrics.ts";
import { listLosses } from "./losses.ts";
import type { Metric } from "./metric.ts";
import { ofMap, ofReport, perHook, perState, perVerdict } from "./metric-forms.ts";
import { PROCESS_METRICS } from "./process.ts";

/** IPFIX flowEndReason 1–5 (IANA element 136). */
const END_REASONS = [
  "idle_timeout",
  "active_timeout",
  "end_of_flow_detected",
  "forced_end",
  "lack_of_resources",
];

const CAPTURE_METRICS: readonly Metric[] = [
  perHook(
    "mermin_packets_total",
    "Packets that passed a hook, as on the wire: segments of a super-packet each count.",
    "packets",
  ),
  perHook("mermin_bytes_total", "Bytes that passed a hook, link headers included.", "bytes"),
  perVerdict("mermin_kernel_packets_total", "Packets by what the kernel program made of them.", "packets"),
  perVerdict("mermin_kernel_bytes_total", "Layer 3 bytes by what the kernel program made of them.", "bytes"),
  {
    name: "mermin_losses_total",
    type: "counter",
    help: "What was observed and not told, or only in part: packets (kernel, table), events (ring), records (decorate), spans (queue, export).",
    labels: ["stage", "reason"],
    samples: (snapshot) =>
      listLosses(snapshot).map(({ stage, reason, count }) => ({ labels: [stage, reason], value: count })),
  },
  perState(
    "mermin_interfaces",
    "Interfaces by state: attached, failed to attach, shadowed (attached, but another program keeps packets from ours).",
    ({ capture }) => ({
      attached: capture.interfaces.length,
      failed: capture.failedInterfaces,
      shadowed: capture.shadowedInterfaces,
    }),
  ),
  perState(
    "mermin_namespaces",
    "Network namespaces whose listening sockets tell who answers, the host's own among them: read, or unread for want of privilege or of a way there.",
    ({ capture: { namespaces } }) => ({ read: namespaces.read, unread: namespaces.unread }),
  ),
  ofReport(
    "counter",
    "mermin_namespace_reads_total",
    "Times that the listening sockets of a network namespace were read; at most a hundred a second.",
    ({ capture }) => capture.namespaces.reads,
  ),
  ofReport(
    "counter",
    "mermin_interface_resyncs_total",
    "Times that the kernel dropped notices of interface changes, and all interfaces were looked at anew.",
    ({ capture }) => capture.interfaceResyncs,
  ),
  ofReport(
    "gauge",
    "mermin_conntrack_followed",
    "Whether conntrack tells which connections the node translates: 1, else 0.",
    ({ capture }) => (capture.conntrack.isFollowed ? 1 : 0),
  ),
  ofReport(
    "counter",
    "mermin_conntrack_resyncs_total",
    "Times that events of conntrack were lost, and all translated connections were listed anew.",
    ({ capture }) => capture.conntrack.resyncs,
  ),
  ofReport(
    "counter",
    "mermin_conntrack_interruptions_total",
    "Times that conntrack could no longer be followed: what it told is let go, and it is tried again for ever.",
    ({ capture }) => capture.conntrack.interruptions,
  ),
  ofMap(
    "mermin_bpf_map_entries",
    "Entries of a BPF map at the last scan.",
    ({ capture }) => capture.mapEntries,
  ),
  ofMap("mermin_bpf_map_capacity", "Entries that a BPF map can hold.", ({ capture }) => capture.mapCapacity),
  ofReport(
    "gauge",
    "mermin_ring_bytes_pending",
    "Bytes in the ring buffer and not read yet.",
    ({ capture }) => capture.ringBytesPending,
  ),
  ofReport(
    "counter",
    "mermin_scans_total",
    "Reads of the kernel's flow table.",
    ({ capture }) => capture.scans,
  ),
  ofReport(
    "counter",
    "mermin_scans_stretched_total",
    "Reads that came later than flow.poll_interval, as they took over 30 % of a core.",
    ({ capture }) => capture.stretchedScans,
  ),
  ofReport(
    "counter",
    "mermin_scans_pressed_total",
    "Reads made at once because the kernel's flow table was nearly full, with up to 60 % of a core.",
    ({ capture }) => capture.pressedScans,
  ),
];

const FLOW_METRICS: readonly Metric[] = [
  ofReport("gauge", "mermin_flows_active", "Flows live now.", ({ table }) => table.active),
  ofReport("counter", "mermin_flows_created_total", "Flows that began.", ({ table }) => table.created),
  ofReport(
    "counter",
    "mermin_flows_released_total",
    "Flows that ended and left the table.",
    ({ table }) => table.released,
  ),
  ofReport(
    "counter",
    "mermin_flows_evicted_total",
    "Flows that were ended to make room in the kernel's flow table; told with end reason lack_of_resources.",
    ({ table }) => table.evicted,
  ),
  {
    name: "mermin_flow_records_total",
    type: "counter",
    help: "Flow records told, by IPFIX end reason.",
    labels: ["end_reason"],
    samples: ({ report }) =>
      report === undefined
        ? []
        : END_REASONS.map((reason, index) => ({
            labels: [reason],
            value: report.table.recordsByEndReason[index + 1] ?? 0,
          })),
  },
  ofReport(
    "counter",
    "mermin_flow_packets_total",
    "Packets told in flow records, both directions.",
    ({ table }) => table.packetsTold,
  ),
  ofReport(
    "counter",
    "mermin_flow_bytes_total",
    "Layer 3 bytes told in flow records, both directions.",
    ({ table }) => table.bytesTold,
  ),
  ofReport(
    "counter",
    "mermin_flow_records_filtered_total",
    "Flow records left out by [filter.*].",
    ({ table }) => table.recordsFiltered,
  ),
  ofReport(
    "counter",
    "mermin_flow_packets_filtered_total",
    "Packets of those records, both directions; those left out in the kernel are mermin_kernel_packets_total, verdict filtered.",
    ({ table }) => table.packetsFiltered,
  ),
  ofReport(
    "counter",
    "mermin_flow_bytes_filtered_total",
    "Layer 3 bytes of those records, both directions.",
    ({ table }) => table.bytesFiltered,
  ),
  ofReport(
    "counter",
    "mermin_flow_packets_translated_total",
    "Packets of the view of a translated conversation that has no record, as the conversation is told by its other view.",
    ({ table }) => table.packetsTranslated,
  ),
  ofReport(
    "counter",
    "mermin_flow_bytes_translated_total",
    "Layer 3 bytes of those packets.",
    ({ table }) => table.bytesTranslated,
  ),
  ofReport(
    "gauge",
    "mermin_translations",
    "Translated connections known now, by conntrack's word.",
    ({ table }) => table.translations,
  ),
  ofReport(
    "counter",
    "mermin_translations_evicted_total",
    "Translated connections forgotten for want of room: they may be told as two.",
    ({ table }) => table.translationsEvicted,
  ),
  ofReport(
    "counter",
    "mermin_translations_contested_total",
    "Flows told in their own right, as without conntrack: its zones translate their addresses and ports in different ways.",
    ({ table }) => table.translationsContested,
  ),
  ofReport(
    "counter",
    "mermin_flow_packets_overflow_total",
    "Packets that found no room in the kernel's flow table and came as events, in flows of their own.",
    ({ table }) => table.packetsOverflow,
  ),
  ofReport(
    "counter",
    "mermin_flow_packets_overflow_duplicate_total",
    "Such packets that were seen again at another hook, in no flow.",
    ({ table }) => table.packetsOverflowDuplicate,
  ),
];

/** Every metric, in the order of the page. */
export const METRICS: readonly Metric[] = [
  ...CAPTURE_METRICS,
  ...FLOW_METRICS,
  ...EXPORT_METRICS,
  ...CLUSTER_METRICS,
  {
    name: "mermin_build_info",
    type: "gauge",
    help: "Always 1; the build is in the labels.",
    labels: ["version", "commit"],
    samples: ({ build }) => [{ labels: [build.version, build.commit], value: 1 }],
  },
  ...PROCESS_METRICS,
];
