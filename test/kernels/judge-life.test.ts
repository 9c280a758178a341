// The judges of lives over results made by hand: right ones pass, and each wrong one is found.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AgentSpan, parseAgentSpans } from "../support/agent-spans.ts";
import { mostInstructions } from "../support/verified-instructions.ts";
import { parseAttachment } from "./attachment.ts";
import { findWarnings } from "./evidence.ts";
import { judgeLife } from "./judge-life.ts";
import { judgeReplaced } from "./judge-replaced.ts";
import { formatRecord, type Said } from "./record-line.ts";
import { demandNoOther, demandWhole } from "./told.ts";

const DATAGRAMS = { transport: "udp", ports: [40_000, 5000] } as const;
const SUM = { forward: { packets: 30, bytes: 3000 }, reverse: { packets: 3, bytes: 300 } };

function record(said: Said): AgentSpan {
  const [span] = parseAgentSpans(formatRecord(said));
  if (span === undefined) throw new Error("no span");
  return span;
}

const WHOLE: readonly Said[] = [
  { id: 1, packets: [10, 10] },
  { id: 2, packets: [10, 20] },
  { id: 3, packets: [10, 30] },
];

describe("demandWhole", () => {
  test("takes a record that was told again for one, with what came since", () => {
    const again = [WHOLE[0], { id: 2, packets: [0, 10] as const }, WHOLE[1], WHOLE[2]];
    demandWhole(again.filter((each) => each !== undefined).map(record), SUM);
  });

  test.each([
    ["a record that is missing", [WHOLE[0], WHOLE[2]], "20 instead of 30 packets"],
    ["a record told twice", [...WHOLE, { id: 4, packets: [10, 30] }], "40 instead of 30 packets"],
    ["totals that begin anew", [WHOLE[0], WHOLE[1], { id: 3, packets: [10, 10] }], "is not the sum so far"],
    ["a second trace", [WHOLE[0], WHOLE[1], { id: 3, trace: 2, packets: [10, 30] }], "2 traces"],
    ["nothing told", [], "0 traces"],
  ] as const)("finds %s", (_, said, complaint) => {
    const spans = said.filter((each) => each !== undefined).map(record);
    expect(() => demandWhole(spans, SUM)).toThrow(complaint);
  });
});

test("demandNoOther finds a conversation that nobody had", () => {
  const spans = WHOLE.map(record);
  expect(() => demandNoOther(spans, [DATAGRAMS])).not.toThrow();
  expect(() => demandNoOther(spans, [{ ...DATAGRAMS, ports: [5000, 40_000] }])).toThrow("udp 10.0.0.1 40000");
});

const FILTERS = (id: number, handle: string): string => `program ${id} mermin_ingress 20000
program ${id + 1} mermin_egress 20000
program ${id + 2} flows_remove 120
qdisc veth0 qdisc clsact ffff: parent ffff:fff1
filter veth0 ingress filter protocol all pref 1 bpf chain 0
filter veth0 ingress filter protocol all pref 1 bpf chain 0 handle ${handle} mermin_ingress:[${id}] direct-action not_in_hw id ${id} name mermin_ingress tag f6244f1c703670c6 jited
filter veth0 ingress filter protocol all pref 100 matchall chain 0`;
const LINKS = `link 4 3 46 6
link 1 3 46 2
program 2 foreign 2
program 6 mermin_ingress 20000
order veth0 ingress 6 2`;

describe("parseAttachment", () => {
  test("tells our filters by their programs, and the rest as somebody else's", () => {
    const { ours, modes, others, takers, instructions, priorities } = parseAttachment(
      FILTERS(5, "0x6d726d6e"),
    );
    expect([...ours]).toEqual([["filter 0x6d726d6e of priority 1 at ingress of veth0", 5]]);
    expect([...modes]).toEqual(["clsact"]);
    expect([...priorities]).toEqual([1]);
    expect([...instructions.keys()]).toEqual(["ingress", "egress"]);
    expect(takers).toEqual([7]);
    expect(others).toEqual([
      "qdisc veth0 qdisc clsact ffff: parent ffff:fff1",
      "filter veth0 ingress filter protocol all pref 100 matchall chain 0",
    ]);
  });

  test("tells our links by their programs, and the rest as somebody else's", () => {
    const { ours, modes, others, order } = parseAttachment(LINKS);
    expect([...ours]).toEqual([["link 4 at 3, 46", 6]]);
    expect([...modes]).toEqual(["tcx"]);
    expect(order).toEqual([6, 2]);
    expect(others).toEqual(["link 1 3 46 2", "program 2 foreign 2", "order veth0 ingress 2"]);
  });
});

describe("a life's folder", () => {
  let folder = "";
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "judge-life-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function complaintOf(check: string): string | undefined {
    const checks = judgeReplaced({ folder, line: "6.1", mode: "clsact" });
    const found = checks.find(({ name }) => name.startsWith(check));
    if (found === undefined) throw new Error(`no check ${check}`);
    return found.complaint;
  }

  test("shows a filter that is another one than before, and one that kept its program", () => {
    const replaced = "gives the same places other programs";
    write("first.attached", FILTERS(5, "0x6d726d6e"));
    write("second.attached", FILTERS(7, "0x6d726d6e"));
    write("third.attached", FILTERS(9, "0x6d726d6e"));
    expect(complaintOf(replaced)).toBeUndefined();
    write("third.attached", FILTERS(9, "0x6d726d6f"));
    expect(complaintOf(replaced)).toContain("instead of filter 0x6d726d6e of priority 1");
    write("third.attached", FILTERS(7, "0x6d726d6e"));
    expect(complaintOf(replaced)).toContain("still has program 7");
  });

  test("shows a program that gives the verifier too much work", () => {
    write("first.attached", FILTERS(5, "0x6d726d6e"));
    expect(complaintOf("verifies mermin_ingress in 20000")).toBeUndefined();
    const many = mostInstructions("6.1", "ingress") + 1;
    write("first.attached", `program 5 mermin_ingress ${many}\n`);
    expect(complaintOf(`verifies mermin_ingress in ${many}`)).toBe("too many, or not known");
    expect(complaintOf("verifies mermin_egress in undefined")).toBe("too many, or not known");
  });

  test("shows a program that takes flows out and stays when its agent has gone", () => {
    const taking = "gives each agent one program that takes flows out";
    for (const [index, agent] of ["first", "second", "third", "fourth"].entries()) {
      write(`${agent}.attached`, FILTERS(5 + index * 10, "0x6d726d6e"));
      if (agent !== "fourth") write(`${agent}.after.attached`, "");
    }
    write("after.attached", "");
    expect(complaintOf(taking)).toBeUndefined();
    write("first.after.attached", FILTERS(5, "0x6d726d6e"));
    expect(complaintOf(taking)).toBe("first.after: 7 instead of ");
    write("first.after.attached", "");
    write("fourth.attached", FILTERS(5, "0x6d726d6e"));
    expect(complaintOf(taking)).toBe("programs: 3 instead of 4");
  });

  test("shows the step that failed, and what was left", () => {
    write("life.rc", "1\n");
    write("life.log", "+ start first plain\n+ return 1\n");
    write("traces.before", "programs 0\npins 0\n");
    write("traces.after", "programs 2\npins 0\n");
    const life = { name: "tried", configs: {}, judge: () => [] };
    expect(judgeLife(life, { folder, line: "6.1", mode: "clsact" })).toEqual([
      {
        name: "tried: comes to its end",
        complaint: "a step failed with 1: + start first plain | + return 1",
      },
      { name: "tried: leaves nothing behind", complaint: "now programs 2, before programs 0" },
    ]);
  });

  test("shows lines of a log that were not to be expected", () => {
    write("first.log", "2026-01-01T00:00:00.000Z INFO  fine\n2026-01-01T00:00:00.000Z WARN  bad luck\n");
    expect(findWarnings(folder, ["first"])).toEqual(["2026-01-01T00:00:00.000Z WARN  bad luck"]);
    expect(findWarnings(folder, ["first"], "bad luck")).toEqual([]);
    expect(findWarnings(folder, ["first", "first"], "bad luck")).toHaveLength(1);
  });
});
