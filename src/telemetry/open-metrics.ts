// The table of metrics in the OpenMetrics 1.0 text format.

import type { Metric } from "./metric.ts";
import type { Snapshot } from "./snapshot.ts";

export const OPEN_METRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** One exposition: every family's TYPE and HELP, then its samples; a family without samples is left out. */
export function formatOpenMetrics(metrics: readonly Metric[], snapshot: Snapshot): string {
  const lines: string[] = [];
  for (const metric of metrics) {
    const samples = metric.samples(snapshot);
    if (samples.length === 0) continue;
    const family = metric.type === "counter" ? metric.name.replace(/_total$/, "") : metric.name;
    lines.push(`# TYPE ${family} ${metric.type}`, `# HELP ${family} ${escapeText(metric.help)}`);
    for (const { labels, value } of samples)
      lines.push(`${metric.name}${formatLabels(metric, labels)} ${value}`);
  }
  lines.push("# EOF", "");
  return lines.join("\n");
}

function formatLabels({ labels: names }: Metric, values: readonly string[]): string {
  if (names.length === 0) return "";
  return `{${names.map((name, index) => `${name}="${escapeText(values[index] ?? "")}"`).join(",")}}`;
}

function escapeText(text: string): string {
  return text.replace(/[\\"\n]/g, (character) => (character === "\n" ? "\\n" : `\\${character}`));
}
