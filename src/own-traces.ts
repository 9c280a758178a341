// Where the agent's own traces go, and which of its requests are told. On the export thread.

import type { Config } from "./config/schema.ts";
import { Credentials, type TlsMaterial } from "./export/credentials.ts";
import { describeNetworkError } from "./export/network-error.ts";
import { signalUrl } from "./export/otlp-endpoint.ts";
import type { SendAttempt } from "./export/request-sender.ts";
import type { ResourceAttributes } from "./export/resource.ts";
import type { Logger } from "./lib/log.ts";
import type { Tracing } from "./telemetry/tracing.ts";

/** Over http. */
const NO_MATERIAL: TlsMaterial = { ca: undefined, cert: undefined, key: undefined };

export interface OwnTracesContext {
  readonly resource: ResourceAttributes;
  /** Of the build. */
  readonly version: string;
  readonly log: Logger;
}

/** The tracing that [telemetry] wants; undefined where it wants none, or (which is logged) cannot have it. */
export async function openOwnTraces(
  config: Config,
  { resource, version, log }: OwnTracesContext,
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
  const material = url.protocol === "https:" ? findMaterial(credentials, log) : NO_MATERIAL;
  if (material === undefined) return undefined;
  const { ca, cert, key } = material;
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

/** Traces of its own are nothing that the agent would not start for. */
function findMaterial(credentials: Credentials, log: Logger): TlsMaterial | undefined {
  try {
    return credentials.tls();
  } catch (error) {
    log.warn("no own traces: cannot use the TLS files of the first [export.otlp]", {
      error: describeNetworkError(error),
    });
    return undefined;
  }
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
