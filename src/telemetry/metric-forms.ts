// The few forms that most metrics have: what a value belongs to, and where it is read. No metric is named here.

import { COUNTER_NAMES } from "../capture/stats.ts";
import type { Metric, Sample } from "./metric.ts";
import type { CaptureReport, ExporterSnapshot } from "./snapshot.ts";

const HOOKS = ["ingress", "egress"] as const;

/** One value for each side of each attached interface. */
export function perHook(name: string, help: string, field: "packets" | "bytes"): Metric {
  return {
    name,
    type: "counter",
    help,
    labels: ["interface", "hook"],
    samples: ({ report }) =>
      (report?.capture.interfaces ?? []).flatMap((stats) =>
        HOOKS.map((hook, index) => ({ labels: [stats.name, hook], value: stats[field][index] ?? 0 })),
      ),
  };
}

/** One value for each reason of the kernel program. */
export function perVerdict(name: string, help: string, field: "packets" | "bytes"): Metric {
  return {
    name,
    type: "counter",
    help,
    labels: ["verdict"],
    samples: ({ report }) =>
      report === undefined
        ? []
        : COUNTER_NAMES.map((verdict, index) => ({
            labels: [verdict],
            value: report.capture.counters[index]?.[field] ?? 0,
          })),
  };
}

/** One value for each state. */
export function perState(
  name: string,
  help: string,
  read: (report: CaptureReport) => Readonly<Record<string, number>>,
): Metric {
  return {
    name,
    type: "gauge",
    help,
    labels: ["state"],
    samples: ({ report }) =>
      Object.entries(report === undefined ? {} : read(report)).map(([state, value]) => ({
        labels: [state],
        value,
      })),
  };
}

/** One value of the capture thread. */
export function ofReport(
  type: Metric["type"],
  name: string,
  help: string,
  read: (report: CaptureReport) => number,
): Metric {
  return {
    name,
    type,
    help,
    labels: [],
    samples: ({ report }) => (report === undefined ? [] : [{ labels: [], value: read(report) }]),
  };
}

/** One value of the table of flows in the kernel. */
export function ofMap(name: string, help: string, read: (report: CaptureReport) => number): Metric {
  return {
    name,
    type: "gauge",
    help,
    labels: ["map"],
    samples: ({ report }) => (report === undefined ? [] : [{ labels: ["FLOW_STATS"], value: read(report) }]),
  };
}

/** Values of each exporter. */
export function ofExporter(
  type: Metric["type"],
  name: string,
  help: string,
  labels: readonly string[],
  read: (exporter: ExporterSnapshot) => readonly Sample[],
): Metric {
  return {
    name,
    type,
    help,
    labels: ["exporter", ...labels],
    samples: ({ exporters }) =>
      exporters.flatMap((exporter) =>
        read(exporter).map((sample) => ({ ...sample, labels: [exporter.name, ...sample.labels] })),
      ),
  };
}
