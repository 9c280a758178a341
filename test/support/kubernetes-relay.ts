// An API server of the test made reachable, at its own address, from a namespace that has no way out.

import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { KubernetesServer } from "./kubernetes-server.ts";
import type { Namespace } from "./namespace.ts";

export interface Relay extends AsyncDisposable {
  /** Ends all connections that are open. */
  readonly cut: () => void;
  /** Ends them, and each new one at once, until {@link open}. */
  readonly block: () => void;
  readonly open: () => void;
}

/** Relays until it is disposed; the part in the namespace ends with that. */
export async function relayInto(namespace: Namespace, server: KubernetesServer): Promise<Relay> {
  const clients = new Set<Socket>();
  let isBlocked = false;
  const path = join(namespace.folder, "kubernetes.sock");
  const outer = createServer((client) => {
    if (isBlocked) {
      client.destroy();
      return;
    }
    const far = connect(server.port, "127.0.0.1");
    clients.add(client);
    client.pipe(far).pipe(client);
    client.on("close", () => {
      clients.delete(client);
      far.destroy();
    });
    client.on("error", () => far.destroy());
    far.on("error", () => client.destroy());
  });
  await new Promise<void>((resolve) => outer.listen(path, resolve));
  const script = new URL("./namespace-relay.ts", import.meta.url).pathname;
  const inner = namespace.start([process.execPath, script, String(server.port), path]);
  await inner.until(({ output }) => output.includes("ready"));
  const cut = (): void => {
    for (const client of clients) client.destroy();
  };
  return {
    cut,
    block: () => {
      isBlocked = true;
      cut();
    },
    open: () => {
      isBlocked = false;
    },
    [Symbol.asyncDispose]: async () => {
      await inner[Symbol.asyncDispose]();
      outer.close();
    },
  };
}
