// The whole config: every section's schema under its name in TOML. Config is plain data and crosses to a Worker.

import * as v from "valibot";
import { type CaptureConfig, captureSection } from "../capture/config.ts";
import { findSharedPorts, type ParserConfig, parserSection } from "../capture/parser-config.ts";
import { type AttributesConfig, attributesSection } from "../export/attributes-config.ts";
import { type ExportConfig, exportSchema } from "../export/config.ts";
import { POINTS_PER_SERIES } from "../export/otlp-metrics.ts";
import { findOtlpContradictions } from "../export/otlp-rules.ts";
import { type FlowConfig, flowSection, type SpanConfig, spanSection } from "../flow/config.ts";
import { type FilterConfig, filterSection } from "../flow/filter-config.ts";
import { type KubernetesConfig, kubernetesSchema } from "../kubernetes/config.ts";
import { choiceSetting, defaultedSection, durationSetting, type Section } from "../lib/setting.ts";
import type { Milliseconds } from "../lib/time.ts";
import {
  metricsSection,
  type PipelineConfig,
  pipelineSection,
  type ServerConfig,
  serverSection,
} from "../telemetry/config.ts";

import { type TelemetryConfig, telemetrySection } from "../telemetry/tracing-config.ts";

/** The config as every part of the agent reads it: keys as in TOML, durations in milliseconds, sizes in bytes. */
export interface Config {
  readonly log_level: "error" | "warn" | "info" | "debug";
  readonly log_format: "text" | "json";
  readonly shutdown_timeout: Milliseconds;
  readonly capture: CaptureConfig;
  readonly parser: ParserConfig;
  readonly flow: FlowConfig;
  readonly span: SpanConfig & AttributesConfig;
  readonly filter: FilterConfig;
  readonly kubernetes: KubernetesConfig;
  readonly pipeline: PipelineConfig;
  readonly export: ExportConfig;
  readonly server: ServerConfig;
  readonly metrics: ServerConfig;
  readonly telemetry: TelemetryConfig;
}

/** The file as a strict object: what the reference page and the check for unknown keys walk. */
export const configSection: Section<Config> = v.strictObject({
  log_level: choiceSetting("info", ["error", "warn", "info", "debug"], {
    description: "Least severe line that is logged, to standard error.",
    environment: "MERMIN_LOG_LEVEL",
    flag: "--log-level",
  }),
  log_format: choiceSetting("text", ["text", "json"], { description: "How a log line is written." }),
  shutdown_timeout: durationSetting(
    "28s",
    { minimum: 0, maximum: 600_000 },
    {
      description:
        "Time to tell and send what is left when the agent is stopped; what is not sent by then is counted as lost.",
    },
  ),
  capture: defaultedSection(captureSection),
  parser: defaultedSection(parserSection),
  flow: defaultedSection(flowSection),
  span: defaultedSection(v.strictObject({ ...spanSection.entries, ...attributesSection.entries })),
  filter: defaultedSection(filterSection),
  kubernetes: defaultedSection(kubernetesSchema),
  pipeline: defaultedSection(pipelineSection),
  export: defaultedSection(exportSchema),
  server: defaultedSection(serverSection),
  metrics: defaultedSection(metricsSection),
  telemetry: defaultedSection(telemetrySection),
});

/** A combination of settings, each allowed by itself, that cannot work. */
export interface Contradiction {
  readonly path: readonly string[];
  /** "must …", as the schemas' messages. */
  readonly message: string;
}

/** What does not fit together in a config whose every setting is valid; empty where all does. */
export function findContradictions(config: Config): readonly Contradiction[] {
  const found: Contradiction[] = [];
  const { server, metrics } = config;
  const { stdout, otlp, file, flow_metrics: figures } = config.export;
  if (
    server.enabled &&
    metrics.enabled &&
    server.listen === metrics.listen &&
    !server.listen.endsWith(":0")
  ) {
    found.push({ path: ["metrics", "listen"], message: "must differ from server.listen" });
  }
  if (stdout.format === "none" && otlp.length === 0 && file === undefined) {
    found.push({
      path: ["export"],
      message: 'has no exporter: add [export.otlp] or [export.file], or a stdout format that is not "none"',
    });
  }
  if (file?.path === "") found.push({ path: ["export", "file", "path"], message: "must be set" });
  if (figures.expire < 2 * figures.interval) {
    found.push({ path: ["export", "flow_metrics", "expire"], message: "must be at least twice interval" });
  }
  for (const { index, key, message } of findOtlpContradictions(otlp, ["stdout", "file"])) {
    const place = otlp.length > 1 ? [String(index)] : [];
    found.push({ path: ["export", "otlp", ...place, ...key], message });
  }
  const room = Math.min(
    ...otlp.filter(({ signals }) => signals.includes("metrics")).map((config) => config.max_queue_size),
  );
  if ((figures.max_series + 1) * POINTS_PER_SERIES > room) {
    found.push({
      path: ["export", "flow_metrics", "max_series"],
      message: `must fit in max_queue_size of [export.otlp], ${POINTS_PER_SERIES} data points each and for one more`,
    });
  }
  if (
    config.telemetry.traces &&
    config.telemetry.endpoint === "" &&
    (otlp[0]?.protocol ?? "grpc") === "grpc"
  ) {
    found.push({
      path: ["telemetry", "endpoint"],
      message: "must be given: the first [export.otlp] is none over HTTP",
    });
  }
  for (const { port, list, other } of findSharedPorts(config.parser)) {
    found.push({ path: ["parser", list], message: `must not have port ${port}, which is in ${other}` });
  }
  return found;
}

/** The config of an empty file. */
export function defaultConfig(): Config {
  return v.parse(configSection, {});
}
