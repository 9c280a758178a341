// A proxy that lets bytes through at a rate: a collector behind a slow link.

import { connect, createServer, type Server, type Socket } from "node:net";
import { Transform } from "node:stream";

export interface SlowProxy extends Disposable {
  /** Where it listens, on loopback. */
  readonly port: number;
}

const SLICE_MS = 10;

/** Passes bytes on to `port` of loopback, and back, each connection at `bytesPerSecond` each way. */
export async function startSlowProxy(port: number, bytesPerSecond: number): Promise<SlowProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(throttle(bytesPerSecond)).pipe(far);
    far.pipe(throttle(bytesPerSecond)).pipe(near);
  });
  const own = await listen(server);
  return {
    port: own,
    [Symbol.dispose]: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Passes a slice on every few milliseconds; what waits is bounded by the streams' buffers. */
function throttle(bytesPerSecond: number): Transform {
  const slice = Math.ceil((bytesPerSecond * SLICE_MS) / 1000);
  return new Transform({
    transform: async function (chunk: Buffer, _encoding, done) {
      for (let at = 0; at < chunk.length; at += slice) {
        await Bun.sleep(SLICE_MS);
        this.push(chunk.subarray(at, at + slice));
      }
      done();
    },
  });
}

async function listen(server: Server): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", () => resolve());
  await promise;
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return address.port;
}
