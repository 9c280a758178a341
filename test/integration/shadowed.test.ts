// A program before ours that ends packets: said, counted, and forgotten when it is gone. The test's clock runs ahead of
// the checks, the traffic is real.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { loadLibrary } from "../../src/capture/library.ts";
import { openProbe, Probe } from "../../src/capture/probe.ts";
import { ThreadNamespace } from "../bpf/thread-namespace.ts";
import { writeTemporaryFile } from "../replay/temporary-file.ts";
import { compileForeign } from "../support/namespace-foreign.ts";
import { runCommand } from "../support/namespace-process.ts";
import { Watching } from "../support/watching.ts";

const HERE = 500;
const THERE = 501;

let namespace: ThreadNamespace;
let probe: Probe;

beforeEach(() => {
  namespace = new ThreadNamespace();
  namespace.addPairs([HERE, THERE]);
  for (const name of [`v${HERE}`, `v${THERE}`]) {
    // No IPv6 of its own making, which that program would pass on.
    runCommand(["ip", "link", "set", name, "addrgenmode", "none"]);
    runCommand(["ip", "link", "set", name, "up"]);
  }
  runCommand(["ip", "address", "add", "192.0.2.1/24", "dev", `v${THERE}`]);
  runCommand(["ip", "neighbour", "add", "192.0.2.2", "lladdr", "02:00:00:00:00:01", "dev", `v${THERE}`]);
  probe = openProbe({ tableCapacity: 1024, ringBufferBytes: 4096, isReplay: false });
});

afterEach(() => {
  probe[Symbol.dispose]();
  namespace[Symbol.dispose]();
});

/** Sends IPv4 packets that arrive at the watched interface, and has it checked. */
async function check(watching: Watching): Promise<void> {
  const received = (): number => watching.interfaces.links[0]?.packets[0] ?? 0;
  const before = received();
  Bun.spawnSync(["ping", "-c", "3", "-i", "0.01", "-W", "0.01", "-q", "192.0.2.2"]);
  watching.skip(6000);
  await watching.until(() => received() >= before + 3);
  await watching.settled();
}

/** Somebody's program at ingress before ours, until it is disposed of. */
function attachBefore(mode: "tcx" | "clsact", verdict: "next" | "drop"): Disposable {
  using file = writeTemporaryFile(new Uint8Array(), "foreign.bpf.o");
  compileForeign(file.path, verdict);
  if (mode === "tcx") return attachByTcx(file.path);
  const filter = ["dev", `v${HERE}`, "ingress", "prio", "10"];
  runCommand(["tc", "qdisc", "add", "dev", `v${HERE}`, "clsact"]);
  const program = ["bpf", "direct-action", "object-file", file.path, "section", "tc"];
  runCommand(["tc", "filter", "add", ...filter, ...program]);
  return { [Symbol.dispose]: () => void runCommand(["tc", "filter", "del", ...filter]) };
}

function attachByTcx(object: string): Disposable {
  const bytes = new Uint8Array(readFileSync(object));
  const library = loadLibrary();
  const handle = library.merminbpf_object_open(bytes, bytes.byteLength);
  if (handle === null) throw new Error(String(library.merminbpf_error(null)));
  const foreign = new Probe(library, handle);
  foreign.check(library.merminbpf_object_load(handle), "Cannot load the program");
  foreign.attach(HERE, "ingress", { mode: "tcx", order: "first", tcPriority: 1 });
  return foreign;
}

describe.each(["tcx", "clsact"] as const)("an interface attached by %s", (mode) => {
  const place = { interfaces: [`v${HERE}`], attach_mode: mode, tcx_order: "last", tc_priority: 20 } as const;

  test("is shadowed while a program before ours ends its packets", async () => {
    const foreign = attachBefore(mode, "drop");
    const [id] = probe.programsAt(HERE, "ingress");
    const watching = new Watching(probe, place);
    await watching.settled();
    for (let times = 0; times < 2; times++) await check(watching);
    expect(watching.interfaces.shadowed).toBe(0);
    await check(watching);
    await watching.until(() => watching.interfaces.shadowed === 1);
    for (let times = 0; times < 3; times++) await check(watching);
    const said = watching.lines.filter((line) => line.includes("shadowed"));
    expect(said).toHaveLength(1);
    expect(said[0]).toContain(`programs=${id}`);
    foreign[Symbol.dispose]();
    await check(watching);
    await watching.until(() => watching.interfaces.shadowed === 0);
    expect(watching.says("no longer shadowed")).toBe(true);
  });

  test("is not where that program passes them on", async () => {
    using _ = attachBefore(mode, "next");
    const watching = new Watching(probe, place);
    await watching.settled();
    for (let times = 0; times < 5; times++) await check(watching);
    expect(watching.interfaces.shadowed).toBe(0);
    expect(watching.says("shadowed")).toBe(false);
  });
});
