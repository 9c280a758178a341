// Run by tests inside a namespace: `bun namespace-foreign-tcx.ts OBJECT IFINDEX ORDER`. Attaches somebody else's
// program to TCX ingress, says so, and holds it until it is ended.

import { readFileSync } from "node:fs";
import { argv, stdout } from "node:process";
import { loadLibrary } from "../../src/capture/library.ts";
import { Probe } from "../../src/capture/probe.ts";

await attach(argv.slice(2));

async function attach([object = "", ifindex, order]: readonly string[]): Promise<void> {
  const program = new Uint8Array(readFileSync(object));
  const library = loadLibrary();
  const handle = library.merminbpf_object_open(program, program.byteLength);
  if (handle === null) throw new Error(String(library.merminbpf_error(null)));
  using probe = new Probe(library, handle);
  probe.check(library.merminbpf_object_load(handle), "Cannot load the program");
  probe.attach(Number(ifindex), "ingress", {
    mode: "tcx",
    order: order === "first" ? "first" : "last",
    tcPriority: 1,
  });
  stdout.write("attached\n");
  await new Promise<never>(() => setInterval(() => {}, 60_000));
}
