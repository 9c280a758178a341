// [server]: health over HTTP; [metrics]: OpenMetrics over HTTP; [pipeline]: the statistics line of the log.

import * as v from "valibot";
import { booleanSetting, durationSetting, type Section, textSetting } from "../lib/setting.ts";
import type { Milliseconds } from "../lib/time.ts";

export interface ServerConfig {
  readonly enabled: boolean;
  /** `host:port`, see {@link parseListenAddress}. */
  readonly listen: string;
}

export interface PipelineConfig {
  /** 0: no statistics line. */
  readonly stats_interval: Milliseconds;
}

/** Where a server listens: port 0 is any free one. */
export interface ListenAddress {
  readonly hostname: string;
  readonly port: number;
}

const LISTEN = { allowed: "`address:port`, an IPv6 address in brackets", problem: listenProblem };

/** [server] as it is written in TOML. */
export const serverSection: Section<ServerConfig> = v.strictObject({
  enabled: booleanSetting(true, { description: "Whether `/livez`, `/readyz` and `/startup` are served." }),
  listen: textSetting("0.0.0.0:8080", LISTEN, {
    description: "Where health is served.",
    example: '"[::]:8080"',
  }),
});

/** [metrics] as it is written in TOML. */
export const metricsSection: Section<ServerConfig> = v.strictObject({
  enabled: booleanSetting(true, {
    description: "Whether `/metrics` is served, in the OpenMetrics text format.",
  }),
  listen: textSetting("0.0.0.0:9464", LISTEN, {
    description: "Where metrics are served.",
    example: '"127.0.0.1:9464"',
  }),
});

/** [pipeline] as it is written in TOML. */
export const pipelineSection: Section<PipelineConfig> = v.strictObject({
  stats_interval: durationSetting(
    "30s",
    { minimum: 0, maximum: 86_400_000 },
    {
      description:
        'Interval of the `flow statistics` line in the log; `"0s"` leaves it out, but for the one at exit.',
    },
  ),
});

/** Reads `0.0.0.0:8080`, `[::]:8080`, `localhost:8080`; undefined where host or port (0–65535) is missing or wrong. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(text);
  const hostname = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return hostname !== undefined && port <= 65535 ? { hostname, port } : undefined;
}

function listenProblem(text: string): string | undefined {
  return parseListenAddress(text) === undefined ? 'must be address:port, such as "0.0.0.0:8080"' : undefined;
}
