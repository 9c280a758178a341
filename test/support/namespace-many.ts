// Run by tests inside a namespace: `bun namespace-many.ts ADDRESS TO PORT COUNT`. Sends one datagram of 80 bytes from each
// of COUNT ports, waits for its answer, and says at the end how many were answered.

import { argv, stdout } from "node:process";

const FIRST_PORT = 42_000;

const [, , address = "", to = "", port, count] = argv;
for (let asked = 1; asked <= Number(count); asked++) {
  const answered = Promise.withResolvers<void>();
  const socket = await Bun.udpSocket({
    hostname: address,
    port: FIRST_PORT + asked,
    socket: { data: () => answered.resolve() },
  });
  socket.send(new Uint8Array(80), Number(port), to);
  await answered.promise;
  socket.close();
}
stdout.write(`answered ${count}\n`);
