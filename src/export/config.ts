// [export]: where spans go. Without any exporter named, to standard output for people.

import * as v from "valibot";
import {
  choiceSetting,
  durationSetting,
  integerSetting,
  type Section,
  tableSetting,
  textSetting,
} from "../lib/setting.ts";
import type { Milliseconds } from "../lib/time.ts";

export interface StdoutConfig {
  readonly format: "pretty" | "ndjson" | "otlp-json" | "none";
}

export interface OtlpConfig {
  readonly protocol: "http_protobuf";
  /** An http or https URL. */
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeout: Milliseconds;
  readonly compression: "gzip" | "none";
  readonly max_batch_size: number;
  readonly max_batch_interval: Milliseconds;
  readonly max_queue_size: number;
  readonly max_concurrent_exports: number;
}

export interface ExportConfig {
  /** Always there once the config is loaded: format "none" where only OTLP is configured. */
  readonly stdout: StdoutConfig;
  /** undefined: no OTLP export. */
  readonly otlp: OtlpConfig | undefined;
  readonly resource_attributes: Readonly<Record<string, string>>;
}

/** [export.stdout] as it is written in TOML. */
export const stdoutSection: Section<StdoutConfig> = v.strictObject({
  format: choiceSetting("pretty", ["pretty", "ndjson", "otlp-json", "none"], {
    description:
      "`pretty`: a line a record for people; `ndjson`: a JSON object a line, one span each; `otlp-json`: an OTLP request in JSON a line, of at most 128 spans; `none`: nothing. Without this section: `none` where `[export.otlp]` is there, else `pretty`.",
  }),
});

/** [export.otlp] as it is written in TOML. */
export const otlpSection: Section<OtlpConfig> = v.strictObject({
  protocol: choiceSetting("http_protobuf", ["http_protobuf"], {
    description: "OTLP over HTTP with protobuf bodies.",
    environment: "OTEL_EXPORTER_OTLP_PROTOCOL, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
  }),
  endpoint: textSetting(
    "http://localhost:4318",
    { allowed: "an http or https URL", problem: endpointProblem },
    {
      description: "Where the collector listens. `/v1/traces` is appended where it is absent.",
      example: '"https://collector.example:4318"',
      environment: "OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    },
  ),
  headers: tableSetting("secrets", {
    description: "Headers sent with every request; values are not printed by `mermin check`.",
    example: '{ authorization = { file = "/run/secrets/otlp-token" } }',
    environment: "OTEL_EXPORTER_OTLP_HEADERS, OTEL_EXPORTER_OTLP_TRACES_HEADERS",
  }),
  timeout: durationSetting(
    "10s",
    { minimum: 100, maximum: 600_000 },
    {
      description: "Time for one export, its retries included.",
      environment: "OTEL_EXPORTER_OTLP_TIMEOUT, OTEL_EXPORTER_OTLP_TRACES_TIMEOUT (milliseconds)",
    },
  ),
  compression: choiceSetting("gzip", ["gzip", "none"], {
    description: "Compression of the request's body.",
    environment: "OTEL_EXPORTER_OTLP_COMPRESSION, OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
  }),
  max_batch_size: integerSetting(
    1024,
    { minimum: 1, maximum: 65_536 },
    { description: "Most spans in one request." },
  ),
  max_batch_interval: durationSetting(
    "2s",
    { minimum: 10, maximum: 300_000 },
    {
      description: "Longest time a span waits for its request to fill.",
    },
  ),
  max_queue_size: integerSetting(
    32_768,
    { minimum: 1, maximum: 16_777_216 },
    {
      description:
        "Spans that wait for the collector; beyond it the oldest are dropped and counted. At least `max_batch_size`.",
    },
  ),
  max_concurrent_exports: integerSetting(
    4,
    { minimum: 1, maximum: 64 },
    { description: "Requests under way at once." },
  ),
});

/** [export] as it is written in TOML, with the exporters decided. */
export const exportSchema: v.GenericSchema<unknown, ExportConfig> = v.pipe(
  v.strictObject({
    stdout: v.optional(stdoutSection),
    otlp: v.optional(otlpSection),
    resource_attributes: tableSetting("table", {
      description:
        "Attributes of the OpenTelemetry resource, added to or replacing those that the agent finds itself.",
      example: '{ "deployment.environment.name" = "production" }',
      environment: "OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME",
    }),
  }),
  v.transform(
    ({ stdout, otlp, resource_attributes }): ExportConfig => ({
      stdout: stdout ?? { format: otlp === undefined ? "pretty" : "none" },
      otlp,
      resource_attributes,
    }),
  ),
);

/** The same export with standard output as its only exporter: `mermin replay --format`. */
export function withStdoutOnly(config: ExportConfig, format: StdoutConfig["format"]): ExportConfig {
  return { ...config, stdout: { format }, otlp: undefined };
}

function endpointProblem(text: string): string | undefined {
  const url = URL.parse(text);
  const isHttp =
    url !== null && (url.protocol === "http:" || url.protocol === "https:") && url.hostname !== "";
  return isHttp ? undefined : 'must be an http or https URL, such as "http://localhost:4318"';
}
