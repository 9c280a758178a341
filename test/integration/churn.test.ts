// Hundreds of interfaces that come and go: all are followed, nobody waits, and nothing is left of those that went.

import { heapStats } from "bun:jsc";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { openProbe, type Probe } from "../../src/capture/probe.ts";
import { ThreadNamespace } from "../bpf/thread-namespace.ts";
import { runCommand } from "../support/namespace-process.ts";
import { Watching } from "../support/watching.ts";

const INTERFACES = 200;
const ROUNDS = 2;
const GROUP = "77";
/** Half an object for each of 1,000 interfaces. */
const MOST_OBJECTS = 500;
/** As much resident memory comes and goes between two collections of garbage. */
const MOST_RESIDENT_BYTES = 3 * 1024 * 1024;
const COLLECTIONS = 40;

let namespace: ThreadNamespace;
let probe: Probe;

beforeEach(() => {
  namespace = new ThreadNamespace();
  probe = openProbe({ tableCapacity: 1024, ringBufferBytes: 4096, isReplay: false });
});

afterEach(() => {
  probe[Symbol.dispose]();
  namespace[Symbol.dispose]();
});

/** Veth pairs, of which only the first ends are up. */
function addPairs(): void {
  const lines = Array.from({ length: INTERFACES }, (_, at) => {
    return `link add c${at} group ${GROUP} type veth peer d${at}\nlink set c${at} up\n`;
  });
  const { exitCode, stderr } = Bun.spawnSync(["ip", "-batch", "-"], { stdin: Buffer.from(lines.join("")) });
  if (exitCode !== 0) throw new Error(stderr.toString());
}

/** Descriptors of this process, BPF links among them, and entries of the programs' lists of interfaces. */
function holdings(): { readonly descriptors: number; readonly links: number; readonly entries: number } {
  const descriptors = readdirSync("/proc/self/fdinfo").map((fd) => readQuietly(`/proc/self/fdinfo/${fd}`));
  return {
    descriptors: descriptors.length,
    links: descriptors.filter((text) => /^link_id:/m.test(text)).length,
    entries: [...readIndexes()].length,
  };
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Closed meanwhile.
    return "";
  }
}

function* readIndexes(): Generator<number> {
  const stats = new Uint32Array(new ArrayBuffer(40));
  for (let ifindex = 1; ifindex < 4 * INTERFACES * ROUNDS; ifindex++) {
    if (probe.library.merminbpf_interface_read(probe.handle, ifindex, stats) >= 0) yield ifindex;
  }
}

test.each(["tcx", "clsact"] as const)(
  "follows hundreds of interfaces by %s, and keeps nothing of those that went",
  async (mode) => {
    const watching = new Watching(probe, { attach_mode: mode, interfaces: ["c*"] });
    const { interfaces } = watching;
    await watching.settled();
    // The first time the runtime opens descriptors of its own.
    let before: ReturnType<typeof holdings> | undefined;
    for (let round = 0; round < ROUNDS; round++) {
      addPairs();
      await watching.until(() => interfaces.attached === INTERFACES);
      expect(holdings()).toMatchObject({ links: mode === "tcx" ? 2 * INTERFACES : 0, entries: INTERFACES });
      runCommand(["ip", "link", "del", "group", GROUP]);
      await watching.until(() => readIndexes().next().done === true);
      const after = holdings();
      expect(after).toMatchObject({ links: 0, entries: 0 });
      before ??= after;
    }
    // The thread that lists opens a socket for it.
    await watching.until(() => holdings().descriptors <= (before?.descriptors ?? 0));
    expect(watching.says("WARN")).toBe(false);
  },
);

/** Has interfaces come and go `rounds` times. */
async function churn(watching: Watching, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    addPairs();
    await watching.until(() => watching.interfaces.attached === INTERFACES);
    runCommand(["ip", "link", "del", "group", GROUP]);
    await watching.until(() => watching.interfaces.count === 0 && readIndexes().next().done === true);
    // What the test itself keeps.
    watching.lines.length = 0;
  }
}

interface Memory {
  readonly objects: number;
  readonly residentBytes: number;
}

/** The least of many collections of garbage: what one leaves, a later one finds. */
async function settledMemory(): Promise<Memory> {
  let least = { objects: Infinity, residentBytes: Infinity };
  for (let times = 0; times < COLLECTIONS; times++) {
    Bun.gc(true);
    least = {
      objects: Math.min(least.objects, heapStats().objectCount),
      residentBytes: Math.min(least.residentBytes, process.memoryUsage.rss()),
    };
    await Bun.sleep(50);
  }
  return least;
}

test("needs no more memory for the second thousand interfaces than for the first", async () => {
  const watching = new Watching(probe, { attach_mode: "clsact", interfaces: ["c*"] });
  await watching.settled();
  await churn(watching, 1000 / INTERFACES);
  const before = await settledMemory();
  await churn(watching, 1000 / INTERFACES);
  const after = await settledMemory();
  const grown = Math.round((after.residentBytes - before.residentBytes) / 1024);
  console.log(`1,000 interfaces: ${after.objects - before.objects} objects more, ${grown} KiB resident`);
  expect(after.objects - before.objects).toBeLessThanOrEqual(MOST_OBJECTS);
  expect(after.residentBytes - before.residentBytes).toBeLessThanOrEqual(MOST_RESIDENT_BYTES);
}, 120_000);
