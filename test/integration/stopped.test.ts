// The end of counting: one moment for every hook, whatever arrives and however long the hooks stay.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openProbe, type Probe } from "../../src/capture/probe.ts";
import { Reader } from "../../src/capture/reader.ts";
import { ThreadNamespace } from "../bpf/thread-namespace.ts";
import { compileFlood, countFlooded } from "../support/namespace-flood.ts";
import { runCommand, TestProcess } from "../support/namespace-process.ts";

const HERE = 500;
const THERE = 501;
const SIDES = ["ingress", "egress"] as const;

let namespace: ThreadNamespace;
let probe: Probe;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mermin-stopped-"));
  namespace = new ThreadNamespace();
  namespace.addPairs([HERE, THERE]);
  for (const name of [`v${HERE}`, `v${THERE}`]) runCommand(["ip", "link", "set", name, "up"]);
  probe = openProbe({ tableCapacity: 4096, ringBufferBytes: 1 << 20, isReplay: false });
});

afterEach(() => {
  probe[Symbol.dispose]();
  namespace[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

describe("programs that are stopped", () => {
  test.each(["tcx", "clsact"] as const)("count nothing from then on, attached by %s", async (mode) => {
    for (const side of SIDES) probe.attach(HERE, side, { mode, order: "first", tcPriority: 1 });
    const flood = join(folder, "flood");
    compileFlood(flood);
    await using sender = new TestProcess([flood, `v${THERE}`, "udp", "1000", "1000000", "0"]);
    await sender.until(() => countFlooded(sender) > 10_000);
    const reader = new Reader(probe);
    expect(reader.counters()[0]?.packets).toBeGreaterThan(0);
    probe.stopCounting();
    const counted = reader.counters();
    const sent = countFlooded(sender);
    await sender.until(() => countFlooded(sender) > sent + 10_000);
    reader.beginScan();
    await sender.until(() => countFlooded(sender) > sent + 20_000);
    expect(reader.counters()).toEqual(counted);
  });
});
