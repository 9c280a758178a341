// An API server of a test's own, for what a real one cannot be made to answer.

import type { ClusterAccess, Credentials } from "../../src/kubernetes/credentials.ts";
import type { Kind } from "../../src/kubernetes/objects.ts";
import { Watcher, type WatcherOptions } from "./kubernetes-watcher.ts";

export interface FakeApiServer extends AsyncDisposable {
  /** Watches that kind alone. */
  readonly watch: (kind: Kind, options?: Omit<WatcherOptions, "kinds">) => Watcher;
  readonly access: ClusterAccess;
}

/** A list of nothing, at version 7. */
export const EMPTY_LIST: { readonly metadata: object; readonly items: readonly object[] } = {
  metadata: { resourceVersion: "7" },
  items: [],
};

/** Starts one on loopback. @param prefix of the server's URL, "/path" */
export function serveApi(
  answer: (url: URL, request: Request) => Response | Promise<Response>,
  prefix = "",
): FakeApiServer {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    fetch: (request) => answer(new URL(request.url), request),
  });
  const access = accessTo({ server: `http://127.0.0.1:${server.port}${prefix}` });
  return {
    access,
    watch: (kind, { backoff = { first: 5, longest: 20 }, ...options } = {}) =>
      new Watcher(access, { ...options, kinds: [kind], backoff }),
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

/** A way that shows nothing, and uses no proxy, unless told. */
export function accessTo(credentials: Partial<Credentials> & Pick<Credentials, "server">): ClusterAccess {
  return {
    origin: "fake",
    find: async () => ({ headers: {}, tls: {}, proxy: undefined, ...credentials }),
    renew: () => undefined,
  };
}

/** Lines of a watch, after which it ends. */
export function watchLines(...events: readonly object[]): Response {
  return new Response(events.map((event) => `${JSON.stringify(event)}\n`).join(""));
}

/** A Status that says no. */
export function refusal(status: number, headers: Readonly<Record<string, string>> = {}): Response {
  return Response.json({ kind: "Status", message: `refused with ${status}` }, { status, headers });
}

export function metadataOf(name: string, resourceVersion = "5"): object {
  return { uid: `uid-${name}`, name, resourceVersion };
}
