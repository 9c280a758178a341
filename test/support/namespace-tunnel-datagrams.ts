// Run by tests inside a namespace: `bun namespace-tunnel-datagrams.ts send FROM PORT TO PORT COUNT BYTES` sends datagrams
// from a port of its choice, each after the one before has left; `… take ADDRESS PORT` takes them, so that nothing is
// answered, and writes how many there were at each.

import { argv, stdout } from "node:process";

const PAUSE_MS = 10;

await run(argv.slice(2));

async function run([what, ...words]: readonly string[]): Promise<void> {
  if (what === "take") await take(words);
  else await send(words);
}

async function take([hostname = "", port]: readonly string[]): Promise<void> {
  let taken = 0;
  const told = (): void => void stdout.write(`taken ${++taken}\n`);
  await Bun.udpSocket({ hostname, port: Number(port), socket: { data: told } });
  stdout.write("ready\n");
}

async function send([from = "", port, to = "", toPort, count, bytes]: readonly string[]): Promise<void> {
  const socket = await Bun.udpSocket({ hostname: from, port: Number(port) });
  const payload = new Uint8Array(Number(bytes));
  for (let sent = 0; sent < Number(count); sent++) {
    while (!socket.send(payload, Number(toPort), to)) await Bun.sleep(1);
    // A device's queue need not hold the fragments of all at once, nor the receiver's buffer all datagrams: on a busy
    // machine it may take nothing for a while.
    await Bun.sleep(PAUSE_MS);
  }
  socket.close();
}
