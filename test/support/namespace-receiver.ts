// Run by tests inside a namespace: `bun namespace-receiver.ts accept|stall`. An OTLP collector on loopback that says
// its port, then `request` at each request; ended by SIGTERM, it prints the spans that it took, one a line.

import { argv, exit, stdout } from "node:process";
import { startReceiver } from "../collector/receiver.ts";

serve(argv[2] === "stall" ? "stall" : "accept");

function serve(kind: "accept" | "stall"): void {
  const receiver = startReceiver({ kind });
  stdout.write(`port ${receiver.port}\n`);
  let told = 0;
  setInterval(() => {
    for (; told < receiver.requests.length; told++) stdout.write("request\n");
  }, 5);
  process.on("SIGTERM", () => {
    const lines = (kind === "stall" ? receiver.unanswered : receiver.spans)
      .map((span) => `${JSON.stringify(span)}\n`)
      .join("");
    stdout.write(lines, () => exit(0));
  });
}
