// Carries one encoded request to a collector over OTLP/HTTP by OpenTelemetry's own transport (its gzip, its retries
// within one timeout), and says what became of it. Never throws and never takes longer than the timeout and a second.

import { OTLPExporterError } from "@opentelemetry/otlp-exporter-base";
import {
  createOtlpHttpExportDelegate,
  httpAgentFactoryFromOptions,
} from "@opentelemetry/otlp-exporter-base/node-http";
import { type ISerializer, ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import type { OtlpConfig } from "./config.ts";

/**
 * `sent`: acknowledged, but for `rejected` spans that the collector said it refused (partial success).
 * `rejected`: refused for good, sending it again is useless. `unreachable`, `timeout`: it may be sent again.
 */
export type SendOutcome =
  | { readonly status: "sent"; readonly rejected: number; readonly message: string | undefined }
  | { readonly status: "rejected" | "unreachable" | "timeout"; readonly cause: Error };

/** Sends an ExportTraceServiceRequest. */
export type SendRequest = (request: Uint8Array) => Promise<SendOutcome>;

const TRACES_PATH = "/v1/traces";

/** The transport's own timeout is of a silent socket: one that trickles is given up this long after it. */
const WATCHDOG_MARGIN_MS = 1000;

type PartialSuccess = ReturnType<typeof ProtobufTraceSerializer.deserializeResponse>["partialSuccess"];

/** The URL spans are posted to: `endpoint` with `/v1/traces` appended to its path where it does not end so. */
export function tracesUrl(endpoint: string): string {
  const url = new URL(endpoint);
  const path = url.pathname.replace(/\/+$/, "");
  url.pathname = path.endsWith(TRACES_PATH) ? path : path + TRACES_PATH;
  return url.href;
}

/** Makes the transport; nothing is connected before the first request. */
export function createOtlpTransport(config: OtlpConfig, version: string): SendRequest {
  // The transport hands a response to the serializer and calls back in one go: what it read last is of this request.
  let partial: PartialSuccess;
  const serializer: ISerializer<Uint8Array, void> = {
    serializeRequest: (request) => request,
    deserializeResponse: (response) => {
      partial = ProtobufTraceSerializer.deserializeResponse(response).partialSuccess;
    },
  };
  const delegate = createOtlpHttpExportDelegate(
    {
      url: tracesUrl(config.endpoint),
      headers: async () => ({ ...config.headers, "Content-Type": "application/x-protobuf" }),
      timeoutMillis: config.timeout,
      compression: config.compression,
      // The exporter limits concurrency itself: here a request given up by the watchdog must not hold a place.
      concurrencyLimit: Number.POSITIVE_INFINITY,
      agentFactory: httpAgentFactoryFromOptions({ keepAlive: true }),
      userAgent: `mermin/${version}`,
    },
    serializer,
    "otlp_http_span_exporter",
    { name: "span", countItems: () => 0 },
    undefined,
  );
  return (request) => {
    const { promise, resolve } = Promise.withResolvers<SendOutcome>();
    const watchdog = setTimeout(() => {
      resolve({ status: "timeout", cause: new Error(`no complete answer within ${config.timeout} ms`) });
    }, config.timeout + WATCHDOG_MARGIN_MS);
    delegate.export(request, ({ error, code }) => {
      clearTimeout(watchdog);
      const outcome = code === 0 ? sentOutcome(partial) : failedOutcome(error);
      partial = undefined;
      resolve(outcome);
    });
    return promise;
  };
}

function sentOutcome(partial: PartialSuccess): SendOutcome {
  return { status: "sent", rejected: partial?.rejectedSpans ?? 0, message: partial?.errorMessage };
}

function failedOutcome(error: Error | undefined): SendOutcome {
  const cause = error ?? new Error("export failed");
  if (cause instanceof OTLPExporterError && cause.code !== undefined) {
    return {
      status: "rejected",
      cause: new Error(`HTTP ${cause.code} ${cause.message}`.trimEnd(), { cause }),
    };
  }
  return { status: cause.message === "Request timed out" ? "timeout" : "unreachable", cause };
}
