// Hooks that went without the agent's doing are put back, and interfaces are followed wherever they go.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { WatchConfig } from "../../src/capture/config.ts";
import { openProbe, type Probe } from "../../src/capture/probe.ts";
import { ThreadNamespace } from "../bpf/thread-namespace.ts";
import { runCommand } from "../support/namespace-process.ts";
import { Watching } from "../support/watching.ts";

const IFINDEX = 500;
const SIDES = ["ingress", "egress"] as const;
const MODES = ["tcx", "clsact"] as const;

let namespace: ThreadNamespace;
let probe: Probe;

beforeEach(() => {
  namespace = new ThreadNamespace();
  makePair();
  probe = openProbe({ tableCapacity: 1024, ringBufferBytes: 4096, isReplay: false });
});

afterEach(() => {
  probe[Symbol.dispose]();
  namespace[Symbol.dispose]();
});

function makePair(): void {
  namespace.addPairs([IFINDEX, IFINDEX + 1]);
  ip("link", "set", `v${IFINDEX}`, "up");
}

function ip(...words: string[]): string {
  return runCommand(["ip", ...words]);
}

async function watch(config: Partial<WatchConfig> = {}): Promise<Watching> {
  const watching = new Watching(probe, config);
  await watching.settled();
  expect(areHooked()).toBe(true);
  return watching;
}

function areHooked(ifindex: number = IFINDEX): boolean {
  return SIDES.every((side) => probe.programsAt(ifindex, side).includes(probe.programId(side)));
}

function programsAt(ifindex: number): readonly number[] {
  return SIDES.flatMap((side) => probe.programsAt(ifindex, side));
}

describe("Interfaces", () => {
  test.each(MODES)("attaches by %s to an interface made anew under the same index and name", async (mode) => {
    const watching = await watch({ attach_mode: mode });
    ip("link", "del", `v${IFINDEX}`);
    makePair();
    expect(areHooked()).toBe(false);
    await watching.until(areHooked);
    await watching.settled();
    expect(watching.interfaces.stats()).toMatchObject([{ ifindex: IFINDEX, mode }]);
    await watching.interfaces.detachAll();
    expect(programsAt(IFINDEX)).toEqual([]);
  });

  test("puts back a filter whose qdisc somebody removed", async () => {
    const watching = await watch({ attach_mode: "clsact" });
    runCommand(["tc", "qdisc", "del", "dev", `v${IFINDEX}`, "clsact"]);
    expect(areHooked()).toBe(false);
    watching.skip(30_000);
    await watching.until(areHooked);
    expect(watching.says("interface lost its hooks")).toBe(true);
  });

  test("attaches by tcx to many interfaces without waiting for any, and lets go of all", async () => {
    const pairs = Array.from({ length: 16 }, (_, index) => [600 + index * 2, 601 + index * 2] as const);
    namespace.addPairs(...pairs);
    for (const [ifindex] of pairs) ip("link", "set", `v${ifindex}`, "up");
    const { interfaces, lines } = await watch({ attach_mode: "tcx" });
    expect(lines.filter((line) => line.includes("interface attached"))).toHaveLength(pairs.length + 1);
    expect(interfaces).toMatchObject({ count: pairs.length + 1, attached: pairs.length + 1, failed: 0 });
    await interfaces.detachAll();
    expect(pairs.flatMap(([ifindex]) => programsAt(ifindex))).toEqual([]);
  });

  test("says nothing of hooks that are there", async () => {
    const watching = await watch();
    const before = watching.lines.length;
    watching.skip(60_000);
    for (let turns = 0; turns < 100; turns++) {
      expect(watching.turn()).toBe(false);
      await Bun.sleep(1);
    }
    expect(watching.lines.slice(before)).toEqual([]);
  });

  test("tells a renamed interface by its new name, its hooks untouched", async () => {
    const watching = await watch();
    const programs = programsAt(IFINDEX);
    ip("link", "set", `v${IFINDEX}`, "down");
    ip("link", "set", `v${IFINDEX}`, "name", "renamed");
    ip("link", "set", "renamed", "up");
    await watching.until(() => watching.interfaces.nameOf(IFINDEX) === "renamed");
    await watching.settled();
    expect(programsAt(IFINDEX)).toEqual(programs);
    expect(watching.interfaces.names()).toEqual([[IFINDEX, "renamed"]]);
  });

  test("lets go of an interface whose new name is not meant, and of its hooks", async () => {
    const watching = await watch({ exclude: ["/re.*/"] });
    ip("link", "set", `v${IFINDEX}`, "down");
    await watching.until(() => watching.says("interface left"));
    ip("link", "set", `v${IFINDEX}`, "name", "renamed");
    ip("link", "set", "renamed", "up");
    await watching.until(() => programsAt(IFINDEX).length === 0);
    expect(watching.interfaces.count).toBe(0);
  });

  test("leaves nothing on an interface that moved to another namespace", async () => {
    const watching = await watch();
    const holder = Bun.spawn(["unshare", "--net", "sh", "-c", "echo ready; exec sleep infinity"], {
      stdout: "pipe",
    });
    await holder.stdout.getReader().read();
    ip("link", "set", `v${IFINDEX}`, "netns", String(holder.pid));
    await watching.until(() => watching.says("interface left"));
    await watching.until(() => watching.interfaces.count === 0);
    const show = ["nsenter", `--net=/proc/${holder.pid}/ns/net`, "bpftool", "--json", "net", "show"];
    await watching.until(() => !runCommand(show).includes("mermin"));
    holder.kill();
    await holder.exited;
  });

  test("attaches anew to an interface that is gone and back before anybody looked", async () => {
    const watching = await watch();
    for (let times = 0; times < 5; times++) {
      ip("link", "del", `v${IFINDEX}`);
      makePair();
    }
    await watching.until(areHooked);
    expect(watching.says("interface lost its hooks")).toBe(true);
  });

  test("looks at everything anew where the kernel dropped notices", async () => {
    const watching = await watch();
    const toggles = Array.from(
      { length: 20_000 },
      (_, index) => `link set v${IFINDEX} mtu ${1000 + (index % 2)}\n`,
    );
    const { exitCode } = Bun.spawnSync(["ip", "-batch", "-"], { stdin: Buffer.from(toggles.join("")) });
    expect(exitCode).toBe(0);
    ip("link", "del", `v${IFINDEX}`);
    makePair();
    await watching.until(() => watching.interfaces.resyncs > 0);
    await watching.until(areHooked);
  });

  test("watches only what was there at start, where it is told so", async () => {
    const watching = await watch({ auto_discover: false });
    namespace.addPairs([600, 601]);
    ip("link", "set", "v600", "up");
    ip("link", "del", `v${IFINDEX}`);
    await watching.until(() => watching.says("interface left"));
    makePair();
    await watching.until(areHooked);
    await watching.settled();
    expect(watching.interfaces.names()).toEqual([[IFINDEX, `v${IFINDEX}`]]);
    expect(programsAt(600)).toEqual([]);
  });

  test("tries again where it could not attach, ever later, and says so once", async () => {
    runCommand(["tc", "qdisc", "add", "dev", `v${IFINDEX}`, "ingress"]);
    const watching = new Watching(probe, { attach_mode: "clsact" });
    await watching.until(() => watching.interfaces.failed === 1);
    expect(watching.interfaces.lastFailure).toContain("no egress side");
    for (let times = 0; times < 10; times++) {
      watching.skip(60_000);
      await watching.until(() => watching.interfaces.isSettled);
    }
    expect(watching.lines.filter((line) => line.includes("interface not attached"))).toHaveLength(1);
    expect(programsAt(IFINDEX)).toEqual([]);
    runCommand(["tc", "qdisc", "del", "dev", `v${IFINDEX}`, "ingress"]);
    watching.skip(60_000);
    await watching.until(areHooked);
    await watching.settled();
    expect(watching.says("interface attached")).toBe(true);
  });
});
