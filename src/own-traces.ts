// Where the agent's own traces go, and which of its requests are told. On the export thread.

import type { Config } from "./config/schema.ts";
import { Credentials } from "./export/credentials.ts";
import { signalUrl } from "./export/otlp-endpoint.ts";
import type { SendAttempt } from "./export/request-sender.ts";
import type { ResourceAttributes } from "./export/resource.ts";
import type { Tracing } from "./telemetry/tracing.ts";

/** The tracing that [telemetry] wants; undefined where it wants none. */
export async function openOwnTraces(
  config: Config,
  { resource, version }: { readonly resource: ResourceAttributes; readonly version: string },
): Promise<Tracing | undefined> {
  const { telemetry } = config;
  if (!telemetry.traces) return undefined;
  // 20 MB that an agent without traces of its own does not pay.
  const { startTracing } = await import("./telemetry/tracing.ts");
  const [first] = config.export.otlp;
  if (telemetry.endpoint !== "" || first === undefined) {
    const url = signalUrl({ endpoint: telemetry.endpoint, traces_endpoint: "" }, "traces").href;
    return startTracing({ url, headers: () => ({}), tls: {}, resource, version });
  }
  const url = signalUrl(first, "traces");
  const credentials = new Credentials(first, url);
  const { ca, cert, key } = url.protocol === "https:" ? credentials.tls() : {};
  const { server_name, insecure_skip_verify } = first.tls;
  const tls = {
    rejectUnauthorized: !insecure_skip_verify,
    ...(server_name === "" ? {} : { servername: server_name }),
    ...(ca === undefined ? {} : { ca: [...ca] }),
    ...(cert === undefined ? {} : { cert, key }),
  };
  url.username = "";
  url.password = "";
  return startTracing({ url: url.href, headers: () => credentials.headers(), tls, resource, version });
}

/** Tells a share of the attempts to `tracing`; undefined where there is none. */
export function observeAttempts(
  tracing: Tracing | undefined,
  share: number,
): ((attempt: SendAttempt) => void) | undefined {
  if (tracing === undefined || share === 0) return undefined;
  return ({ exporter, beganMs, endedMs, spans, bytes, outcome }) => {
    if (Math.random() >= share) return;
    tracing.record({
      name: "export.request",
      beganMs,
      endedMs,
      attributes: {
        "mermin.exporter": exporter,
        "mermin.export.outcome": outcome.status,
        "mermin.export.spans": spans,
        "mermin.export.bytes": bytes,
      },
      error: outcome.status === "sent" ? undefined : outcome.cause.message,
    });
  };
}
