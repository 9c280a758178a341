// Writes docs/attributes.md from the table of span attributes: `bun docs/generate-attributes.ts`.

import type { Attribute } from "../src/export/attribute.ts";
import { ATTRIBUTES } from "../src/export/attributes.ts";
import { CLUSTER_ATTRIBUTES } from "../src/export/attributes-cluster.ts";
import { LOG_ATTRIBUTE } from "../src/export/otlp-log.ts";
import { FLOW_METRICS } from "../src/export/otlp-metrics.ts";

const INTRODUCTION = `# Span attributes

<!-- Made by docs/generate-attributes.ts from src/export/attributes.ts. Do not edit. -->

One flow record is one span. Source is the flow's initiator and destination its responder; \`flow.reverse.*\` is what went
from destination to source. An attribute that is absent is unknown or does not apply: 0 is a measured zero, except that
ports are 0 where the protocol has none. A record begins where the flow's previous record ended.

\`required\` attributes are on every span, \`conditional\` ones on every span that the condition holds for, \`recommended\` ones
where the value has a name as well, \`opt_in\` ones where the config asks for them. Names that OpenTelemetry's semantic
conventions define say how far those are; the others are Mermin's own and may change while its version begins with 0.

| attribute | type | unit | requirement | defined by | meaning |
| --- | --- | --- | --- | --- | --- |
`;

const LOGS = `
# Log records

With \`logs\` among an exporter's signals a flow record is an OTLP log record as well: an event named \`mermin.flow\` of
severity INFO, under the trace id and span id of the span, with the time of the record's last packet and, as the time
it was observed, that of its encoding. Its body is a line for people and no part of the interface: name and ends of the
flow, packets and bytes of the record both ways. Its attributes are the span's and one more; the kind of the span is told by
\`flow.direction\`, its name by \`network.type\` and \`network.transport\`.

| attribute | type | unit | requirement | defined by | meaning |
| --- | --- | --- | --- | --- | --- |
`;

const METRICS = `
# Metrics

With \`metrics\` among an exporter's signals it is sent, every \`export.flow_metrics.interval\`, what flows add up to, kept
apart by the attributes of \`export.flow_metrics.attributes\`. All are cumulative, monotonic sums of whole numbers. A data
point starts when its series' first record was made; a series that expired and comes back starts again, at 0 and with a
new start time, which is how OpenTelemetry tells a reset from a step back. Flows that found no room in \`max_series\` are
summed up with \`otel.metric.overflow\` in place of their attributes, so the sum over all series is that of all records.

\`flow.way\` is \`forward\` (source → destination) or \`reverse\`. The conventions' \`network.io.direction\` is of an interface
and expressly not of a flow; their metrics \`*.network.io\` are of hosts, containers and pods. Hence names of our own.

| metric | unit | attributes | meaning |
| --- | --- | --- | --- |
`;

const TYPES: Readonly<Record<Attribute["kind"], string>> = {
  counter: "int",
  "detail-counter": "int",
  int: "int",
  string: "string",
  strings: "string[]",
};

type Row = Pick<Attribute, "name" | "kind" | "unit" | "requirement" | "semconv" | "description">;

/** The reference page. */
export function formatAttributesPage(): string {
  return (
    INTRODUCTION +
    ATTRIBUTES.map(formatRow).join("") +
    CLUSTER_ATTRIBUTES.map(formatRow).join("") +
    LOGS +
    formatRow(LOG_ATTRIBUTE) +
    METRICS +
    FLOW_METRICS.map(formatMetric).join("")
  );
}

function formatRow({ name, kind, unit, requirement, semconv, description }: Row): string {
  const condition = requirement.level === "required" ? "" : `: ${requirement.when}`;
  const cells = [
    `\`${name}\``,
    TYPES[kind],
    unit === undefined ? "" : `\`${unit}\``,
    `${requirement.level}${condition}`,
    semconv === undefined ? "Mermin" : `OpenTelemetry, ${semconv}`,
    description,
  ];
  return `| ${cells.join(" | ")} |\n`;
}

function formatMetric({ name, unit, points, description }: (typeof FLOW_METRICS)[number]): string {
  const way = points.length > 1 ? "those configured, `flow.way`" : "those configured";
  return `| \`${name}\` | \`${unit}\` | ${way} | ${description} |\n`;
}

if (import.meta.main) await Bun.write(new URL("attributes.md", import.meta.url), formatAttributesPage());
