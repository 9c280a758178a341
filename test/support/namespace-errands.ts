// Run by tests inside a namespace: `bun namespace-errands.ts serve ENDS` answers whatever comes in at each of them and
// says `ready`; `… ask ERRANDS` has all of these answered, at the same time, and ends. Both are JSON, as below. What is
// not answered in time is asked again: from the same socket in UDP.

import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import { argv, stdout } from "node:process";

/** Where somebody answers. */
export interface ServedEnd {
  readonly protocol: "tcp" | "udp";
  readonly address: string;
  readonly port: number;
}

/** A request that is to be answered. */
export interface Errand extends ServedEnd {
  readonly from: string;
  readonly fromPort: number;
  /** Milliseconds until the next one from the same socket, for ever. UDP alone; 0: only one. */
  readonly againMs: number;
}

const ANSWER_MS = 500;

if (import.meta.main) {
  const [, , role, words = "[]"] = argv;
  const all: readonly Errand[] = JSON.parse(words);
  await Promise.all(all.map((each) => (role === "serve" ? serve(each) : ask(each))));
  stdout.write("ready\n");
}

async function serve({ protocol, address, port }: ServedEnd): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (protocol === "tcp") createServer((client) => client.pipe(client)).listen(port, address, resolve);
  else {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    socket.on("message", (bytes, from) => socket.send(bytes, from.port, from.address));
    socket.bind(port, address, resolve);
  }
  await promise;
}

async function ask(errand: Errand): Promise<void> {
  if (errand.protocol === "tcp") await askByTcp(errand);
  else await askByUdp(errand);
}

async function askByTcp({ from, fromPort, address, port }: Errand): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ host: address, port, localAddress: from, localPort: fromPort }, () =>
    socket.write("request"),
  );
  socket.on("data", () => socket.end());
  socket.on("close", resolve);
  socket.on("error", reject);
  await promise;
}

async function askByUdp({ from, fromPort, address, port, againMs }: Errand): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = createSocket(from.includes(":") ? "udp6" : "udp4");
  const send = (): void => socket.send("request", port, address);
  // An answer that an ICMP error stands for is asked for again.
  socket.on("error", () => {});
  socket.bind(fromPort, from, send);
  const timer = setInterval(send, againMs === 0 ? ANSWER_MS : againMs);
  socket.on("message", () => {
    if (againMs > 0) return;
    clearInterval(timer);
    socket.close();
    resolve();
  });
  await promise;
}
