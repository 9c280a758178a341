// [export.otlp]: one collector. Comes in: TOML. Goes out: what the exporter and its transports need to know.

import * as v from "valibot";
import { pathSetting, type Secret, secretSetting, secretsSetting } from "../lib/secret.ts";
import {
  booleanSetting,
  choiceSetting,
  choicesSetting,
  defaultedSection,
  durationSetting,
  integerSetting,
  numberSetting,
  type Section,
  sizeSetting,
  textSetting,
} from "../lib/setting.ts";
import type { Bytes } from "../lib/size.ts";
import type { Milliseconds } from "../lib/time.ts";
import type { Signal } from "./request-encoder.ts";

/** How to say who we are; at most one of them is set, and its texts are empty where it is not. */
interface AuthConfig {
  readonly basic: { readonly username: Secret; readonly password: Secret };
  readonly bearer: { readonly token: Secret };
}

/** Paths are absolute, empty where there is none. */
export interface TlsConfig {
  readonly ca_cert: string;
  readonly client_cert: string;
  readonly client_key: string;
  readonly server_name: string;
  readonly insecure_skip_verify: boolean;
}

/** Pauses between attempts while the collector cannot take requests, and when to give one up. */
export interface RetryConfig {
  readonly initial: Milliseconds;
  readonly factor: number;
  readonly maximum: Milliseconds;
  /** From a request's first failure on. */
  readonly elapsed: Milliseconds;
}

export interface OtlpConfig {
  /** As metrics and logs say it. Never empty once the config is loaded. */
  readonly name: string;
  readonly protocol: "http_protobuf" | "http_json" | "grpc";
  /** An http or https URL. Never empty once the config is loaded. */
  readonly endpoint: string;
  /** The same for traces alone, its path as it is; empty where there is none. */
  readonly traces_endpoint: string;
  readonly signals: readonly Signal[];
  readonly headers: Readonly<Record<string, Secret>>;
  readonly auth: AuthConfig;
  readonly tls: TlsConfig;
  readonly timeout: Milliseconds;
  readonly compression: "gzip" | "none";
  readonly max_batch_size: number;
  readonly max_batch_interval: Milliseconds;
  readonly max_queue_size: number;
  readonly max_queue_bytes: Bytes;
  readonly max_concurrent_exports: number;
  readonly retry: RetryConfig;
}

const ENDPOINT = { allowed: "an http or https URL", problem: endpointProblem };
const NAME = { allowed: "letters, digits, `_` and `-`, at most 32", problem: nameProblem };

const authSection: Section<AuthConfig> = v.strictObject({
  basic: defaultedSection(
    v.strictObject({
      username: secretSetting({ description: "User name of HTTP basic authentication." }),
      password: secretSetting({
        description: "Its password.",
        example: '{ file = "/run/secrets/otlp-password" }',
      }),
    }),
  ),
  bearer: defaultedSection(
    v.strictObject({
      token: secretSetting({
        description: "Token sent as `authorization: Bearer`.",
        example: '{ file = "/run/secrets/otlp-token" }',
      }),
    }),
  ),
});

const tlsSection: Section<TlsConfig> = v.strictObject({
  ca_cert: pathSetting({
    description: "PEM certificates of authorities that are trusted beside those of the system.",
    environment: "OTEL_EXPORTER_OTLP_CERTIFICATE, OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
  }),
  client_cert: pathSetting({
    description: "PEM certificate that the agent shows the collector; read again when it changes.",
    environment: "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
  }),
  client_key: pathSetting({
    description: "PEM key of `client_cert`.",
    environment: "OTEL_EXPORTER_OTLP_CLIENT_KEY, OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
  }),
  server_name: textSetting(
    "",
    { allowed: "a host name", problem: () => undefined },
    { description: "Name that the collector's certificate has to have, where it is not the endpoint's." },
  ),
  insecure_skip_verify: booleanSetting(false, {
    description:
      "Whether any certificate is taken: whoever sits in between can read and change all that is sent.",
  }),
});

const retrySection: Section<RetryConfig> = v.strictObject({
  initial: durationSetting(
    "1s",
    { minimum: 10, maximum: 600_000 },
    { description: "Pause after the first failure. Each pause is up to a fifth shorter or longer." },
  ),
  factor: numberSetting(
    1.5,
    { minimum: 1, maximum: 10 },
    { description: "By how much each pause is longer than the one before." },
  ),
  maximum: durationSetting(
    "30s",
    { minimum: 10, maximum: 3_600_000 },
    { description: "Longest pause, also where the collector asks for a longer one." },
  ),
  elapsed: durationSetting(
    "5m",
    { minimum: 0, maximum: 86_400_000 },
    { description: "Time from a request's first failure after which it is dropped and counted." },
  ),
});

/** [export.otlp] as it is written in TOML. */
export const otlpSection: Section<OtlpConfig> = v.strictObject({
  name: textSetting("", NAME, {
    description:
      "What metrics and logs call this exporter. Without it `otlp`, of several `otlp`, `otlp-2` and so on.",
  }),
  protocol: choiceSetting("http_protobuf", ["http_protobuf", "http_json", "grpc"], {
    description: "OTLP over HTTP with protobuf or JSON bodies, or over gRPC.",
    environment: "OTEL_EXPORTER_OTLP_PROTOCOL, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
  }),
  endpoint: textSetting("", ENDPOINT, {
    description:
      "Where the collector listens. Without it `http://localhost:4318`, for gRPC `http://localhost:4317`. Over HTTP `/v1/traces` (`/v1/logs`, `/v1/metrics`) is appended where it is absent; for gRPC only scheme, host and port (4317 where absent) count, `https` is TLS.",
    example: '"https://collector.example:4318"',
    environment: "OTEL_EXPORTER_OTLP_ENDPOINT",
  }),
  traces_endpoint: textSetting("", ENDPOINT, {
    description: "Where traces go instead of `endpoint`; over HTTP its path is used as it is.",
    environment: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
  }),
  signals: choicesSetting(
    ["traces", "logs", "metrics"],
    {
      description:
        "What is sent: flows as spans, as log records, and figures of them (`[export.flow_metrics]`) as metrics.",
    },
    ["traces"],
  ),
  headers: secretsSetting(headerProblem, {
    description: "Headers sent with every request; values are not printed by `mermin check`.",
    example: '{ x-tenant = "edge", x-api-key = { file = "/run/secrets/otlp-key" } }',
    environment: "OTEL_EXPORTER_OTLP_HEADERS, OTEL_EXPORTER_OTLP_TRACES_HEADERS",
  }),
  timeout: durationSetting(
    "10s",
    { minimum: 100, maximum: 600_000 },
    {
      description: "Time for one attempt, from connecting to the last byte of the answer.",
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
  max_queue_bytes: sizeSetting(
    "32MiB",
    { minimum: 65_536, maximum: 17_179_869_184 },
    { description: "The same in bytes, before compression; whichever is reached first." },
  ),
  max_concurrent_exports: integerSetting(
    4,
    { minimum: 1, maximum: 64 },
    { description: "Requests under way at once." },
  ),
  auth: defaultedSection(authSection),
  tls: defaultedSection(tlsSection),
  retry: defaultedSection(retrySection),
});

function endpointProblem(text: string): string | undefined {
  if (text === "") return undefined;
  const url = URL.parse(text);
  const isHttp =
    url !== null && (url.protocol === "http:" || url.protocol === "https:") && url.hostname !== "";
  return isHttp ? undefined : 'must be an http or https URL, such as "http://localhost:4318"';
}

function nameProblem(text: string): string | undefined {
  return /^[A-Za-z0-9_-]{0,32}$/.test(text) ? undefined : `must be ${NAME.allowed}`;
}

/** RFC 9110: a field name is a token. */
function headerProblem(name: string): string | undefined {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)
    ? undefined
    : "must have names that are HTTP header names";
}
