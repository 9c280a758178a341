// Run by tests inside a namespace: `bun namespace-talk.ts MODE ADDRESS PORT [TO PORT]`. One end of a conversation, which
// says `ready` once it has its socket, `heard` for all that comes in, and goes on until it is ended.
//   tcp-serve, tcp-call: a connection, at ADDRESS PORT of the server; either end sends a byte at SIGUSR1
//   udp-serve: answers; udp-call, udp-bind: with a socket that is connected, or is not, sends a byte to TO PORT at SIGUSR1

import { argv, stdout } from "node:process";

interface Writer {
  readonly write: (text: string) => unknown;
}

interface Answerer {
  readonly send: (text: string, port: number, address: string) => boolean;
}

const hear = (): void => {
  stdout.write("heard\n");
};
const stream = {
  open: (socket: Writer): void => {
    stdout.write("connected\n");
    process.on("SIGUSR1", () => socket.write("x"));
  },
  data: hear,
};
const answer = {
  data: (socket: Answerer, _: Buffer, port: number, address: string): void => {
    socket.send("x", port, address);
  },
};

await talk(argv.slice(2));
stdout.write("ready\n");

async function talk([mode, hostname = "", port, to = "", toPort]: readonly string[]): Promise<void> {
  const own = { hostname, port: Number(port) };
  const peer = { hostname: to, port: Number(toPort) };
  if (mode === "tcp-serve") Bun.listen({ ...own, socket: stream });
  else if (mode === "tcp-call") await Bun.connect({ ...own, socket: stream });
  else if (mode === "udp-serve") await Bun.udpSocket({ ...own, socket: answer });
  else if (mode === "udp-call") {
    const socket = await Bun.udpSocket({ ...own, connect: peer, socket: { data: hear } });
    process.on("SIGUSR1", () => socket.send("x"));
  } else {
    const socket = await Bun.udpSocket({ ...own, socket: { data: hear } });
    process.on("SIGUSR1", () => socket.send("x", peer.port, peer.hostname));
  }
}
