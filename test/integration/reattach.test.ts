// Hooks that went without the agent's doing are put back.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Interfaces } from "../../src/capture/interfaces.ts";
import { openProbe, type Probe } from "../../src/capture/probe.ts";
import { createLogger } from "../../src/lib/log.ts";
import { ThreadNamespace } from "../bpf/thread-namespace.ts";
import { runCommand } from "../support/namespace-process.ts";

const IFINDEX = 500;
const SIDES = ["ingress", "egress"] as const;
const MODES = ["tcx", "clsact"] as const;

let namespace: ThreadNamespace;
let probe: Probe;
let lines: string[];

beforeEach(() => {
  namespace = new ThreadNamespace();
  makePair();
  probe = openProbe({ tableCapacity: 1024, ringBufferBytes: 4096, isReplay: false });
  lines = [];
});

afterEach(() => {
  probe[Symbol.dispose]();
  namespace[Symbol.dispose]();
});

function makePair(): void {
  namespace.addPairs([IFINDEX, IFINDEX + 1]);
  runCommand(["ip", "link", "set", `v${IFINDEX}`, "up"]);
}

function watch(mode: (typeof MODES)[number]): Interfaces {
  const config = {
    interfaces: [],
    exclude: [],
    attach_mode: mode,
    tcx_order: "first",
    tc_priority: 1,
  } as const;
  const write = (line: string): void => void lines.push(line);
  const interfaces = new Interfaces(probe, config, createLogger({ level: "info", format: "text", write }));
  interfaces.refresh();
  expect(areHooked()).toBe(true);
  return interfaces;
}

function areHooked(): boolean {
  return SIDES.every((side) => probe.programsAt(IFINDEX, side).includes(probe.programId(side)));
}

async function refreshWhenDue(interfaces: Interfaces): Promise<void> {
  const deadline = performance.now() + 5000;
  for (let isDue = true; isDue && performance.now() < deadline; isDue = !areHooked()) {
    interfaces.refresh();
    await Bun.sleep(1);
  }
}

describe("Interfaces", () => {
  test.each(MODES)("attaches by %s to an interface made anew under the same index and name", async (mode) => {
    const interfaces = watch(mode);
    runCommand(["ip", "link", "del", `v${IFINDEX}`]);
    makePair();
    expect(areHooked()).toBe(false);
    await refreshWhenDue(interfaces);
    expect(areHooked()).toBe(true);
    expect(interfaces.stats()).toMatchObject([{ ifindex: IFINDEX, mode }]);
    await interfaces.detachAll();
    expect(SIDES.flatMap((side) => probe.programsAt(IFINDEX, side))).toEqual([]);
  });

  test("puts back a filter whose qdisc somebody removed", async () => {
    const interfaces = watch("clsact");
    runCommand(["tc", "qdisc", "del", "dev", `v${IFINDEX}`, "clsact"]);
    expect(areHooked()).toBe(false);
    await refreshWhenDue(interfaces);
    expect(areHooked()).toBe(true);
    expect(lines.join("")).toContain("interface lost its hooks");
  });

  test("attaches to many interfaces in several refreshes, each due at once, and lets go of all", async () => {
    const pairs = Array.from({ length: 16 }, (_, index) => [600 + index * 2, 601 + index * 2] as const);
    namespace.addPairs(...pairs);
    for (const [ifindex] of pairs) runCommand(["ip", "link", "set", `v${ifindex}`, "up"]);
    const interfaces = watch("tcx");
    for (let refreshes = 1; interfaces.isUnfinished && refreshes < 100; refreshes++) {
      expect(interfaces.isRefreshDue()).toBe(true);
      expect(interfaces.refresh()).toBe(true);
    }
    const attached = lines.filter((line) => line.includes("interface attached"));
    expect(attached).toHaveLength(pairs.length + 1);
    expect(interfaces).toMatchObject({ count: pairs.length + 1, failed: 0, isUnfinished: false });
    await interfaces.detachAll();
    const hooks = pairs.flatMap(([ifindex]) => SIDES.flatMap((side) => probe.programsAt(ifindex, side)));
    expect(hooks).toEqual([]);
  });

  test("says nothing of hooks that are there", async () => {
    const interfaces = watch("tcx");
    await Bun.sleep(10);
    expect(interfaces.refresh()).toBe(false);
    expect(lines.join("")).not.toContain("lost");
  });
});
