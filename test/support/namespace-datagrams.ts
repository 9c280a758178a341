// Run by tests inside a namespace: `bun namespace-datagrams.ts ADDRESS TO PORT COUNT BATCH PAUSE_MS`. Sends datagrams
// of 100 bytes from one socket, in batches, and says after each how many went out.

import { argv, stdout } from "node:process";

await sendAll(argv.slice(2));

async function sendAll([from = "", to = "", port, count, batch, pause]: readonly string[]): Promise<void> {
  // An ICMP error that a datagram has met is told here.
  const socket = await Bun.udpSocket({ hostname: from, socket: { error: () => {} } });
  const payload = new Uint8Array(100);
  let sent = 0;
  while (sent < Number(count)) {
    for (let end = Math.min(sent + Number(batch), Number(count)); sent < end; sent++) {
      while (!trySend(() => socket.send(payload, Number(port), to))) await Bun.sleep(1);
    }
    stdout.write(`sent ${sent}\n`);
    await Bun.sleep(Number(pause));
  }
  socket.close();
}

/** False where the buffer is full, or where the socket gives back an earlier ICMP error instead of sending. */
function trySend(send: () => boolean): boolean {
  try {
    return send();
  } catch {
    return false;
  }
}
