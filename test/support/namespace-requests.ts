// Both ends of a TCP connection on which a client asks and a server answers after a wait, each with a clock of its own.
// Run by tests inside a namespace: `bun namespace-requests.ts server ADDRESS WAIT_MS` and
// `… client ADDRESS SERVER COUNT THINK_MS`. The client prints the mean of its latencies in ns, the
// server that of its waits, as each measured it.

import { argv, stderr, stdout } from "node:process";
import type { Socket } from "bun";

const PORT = 7001;
/** One segment each. */
const REQUEST_BYTES = 500;
const RESPONSE_BYTES = 700;

const [, , role, address = "", ...words] = argv;
if (role === "server") serve(Number(words[0]));
else await ask(words[0] ?? "", Number(words[1]), Number(words[2]));

function serve(waitMs: number): void {
  const waits: number[] = [];
  let received = 0;
  Bun.listen({
    hostname: address,
    port: PORT,
    socket: {
      data: async (socket, bytes) => {
        received += bytes.length;
        if (received % REQUEST_BYTES !== 0) return;
        const since = Bun.nanoseconds();
        if (waitMs > 0) await Bun.sleep(waitMs);
        waits.push(Bun.nanoseconds() - since);
        write(socket, RESPONSE_BYTES);
      },
      close: () => void stdout.write(`${mean(waits)}\n`),
    },
  });
  stderr.write("listening\n");
}

async function ask(server: string, count: number, thinkMs: number): Promise<void> {
  const latencies: number[] = [];
  let answered = Promise.withResolvers<void>();
  let since = 0;
  let received = 0;
  const socket = await Bun.connect({
    hostname: server,
    port: PORT,
    socket: {
      data: (_, bytes) => {
        if (received % RESPONSE_BYTES === 0) latencies.push(Bun.nanoseconds() - since);
        received += bytes.length;
        if (received % RESPONSE_BYTES === 0) answered.resolve();
      },
    },
  });
  for (let request = 0; request < count; request++) {
    answered = Promise.withResolvers<void>();
    since = Bun.nanoseconds();
    write(socket, REQUEST_BYTES);
    await answered.promise;
    await Bun.sleep(thinkMs);
  }
  socket.end();
  stdout.write(`${mean(latencies)}\n`);
}

function write(socket: Socket, bytes: number): void {
  if (socket.write(new Uint8Array(bytes)) !== bytes) throw new Error("a message does not fit the socket");
}

function mean(values: readonly number[]): number {
  return Math.round(values.reduce((sum, value) => sum + value, 0) / values.length);
}
