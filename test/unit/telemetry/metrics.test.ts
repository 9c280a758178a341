import { describe, expect, test } from "bun:test";
import { METRICS } from "../../../src/telemetry/metrics.ts";
import { formatOpenMetrics } from "../../../src/telemetry/open-metrics.ts";
import { captureStats, cluster, snapshot, tableStats } from "./fixtures.ts";
import { readOpenMetrics } from "./open-metrics-checker.ts";

/** `family{label="value"}` without quotes → value. */
function valuesOf(text: string): Record<string, number> {
  const values: Record<string, number> = {};
  for (const { samples } of readOpenMetrics(text).values()) {
    for (const { name, labels, value } of samples) values[[name, ...labels.values()].join(" ")] = value;
  }
  return values;
}

describe("METRICS", () => {
  test("have names, help and unique names as the conventions want them", () => {
    const names = METRICS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, type, help, labels } of METRICS) {
      expect(name).toMatch(/^(mermin|process)_[a-z_]+$/);
      expect(name.endsWith("_total")).toBe(type === "counter");
      expect(help).toMatch(/^[A-Z].*\.$/);
      expect(new Set(labels).size).toBe(labels.length);
    }
  });

  test("show the cluster's where one is watched", () => {
    const known = cluster({ Pod: "synced", Gateway: "absent", Node: "listing", Service: "forbidden" });
    const values = valuesOf(formatOpenMetrics(METRICS, snapshot({ cluster: known })));
    expect(values).toMatchObject({
      "mermin_kubernetes_synced Pod": 1,
      "mermin_kubernetes_synced Gateway": 1,
      "mermin_kubernetes_synced Node": 0,
      "mermin_kubernetes_synced Service": 0,
      "mermin_kubernetes_objects Pod": 3,
      "mermin_kubernetes_requests_total Pod list": 5,
      "mermin_kubernetes_requests_total Pod watch": 6,
      "mermin_kubernetes_received_bytes_total Pod": 700,
      "mermin_kubernetes_watch_events_total Pod added": 4,
      "mermin_kubernetes_attributions_total ambiguous": 9,
    });
    const without = Object.keys(valuesOf(formatOpenMetrics(METRICS, snapshot())));
    expect(without.filter((name) => name.includes("kubernetes"))).toEqual([]);
  });

  test("show every stage's figures where they belong", () => {
    const values = valuesOf(formatOpenMetrics(METRICS, snapshot()));
    expect(values).toMatchObject({
      "mermin_packets_total eth0 ingress": 10,
      "mermin_packets_total eth0 egress": 20,
      "mermin_bytes_total eth0 egress": 2000,
      'mermin_packets_total odd"\\\nname egress': 2,
      "mermin_kernel_packets_total accounted": 100,
      "mermin_kernel_bytes_total accounted": 10_000,
      "mermin_interfaces attached": 2,
      "mermin_interfaces failed": 1,
      "mermin_bpf_map_entries FLOW_STATS": 55,
      "mermin_bpf_map_capacity FLOW_STATS": 131_072,
      mermin_ring_bytes_pending: 640,
      mermin_scans_total: 7,
      mermin_scans_stretched_total: 2,
      mermin_scans_pressed_total: 3,
      mermin_flows_active: 5,
      mermin_flows_created_total: 12,
      mermin_flows_released_total: 7,
      "mermin_flow_records_total idle_timeout": 4,
      "mermin_flow_records_total active_timeout": 3,
      "mermin_flow_records_total end_of_flow_detected": 2,
      "mermin_flow_records_total forced_end": 1,
      "mermin_flow_records_total lack_of_resources": 0,
      mermin_flow_packets_total: 90,
      mermin_flow_bytes_total: 9000,
      "mermin_queue_spans otlp": 3,
      "mermin_queue_capacity otlp": 32_768,
      "mermin_export_spans_total otlp sent": 20,
      "mermin_export_spans_total otlp dropped": 7,
      "mermin_export_requests_total otlp success": 6,
      "mermin_export_requests_total otlp failure": 2,
      "mermin_losses_total queue queue_full": 4,
      "mermin_build_info 1.2.3 abc": 1,
    });
  });

  test("show what overload and filters did", () => {
    const capture = captureStats({ overflow: 7, filtered: 8, sampled_out: 9, fragment_reordered: 6 });
    const report = { capture, table: { ...tableStats(), packetsFiltered: 24 } };
    const values = valuesOf(formatOpenMetrics(METRICS, snapshot({ report })));
    expect(values).toMatchObject({
      mermin_flows_evicted_total: 3,
      mermin_flow_packets_overflow_total: 20,
      mermin_flow_packets_overflow_duplicate_total: 6,
      mermin_flow_packets_filtered_total: 24,
      mermin_flow_bytes_filtered_total: 2000,
      mermin_flow_records_filtered_total: 2,
      "mermin_kernel_packets_total overflow": 7,
      "mermin_kernel_packets_total filtered": 8,
      "mermin_kernel_bytes_total sampled_out": 900,
      "mermin_kernel_packets_total fragment_reordered": 6,
    });
  });

  test("show this process' own figures", () => {
    const values = valuesOf(formatOpenMetrics(METRICS, snapshot()));
    expect(values["process_resident_memory_bytes"]).toBeGreaterThan(10e6);
    expect(values["process_cpu_seconds_total"]).toBeGreaterThan(0);
    expect(values["process_open_fds"]).toBeGreaterThan(2);
    expect(Math.abs(Date.now() / 1000 - (values["process_start_time_seconds"] ?? 0))).toBeLessThan(3600);
  });

  test("say nothing of what is not known yet", () => {
    const text = formatOpenMetrics(METRICS, snapshot({ report: undefined, exporters: [] }));
    const families = [...readOpenMetrics(text).keys()].filter((name) => !name.startsWith("process_"));
    expect(families).toEqual(["mermin_build_info"]);
  });

  test("keep series apart for two exporters", () => {
    const [first] = snapshot().exporters;
    if (first === undefined) throw new Error("the fixture has an exporter");
    const two = snapshot({ exporters: [first, { ...first, name: "stdout" }] });
    const values = valuesOf(formatOpenMetrics(METRICS, two));
    expect(values["mermin_queue_spans stdout"]).toBe(3);
    expect(values["mermin_losses_total queue queue_full"]).toBe(8);
  });
});
