// A proxy that passes everything on, until the test cuts its connections: a load balancer, or a network, that drops them.

import { connect, createServer, type Socket } from "node:net";
import { freePort } from "./free-port.ts";

export interface CuttingProxy extends Disposable {
  /** Where it listens, on loopback. */
  readonly port: number;
  /** Connections that are open now. */
  readonly connections: number;
  /** Ends all connections at once, without a goodbye. */
  readonly cut: () => void;
}

/** Passes bytes on to `port` of loopback, and back; listens at `own`. */
export async function startCuttingProxy(port: number, own: number = freePort()): Promise<CuttingProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    const pair = [near, far] as const;
    pairs.add(pair);
    for (const socket of pair) {
      socket.on("error", () => {});
      socket.on("close", () => {
        pairs.delete(pair);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far);
    far.pipe(near);
  });
  const cut = (): void => {
    for (const [near, far] of pairs) {
      near.resetAndDestroy();
      far.destroy();
    }
  };
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(own, "127.0.0.1", resolve);
  await promise;
  return {
    port: own,
    get connections() {
      return pairs.size;
    },
    cut,
    [Symbol.dispose]: () => {
      server.close();
      cut();
    },
  };
}
