// Writes docs/metrics.md from the table of metrics: `bun docs/generate-metrics.ts`.

import { METRICS } from "../src/telemetry/metrics.ts";

const INTRODUCTION = `# Metrics

<!-- Made by docs/generate-metrics.ts from src/telemetry/metrics.ts. Do not edit. -->

\`/metrics\` on the address of \`[metrics]\` (port 9464 by default), in the OpenMetrics text format. Counters count from
the start of the agent. A series is there once there is something to say: those of an interface as long as it is attached.

| metric | type | labels | what it says |
| --- | --- | --- | --- |
`;

/** The reference page. */
export function formatMetricsPage(): string {
  const rows = METRICS.map(({ name, type, labels, help }) => {
    const names = labels.map((label) => `\`${label}\``).join(", ");
    return `| \`${name}\` | ${type} | ${names} | ${help} |\n`;
  });
  return INTRODUCTION + rows.join("");
}

if (import.meta.main) await Bun.write(new URL("metrics.md", import.meta.url), formatMetricsPage());
