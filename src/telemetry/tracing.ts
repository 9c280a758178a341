// The agent's own work as spans of the OpenTelemetry SDK. Comes in: operations that are over. Goes out: OTLP over HTTP.
// Made only where [telemetry] wants it; never asked per packet, flow or span.

import { SpanStatusCode } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";

/** Something the agent did. Times in ms since 1970. */
export interface Operation {
  readonly name: "agent.start" | "agent.stop" | "interfaces.sync" | "export.request";
  readonly beganMs: number;
  readonly endedMs: number;
  readonly attributes: Readonly<Record<string, string | number>>;
  /** Why it failed; undefined where it did not. */
  readonly error?: string | undefined;
}

export interface TracingOptions {
  /** The URL of traces. */
  readonly url: string;
  /** Asked before each request. */
  readonly headers: () => Readonly<Record<string, string>>;
  /** Of the connection, as node:https has it. */
  readonly tls: Readonly<Record<string, unknown>>;
  readonly resource: ReadonlyMap<string, string | readonly string[]>;
  /** Of the build. */
  readonly version: string;
}

/** Records operations until it is disposed, which sends what is left. */
export interface Tracing extends AsyncDisposable {
  readonly record: (operation: Operation) => void;
}

/** Longest time that the end waits for the last spans. */
const LAST_EXPORT_MS = 2000;

export function startTracing({ url, headers, tls, resource, version }: TracingOptions): Tracing {
  const exporter = new OTLPTraceExporter({
    url,
    headers: async () => ({ ...headers() }),
    httpAgentOptions: { keepAlive: true, ...tls },
    timeoutMillis: LAST_EXPORT_MS,
  });
  const attributes = Object.fromEntries(
    [...resource].map(([name, value]) => [name, typeof value === "string" ? value : [...value]]),
  );
  const provider = new TracerProvider({
    resource: resourceFromAttributes(attributes),
    spanProcessors: [new BatchSpanProcessor({ exporter, exportTimeoutMillis: LAST_EXPORT_MS })],
  });
  const tracer = provider.getTracer("mermin.agent", version);
  return {
    record: ({ name, beganMs, endedMs, attributes, error }) => {
      const span = tracer.startSpan(name, { startTime: beganMs, attributes, root: true });
      if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
      span.end(endedMs);
    },
    [Symbol.asyncDispose]: async () => {
      await provider.shutdown().catch(() => undefined);
    },
  };
}
