// The judges of the lives "upgraded" and "retold" over results made by hand: right ones pass, and each wrong one is found.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Check } from "./evidence.ts";
import { judgeRetold } from "./judge-retold.ts";
import { judgeUpgraded } from "./judge-upgraded.ts";
import type { LifeEvidence } from "./life.ts";
import { formatRecord, type Said } from "./record-line.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "judge-handover-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): void {
  writeFileSync(join(folder, name), text);
}

function writeTold(agent: string, said: readonly Said[], bytes?: number): void {
  write(`${agent}.ndjson`, said.map((each) => `${formatRecord(each, bytes)}\n`).join(""));
}

function writeSent(end: "client" | "server", when: string, datagrams: number): void {
  write(`life.${end}.${when}`, `Udp: OutDatagrams\nUdp: ${datagrams}\n`);
}

function complaintOf(judge: (evidence: LifeEvidence) => readonly Check[], name: string): string | undefined {
  const found = judge({ folder, line: "6.1", mode: "clsact" }).find((each) => each.name.startsWith(name));
  if (found === undefined) throw new Error(`no check ${name}`);
  return found.complaint;
}

describe("judgeUpgraded", () => {
  const LOSS = "tells as a loss what was counted";
  const ROLLBACK = "tells it as flows when the layout comes back";

  function writeLog(agent: string, version: number, lost: number): void {
    const lines = [
      `WARN  maps of another version are pinned, not used versions=${version}`,
      `WARN  packets counted for an agent of another version cannot be told packets=${lost}`,
      `INFO  flow statistics active=1 lost_kernel_schema_upgrade=${lost}`,
    ];
    write(`${agent}.log`, lines.map((line) => `2026-01-01T00:00:00.000Z ${line}\n`).join(""));
  }

  /** The first tells 110, the second 55 and misses 55, the third 110 in the first's trace and misses 44. */
  beforeEach(() => {
    writeTold("first", [{ id: 1, packets: [100, 100] }]);
    writeTold("second", [{ id: 2, trace: 2, packets: [50, 50] }]);
    writeTold("third", [{ id: 3, packets: [100, 200] }]);
    write("first.log", "");
    writeLog("second", 6, 55);
    writeLog("third", 7, 44);
    for (const [when, sent] of [
      ["before", [0, 0]],
      ["second", [200, 20]],
      ["after", [289, 30]],
    ] as const) {
      writeSent("client", when, sent[0]);
      writeSent("server", when, sent[1]);
    }
  });

  test("has no complaint where what was told and lost is what passed", () => {
    for (const check of [LOSS, ROLLBACK, "says once"])
      expect(complaintOf(judgeUpgraded, check)).toBeUndefined();
  });

  test("finds packets that are in no record and no loss", () => {
    writeSent("client", "second", 201);
    expect(complaintOf(judgeUpgraded, LOSS)).toBe("-1 packets more than passed, 0 to 110 may be");
    writeSent("client", "after", 290);
    expect(complaintOf(judgeUpgraded, ROLLBACK)).toBe("319 packets told or lost, 320 passed");
  });

  test("takes what a killed agent told last for lost, too, but no more than that", () => {
    writeLog("second", 6, 165);
    expect(complaintOf(judgeUpgraded, LOSS)).toBeUndefined();
    writeLog("second", 6, 166);
    expect(complaintOf(judgeUpgraded, LOSS)).toBe("111 packets more than passed, 0 to 110 may be");
  });

  test("finds a layout that comes back and begins anew", () => {
    writeTold("third", [{ id: 3, trace: 3, packets: [100, 100] }]);
    expect(complaintOf(judgeUpgraded, ROLLBACK)).toBe("2 traces of the first layout");
  });

  test("finds a warning with another number than the loss", () => {
    writeLog("third", 7, 44);
    write("third.log", "2026-01-01T00:00:00.000Z INFO  flow statistics lost_kernel_schema_upgrade=44\n");
    expect(complaintOf(judgeUpgraded, "says once")).toStartWith("third: ");
  });
});

describe("judgeRetold", () => {
  const ALL = "tells every packet";
  const AGAIN = "tells again";
  const flows = (ids: number, delta: number): Said[] =>
    Array.from({ length: 200 }, (_, i) => ({ id: ids + i, port: 40_000 + i, packets: [delta, delta] }));

  /** The second tells all lives of each flow: what the first had written of them, again. */
  beforeEach(() => {
    writeSent("client", "before", 0);
    writeSent("client", "after", 600);
    writeSent("server", "before", 0);
    writeSent("server", "after", 0);
    writeTold("first", flows(1000, 1).slice(0, 50), 328);
    writeTold("second", [...flows(1000, 1), ...flows(2000, 2)], 328);
  });

  test("has no complaint where each packet is in one span", () => {
    for (const check of [ALL, AGAIN]) expect(complaintOf(judgeRetold, check)).toBeUndefined();
  });

  test("finds what was told under another span id", () => {
    writeTold("second", [...flows(3000, 1), ...flows(2000, 2)], 328);
    expect(complaintOf(judgeRetold, ALL)).toStartWith("4 packets, 1312 bytes of port 40000, ");
    expect(complaintOf(judgeRetold, AGAIN)).toBe("no record is told again");
  });

  test("finds what nobody told", () => {
    writeTold("second", [...flows(1000, 1).slice(0, 199), ...flows(2000, 2)], 328);
    expect(complaintOf(judgeRetold, ALL)).toBe("2 packets, 656 bytes of port 40199");
  });
});
