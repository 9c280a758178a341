// judgeScenario over results made by hand: right ones pass, and each wrong one is found.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { judgeScenario } from "./judge.ts";
import { between, type Scenario } from "./scenario.ts";

const SCENARIO: Scenario = {
  name: "tried",
  hooked: ["veth0"],
  unhooked: ["slave0"],
  setup: "",
  exchanges: [between("pair", ["10.0.0.1", "10.0.0.2"], { vlanId: 5 })],
};

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "judge-"));
  for (const name of ["setup", "agent", "0-udp", "0-tcp", "0-icmp"]) write(`${name}.rc`, "0\n");
  for (const name of ["setup", "agent", "0-udp", "0-tcp", "0-icmp"]) write(`${name}.log`, "");
  for (const name of ["traces.before", "traces.after"]) write(name, "programs 0\n");
  write("hooks", "lo 0 0 0 0\nslave0 0 0 0 0\nveth0 1 1 0 0\n");
  writeCounters("0-udp", "Udp", "OutDatagrams", [20, 10]);
  writeCounters("0-tcp", "Tcp", "OutSegs RetransSegs", ["12 0", "9 0"]);
  writeCounters("0-icmp", "Icmp", "OutEchos OutEchoReps", ["7 0", "0 7"]);
  writeSpans([udpSpan(), tcpSpan(), icmpSpan()]);
});

afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): void {
  writeFileSync(join(folder, name), text);
}

function writeCounters(id: string, group: string, names: string, ends: readonly (string | number)[]): void {
  for (const [index, end] of ["client", "server"].entries()) {
    const zeros = names.replaceAll(/\S+/g, "0");
    write(`${id}.${end}.before`, `${group}: ${names}\n${group}: ${zeros}\n`);
    write(`${id}.${end}.after`, `${group}: ${names}\n${group}: ${ends[index]}\n`);
  }
}

type Attributes = Record<string, string | number>;

function span(transport: string, ports: readonly number[], amounts: readonly number[]): Attributes {
  const attributes: Attributes = {
    "source.address": "10.0.0.1",
    "source.port": ports[0] ?? 0,
    "destination.address": "10.0.0.2",
    "destination.port": ports[1] ?? 0,
    "network.transport": transport,
    "network.interface.name": "veth0",
    "network.vlan.id": 5,
    "flow.end_reason": transport === "tcp" ? "end_of_flow_detected" : "forced_end",
  };
  for (const [index, name] of ["packets", "bytes", "reverse.packets", "reverse.bytes"].entries()) {
    attributes[`flow.${name}.delta`] = amounts[index] ?? 0;
    attributes[`flow.${name}.total`] = amounts[index] ?? 0;
  }
  return attributes;
}

const udpSpan = (): Attributes => span("udp", [40_000, 5000], [20, 20 * 328, 10, 10 * 105]);
const tcpSpan = (): Attributes =>
  span("tcp", [40_000, 5000], [12, 60 + 11 * 52 + 100_000, 9, 60 + 8 * 52 + 20_000]);
const icmpSpan = (): Attributes => span("icmp", [0, 0], [7, 7 * 84, 7, 7 * 84]);

function writeSpans(spans: readonly Attributes[]): void {
  write("spans.ndjson", spans.map((attributes) => JSON.stringify({ name: "flow", attributes })).join("\n"));
}

function complaints(): string[] {
  const checks = judgeScenario({ scenario: SCENARIO, index: 0, folder, mode: "tcx" });
  expect(checks.length).toBe(10);
  return checks.flatMap(({ name, complaint }) => (complaint === undefined ? [] : [`${name}: ${complaint}`]));
}

test("judgeScenario has no complaint about a flow told to the packet", () => {
  expect(complaints()).toEqual([]);
});

test("judgeScenario finds one packet told too many", () => {
  writeSpans([{ ...udpSpan(), "flow.packets.delta": 21, "flow.packets.total": 21 }, tcpSpan(), icmpSpan()]);
  expect(complaints()).toEqual([
    "tried: counts pair udp exactly: flow.packets.delta adds up to 21 instead of 20",
  ]);
});

test("judgeScenario finds deltas that do not add up to the total", () => {
  writeSpans([udpSpan(), tcpSpan(), { ...icmpSpan(), "flow.bytes.total": 1 }]);
  expect(complaints()).toEqual([
    "tried: counts pair icmp exactly: the last flow.bytes.total is 1, the deltas give 588",
  ]);
});

test("judgeScenario finds a flow turned round, as one missing and one strange", () => {
  const turned = { "source.address": "10.0.0.2", "destination.address": "10.0.0.1" };
  writeSpans([udpSpan(), tcpSpan(), { ...icmpSpan(), ...turned }]);
  expect(complaints()).toEqual([
    "tried: counts pair icmp exactly: no span of icmp 10.0.0.1 0 > 10.0.0.2 0",
    "tried: tells no other flow: icmp 10.0.0.2 0 > 10.0.0.1 0",
  ]);
});

test("judgeScenario finds a wrong VLAN, a wrong device and a wrong end reason", () => {
  const wrong = {
    "network.vlan.id": 6,
    "network.interface.name": "slave0",
    "flow.end_reason": "idle_timeout",
  };
  writeSpans([udpSpan(), { ...tcpSpan(), ...wrong }, icmpSpan()]);
  expect(complaints()).toEqual([
    'tried: counts pair tcp exactly: seen at "slave0", VLAN 6 instead of 5',
    expect.stringContaining("idle_timeout instead of end_of_flow_detected"),
  ]);
});

test("judgeScenario finds a program left behind and a hook where none belongs", () => {
  write("traces.after", "programs 2\n");
  write("hooks", "slave0 1 1 0 0\nveth0 1 1 0 0\n");
  expect(complaints()).toEqual([
    'tried: attaches by tcx where it should: TCX programs and filters, in and out: slave0 "1 1 0 0" instead of "0 0 0 0"',
    "tried: leaves nothing behind: now: programs 2 | before: programs 0",
  ]);
});

test("judgeScenario trusts no exchange that the namespaces did not see as planned", () => {
  writeCounters("0-udp", "Udp", "OutDatagrams", [19, 10]);
  expect(complaints()).toEqual([
    "tried: counts pair udp exactly: the namespace counts 19 datagrams sent by the client, 20 were planned",
  ]);
});

test("judgeScenario finds an agent that told nothing, and one that did not end well", () => {
  writeSpans([]);
  write("agent.rc", "137\n");
  write("agent.log", "cannot load\n");
  const found = complaints();
  expect(found).toHaveLength(7);
  expect(found).toContain("tried: warns of nothing: cannot load");
  expect(found).toContain("tried: tells no other flow: no flow was told");
  expect(found).toContain("tried: ends with 0 on SIGTERM: exit code 137: cannot load");
});
