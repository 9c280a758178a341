// Run by tests inside a namespace: `bun namespace-receiver.ts accept|stall|late`. An OTLP collector on loopback that says
// its port, then `request` at each request, `spans` and how many it took; ended by SIGTERM, it prints them, one a line.

import { argv, exit, stdout } from "node:process";
import { type Behaviour, startReceiver } from "../collector/receiver.ts";

const LATE: Behaviour = { kind: "late", afterMs: 100 };

switch (argv[2]) {
  case "stall":
    serve({ kind: "stall" });
    break;
  case "late":
    serve(LATE);
    break;
  default:
    serve({ kind: "accept" });
}

function serve(behaviour: Behaviour): void {
  const receiver = startReceiver(behaviour);
  stdout.write(`port ${receiver.port}\n`);
  let told = 0;
  let taken = 0;
  setInterval(() => {
    for (; told < receiver.requests.length; told++) stdout.write("request\n");
    if (taken === receiver.spans.length) return;
    taken = receiver.spans.length;
    stdout.write(`spans ${taken}\n`);
  }, 5);
  process.on("SIGTERM", () => {
    const lines = (behaviour.kind === "stall" ? receiver.unanswered : receiver.spans)
      .map((span) => `${JSON.stringify(span)}\n`)
      .join("");
    stdout.write(lines, () => exit(0));
  });
}
