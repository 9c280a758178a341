// Health and metrics over HTTP, each on its own address. Reads snapshots; never waits for anything.

import type { Milliseconds } from "../lib/time.ts";
import { parseListenAddress, type ServerConfig } from "./config.ts";
import { type HealthQuestion, judgeHealth } from "./health.ts";
import { METRICS } from "./metrics.ts";
import { formatOpenMetrics, OPEN_METRICS_TYPE } from "./open-metrics.ts";
import type { Snapshot } from "./snapshot.ts";

export interface ServersOptions {
  readonly server: ServerConfig;
  readonly metrics: ServerConfig;
  readonly snapshot: () => Snapshot;
  /** Told of each snapshot whose metrics are answered. */
  readonly onShown?: (snapshot: Snapshot) => void;
  /** See health.ts, `livenessDeadline`. */
  readonly livenessDeadline: Milliseconds;
}

export interface Servers extends AsyncDisposable {
  /** Where each listens now, as `http://host:port/`; undefined where it is not enabled. */
  readonly serverUrl: URL | undefined;
  readonly metricsUrl: URL | undefined;
}

type Route = (snapshot: Snapshot) => Response;

type Listener = ReturnType<typeof Bun.serve>;

/**
 * Starts what is enabled.
 * @throws {Error} whose message is one line for people, where an address cannot be listened on; nothing listens then.
 */
export async function startServers(options: ServersOptions): Promise<Servers> {
  const { server, metrics, snapshot, onShown, livenessDeadline } = options;
  const health =
    (question: HealthQuestion): Route =>
    (now) => {
      const answer = judgeHealth(question, now, livenessDeadline);
      return new Response(`${JSON.stringify(answer)}\n`, {
        status: answer.status === "ok" ? 200 : 503,
        headers: { "content-type": "application/json" },
      });
    };
  const healthRoutes = {
    "/livez": health("livez"),
    "/readyz": health("readyz"),
    "/startup": health("startup"),
  };
  const metricsRoutes = {
    "/metrics": (now: Snapshot) => {
      onShown?.(now);
      return showMetrics(now);
    },
  };
  const healthListener = listen(server, {
    name: "server",
    purpose: "health",
    routes: healthRoutes,
    snapshot,
  });
  let metricsListener: Listener | undefined;
  try {
    metricsListener = listen(metrics, {
      name: "metrics",
      purpose: "metrics",
      routes: metricsRoutes,
      snapshot,
    });
  } catch (error) {
    await healthListener?.stop(true);
    throw error;
  }
  return {
    serverUrl: healthListener?.url,
    metricsUrl: metricsListener?.url,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([healthListener?.stop(true), metricsListener?.stop(true)]);
    },
  };
}

interface ListenerOptions {
  /** The section of the config. */
  readonly name: "server" | "metrics";
  readonly purpose: string;
  readonly routes: Readonly<Record<string, Route>>;
  readonly snapshot: () => Snapshot;
}

function listen(
  config: ServerConfig,
  { name, purpose, routes, snapshot }: ListenerOptions,
): Listener | undefined {
  if (!config.enabled) return undefined;
  const address = parseListenAddress(config.listen);
  if (address === undefined) throw new TypeError(`${name}.listen "${config.listen}" is not address:port`);
  const table = new Map(Object.entries(routes));
  try {
    return Bun.serve({
      ...address,
      development: false,
      fetch: (request) => {
        const route = table.get(new URL(request.url).pathname);
        if (route === undefined) return new Response("not found\n", { status: 404 });
        if (request.method !== "GET" && request.method !== "HEAD") {
          return new Response("method not allowed\n", { status: 405, headers: { allow: "GET, HEAD" } });
        }
        return route(snapshot());
      },
    });
  } catch (cause) {
    throw new Error(describeListenError(cause, config.listen, { name, purpose }), { cause });
  }
}

function showMetrics(snapshot: Snapshot): Response {
  return new Response(formatOpenMetrics(METRICS, snapshot), {
    headers: { "content-type": OPEN_METRICS_TYPE },
  });
}

function describeListenError(
  cause: unknown,
  address: string,
  { name, purpose }: { readonly name: string; readonly purpose: string },
): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  const lead = `Cannot listen on ${address} for ${purpose}`;
  switch (code) {
    case "EADDRINUSE":
      return `${lead}: address in use; set ${name}.listen or stop the other process`;
    case "EACCES":
      return `${lead}: permission denied; set ${name}.listen to a port above 1023`;
    case "EADDRNOTAVAIL":
      return `${lead}: this machine does not have that address; set ${name}.listen`;
    default:
      return `${lead}: ${cause instanceof Error ? cause.message : String(cause)}; set ${name}.listen`;
  }
}
