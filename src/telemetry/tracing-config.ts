// [telemetry]: traces of the agent itself.

import * as v from "valibot";
import { booleanSetting, numberSetting, type Section, textSetting } from "../lib/setting.ts";

export interface TelemetryConfig {
  readonly traces: boolean;
  /** An http or https URL; empty: the first `[export.otlp]`'s. */
  readonly endpoint: string;
  /** Of requests, 0 to 1. */
  readonly export_sampling: number;
}

/** [telemetry] as it is written in TOML. */
export const telemetrySection: Section<TelemetryConfig> = v.strictObject({
  traces: booleanSetting(false, {
    description:
      "Whether the agent's own work is told as spans: its start and end, changes of interfaces, requests to collectors.",
  }),
  endpoint: textSetting(
    "",
    { allowed: "an http or https URL", problem: endpointProblem },
    {
      description:
        "Where they go, over OTLP/HTTP with protobuf. Without it to the first `[export.otlp]`, with its headers and TLS.",
      example: '"http://localhost:4318"',
    },
  ),
  export_sampling: numberSetting(
    0.01,
    { minimum: 0, maximum: 1 },
    { description: "Share of the requests to collectors that are told." },
  ),
});

function endpointProblem(text: string): string | undefined {
  if (text === "" || /^https?:$/.test(URL.parse(text)?.protocol ?? "")) return undefined;
  return 'must be an http or https URL, such as "http://localhost:4318"';
}
