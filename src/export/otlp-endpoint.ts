// Where a signal goes. Comes in: [export.otlp]. Goes out: a URL for HTTP, a target for gRPC.

import type { OtlpConfig } from "./otlp-config.ts";
import type { Signal } from "./request-encoder.ts";

type EndpointConfig = Pick<OtlpConfig, "endpoint" | "traces_endpoint">;

const GRPC_PORT = "4317";

const SIGNAL_PATH = /\/v1\/(?:traces|logs|metrics)$/;

/**
 * The URL of a signal's requests over HTTP: `/v1/…` is appended to the endpoint's path where it does not end so, and one
 * of another signal is replaced. An endpoint for traces alone is used as it is.
 */
export function signalUrl({ endpoint, traces_endpoint }: EndpointConfig, signal: Signal): URL {
  if (signal === "traces" && traces_endpoint !== "") return new URL(traces_endpoint);
  const url = new URL(endpoint);
  url.pathname = `${url.pathname.replace(/\/+$/, "").replace(SIGNAL_PATH, "")}/v1/${signal}`;
  return url;
}

/** The endpoint of a signal over gRPC, and its `host:port`; the scheme says whether it is TLS. */
export function grpcTarget(
  { endpoint, traces_endpoint }: EndpointConfig,
  signal: Signal,
): { readonly url: URL; readonly target: string } {
  const text = signal === "traces" && traces_endpoint !== "" ? traces_endpoint : endpoint;
  const url = new URL(text);
  // A URL keeps no port that is its scheme's own, 80 or 443: whether one was written is only in the text.
  const written = /^[a-z]+:\/\/(?:[^/?#]*@)?(?:\[[^\]]*\]|[^/?#:]*):(\d+)/i.exec(text)?.[1];
  return { url, target: `${url.hostname}:${written ?? GRPC_PORT}` };
}
