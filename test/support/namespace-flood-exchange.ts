// Run by tests inside a namespace: `bun namespace-flood-exchange.ts serve ADDRESS PORT` answers each datagram with one
// of the same bytes; `… ask ADDRESS FROM_PORT TO PORT COUNT PAUSE_MS` sends requests one after another, each
// PAUSE_MS after the last was answered, and says after each how many there were.

import { argv, stdout } from "node:process";

const REQUEST = new Uint8Array(80);

const [, , role, ...words] = argv;
if (role === "serve") await serve(words);
else await ask(words);

async function serve([address = "", port]: readonly string[]): Promise<void> {
  await Bun.udpSocket({
    hostname: address,
    port: Number(port),
    socket: { data: (socket, bytes, fromPort, from) => void socket.send(bytes, fromPort, from) },
  });
  stdout.write("ready\n");
}

async function ask([address = "", fromPort, to = "", port, count, pause]: readonly string[]): Promise<void> {
  let answered = Promise.withResolvers<void>();
  const socket = await Bun.udpSocket({
    hostname: address,
    port: Number(fromPort),
    socket: { data: () => answered.resolve() },
  });
  for (let asked = 1; asked <= Number(count); asked++) {
    answered = Promise.withResolvers();
    if (!socket.send(REQUEST, Number(port), to)) throw new Error("the socket's buffer is full");
    await answered.promise;
    stdout.write(`asked ${asked}\n`);
    await Bun.sleep(Number(pause));
  }
  socket.close();
}
