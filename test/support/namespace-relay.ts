// Run by tests inside a namespace: `bun namespace-relay.ts PORT SOCKET`. Whoever connects to that port of loopback there
// is connected to the Unix socket, which no namespace hides. Says `ready` once it listens.

import { connect, createServer } from "node:net";
import { argv, stdout } from "node:process";

const [port, path = ""] = argv.slice(2);
const server = createServer((client) => {
  const far = connect(path);
  client.pipe(far).pipe(client);
  client.on("error", () => far.destroy());
  client.on("close", () => far.destroy());
  far.on("close", () => client.destroy());
  far.on("error", () => client.destroy());
});
server.listen(Number(port), "127.0.0.1", () => stdout.write("ready\n"));
