// A proxy that opens tunnels by CONNECT, and remembers what it was asked.

import { connect, createServer, type Socket } from "node:net";
import { freePort } from "./free-port.ts";

export interface ConnectProxy extends Disposable {
  readonly url: string;
  /** Heads of the requests. */
  readonly requests: readonly string[];
}

/** Starts one on loopback. */
export async function startConnectProxy(): Promise<ConnectProxy> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    sockets.add(near);
    near.on("error", () => near.destroy());
    near.once("data", (head) => {
      requests.push(head.toString());
      const [, host = "", port = ""] = /^CONNECT ([\d.]+):(\d+) /.exec(head.toString()) ?? [];
      const far = connect(Number(port), host, () => {
        near.write("HTTP/1.1 200 Connection established\r\n\r\n");
        far.pipe(near);
        near.pipe(far);
      });
      sockets.add(far);
      far.on("error", () => near.destroy());
    });
  });
  const port = freePort();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(port, "127.0.0.1", resolve);
  await promise;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    [Symbol.dispose]: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
