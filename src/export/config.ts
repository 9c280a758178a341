// [export]: where spans go. Without any exporter named, to standard output for people.

import * as v from "valibot";
import { repeatableSection } from "../lib/repeatable.ts";
import { choiceSetting, defaultedSection, type Section, tableSetting } from "../lib/setting.ts";
import { type FileConfig, fileSection } from "./file-config.ts";
import { type FlowMetricsConfig, flowMetricsSection } from "./flow-metrics-config.ts";
import { type OtlpConfig, otlpSection } from "./otlp-config.ts";
import { completeOtlp } from "./otlp-rules.ts";

export interface StdoutConfig {
  readonly format: "pretty" | "ndjson" | "otlp-json" | "none";
}

export interface ExportConfig {
  /** Always there once the config is loaded: format "none" where others are configured. */
  readonly stdout: StdoutConfig;
  /** Of `[export.otlp]` or each `[[export.otlp]]`; empty: no OTLP export. */
  readonly otlp: readonly OtlpConfig[];
  /** undefined: no files. */
  readonly file: FileConfig | undefined;
  readonly flow_metrics: FlowMetricsConfig;
  readonly resource_attributes: Readonly<Record<string, string>>;
}

/** [export.stdout] as it is written in TOML. */
export const stdoutSection: Section<StdoutConfig> = v.strictObject({
  format: choiceSetting("pretty", ["pretty", "ndjson", "otlp-json", "none"], {
    description:
      "`pretty`: a line a record for people; `ndjson`: a JSON object a line, one span each; `otlp-json`: an OTLP request in JSON a line, of at most 128 spans; `none`: nothing. Without this section: `none` where `[export.otlp]` or `[export.file]` is there, else `pretty`.",
  }),
});

/** [export] as it is written in TOML, with the exporters decided. */
export const exportSchema: v.GenericSchema<unknown, ExportConfig> = v.pipe(
  v.strictObject({
    stdout: v.optional(stdoutSection),
    otlp: v.optional(repeatableSection(otlpSection)),
    file: v.optional(fileSection),
    flow_metrics: defaultedSection(flowMetricsSection),
    resource_attributes: tableSetting({
      description:
        "Attributes of the OpenTelemetry resource, added to or replacing those that the agent finds itself.",
      example: '{ "deployment.environment.name" = "production" }',
      environment: "OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME",
    }),
  }),
  v.transform(
    ({ stdout, otlp, file, flow_metrics, resource_attributes }): ExportConfig => ({
      stdout: stdout ?? { format: otlp === undefined && file === undefined ? "pretty" : "none" },
      otlp: completeOtlp(otlp ?? []),
      file,
      flow_metrics,
      resource_attributes,
    }),
  ),
);

/** The same export with standard output as its only exporter: `mermin replay --format`. */
export function withStdoutOnly(config: ExportConfig, format: StdoutConfig["format"]): ExportConfig {
  return { ...config, stdout: { format }, otlp: [], file: undefined };
}
