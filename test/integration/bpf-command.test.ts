// What agents have in the kernel is told, and what killed ones left is taken away, and nothing else.

import { describe, expect, test } from "bun:test";
import { SCHEMA_VERSION } from "../../src/capture/record.ts";
import { type Agent, holdMounts, startAgent } from "../support/agent.ts";
import { runMermin } from "../support/mermin-command.ts";
import { attachForeign } from "../support/namespace-foreign.ts";
import { type Host, makePair } from "../support/namespace-pair.ts";
import { runCommand, type TestProcess } from "../support/namespace-process.ts";

const CLSACT = { config: { capture: { attach_mode: "clsact" } } };
const SIDES = ["ingress", "egress"] as const;

/** Qdisc and filters of a host's device, as tc shows them. */
function show({ namespace, device }: Host): string {
  const filters = SIDES.map((side) => namespace.run("tc", "filter", "show", "dev", device, side));
  return [namespace.run("tc", "qdisc", "show", "dev", device), ...filters].join("");
}

/** A killed agent runs no handler: what is no descriptor of it stays. */
async function kill(agent: Agent): Promise<void> {
  agent.process.signal("SIGKILL");
  await agent.process.ended();
}

function inMounts(mounts: TestProcess, ...words: string[]): string {
  return runCommand(["nsenter", `--mount=/proc/${mounts.pid}/ns/mnt`, ...words]);
}

describe("mermin bpf list", () => {
  test.each(["tcx", "clsact"] as const)("tells what a running agent has, attached by %s", async (mode) => {
    await using pair = makePair();
    const [{ namespace, device }] = pair.hosts;
    const mountsOf = await holdMounts(namespace);
    const agent = await startAgent(namespace, { config: { capture: { attach_mode: mode } }, mountsOf });
    const { exitCode, stdout, stderr } = await runMermin(namespace, mountsOf, "bpf", "list");
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    const lines = stdout.split("\n").filter((line) => line.includes(`process ${agent.process.pid} `));
    for (const side of SIDES) {
      expect(lines.filter((line) => line.includes(` mermin_${side}, `))).toHaveLength(1);
      expect(lines.filter((line) => line.includes(` at ${side} of ${device}, `))).toHaveLength(1);
    }
    expect(stdout).toMatch(/^map \d+ FLOW_STATS$/m);
    expect((await agent.stopped("SIGTERM")).exitCode).toBe(0);
  });

  test("tells what a killed agent left: filters, not links", async () => {
    await using pair = makePair();
    const [left] = pair.hosts;
    const mountsOf = await holdMounts(left.namespace);
    for (const attach_mode of ["tcx", "clsact"]) {
      await kill(await startAgent(left.namespace, { config: { capture: { attach_mode } }, mountsOf }));
      const { stdout } = await runMermin(left.namespace, mountsOf, "bpf", "list");
      const lines = stdout.split("\n").filter((line) => line.includes(` of ${left.device}, `));
      expect(lines).toHaveLength(attach_mode === "tcx" ? 0 : 2);
      for (const line of lines) {
        expect(line).toMatch(/^filter of priority 1 .*, on a qdisc of Mermin, held by no process$/);
      }
    }
  });
});

describe("what a killed agent left", () => {
  test("is replaced in place by the next one, which takes the qdisc away at its end", async () => {
    await using pair = makePair();
    const [left] = pair.hosts;
    const before = show(left);
    await kill(await startAgent(left.namespace, CLSACT));
    expect(show(left)).toContain("mermin_ingress:[");
    const next = await startAgent(left.namespace, CLSACT);
    expect(show(left).match(/mermin_ingress:\[/g)).toHaveLength(1);
    expect((await next.stopped("SIGTERM")).exitCode).toBe(0);
    expect(show(left)).toBe(before);
  });

  test("is removed by an agent of another priority, or that attaches by TCX, with its qdisc", async () => {
    await using pair = makePair();
    const [left] = pair.hosts;
    const before = show(left);
    await kill(await startAgent(left.namespace, CLSACT));
    const other = { config: { capture: { attach_mode: "clsact", tc_priority: 7 } } };
    await kill(await startAgent(left.namespace, other));
    expect(show(left).match(/mermin_ingress:\[/g)).toHaveLength(1);
    expect(show(left)).toContain("pref 7");
    const last = await startAgent(left.namespace, { config: { capture: { attach_mode: "tcx" } } });
    expect(show(left)).toBe(before);
    expect((await last.stopped("SIGTERM")).exitCode).toBe(0);
  });

  test("is removed without the qdisc and the filter of somebody else", async () => {
    await using pair = makePair();
    const [left] = pair.hosts;
    await attachForeign(left, { kind: "clsact", priority: 10 }, "next");
    const placed = show(left);
    await kill(await startAgent(left.namespace, CLSACT));
    expect(show(left)).not.toBe(placed);
    const next = await startAgent(left.namespace, { config: { capture: { attach_mode: "tcx" } } });
    expect(show(left)).toBe(placed);
    await next.stopped("SIGTERM");
  });

  test("leaves an empty qdisc that somebody else made", async () => {
    await using pair = makePair();
    const [left] = pair.hosts;
    left.namespace.run("tc", "qdisc", "add", "dev", left.device, "clsact");
    const placed = show(left);
    await kill(await startAgent(left.namespace, CLSACT));
    const next = await startAgent(left.namespace, { config: { capture: { attach_mode: "tcx" } } });
    expect(show(left)).toBe(placed);
    await next.stopped("SIGTERM");
  });
});

describe("mermin bpf uninstall", () => {
  test("removes what a killed agent left, and nothing of somebody else", async () => {
    await using pair = makePair();
    const [left] = pair.hosts;
    const mountsOf = await holdMounts(left.namespace);
    await kill(await startAgent(left.namespace, { ...CLSACT, mountsOf }));
    await attachForeign(left, { kind: "clsact", priority: 10 }, "next");
    const { exitCode, stdout, stderr } = await runMermin(left.namespace, mountsOf, "bpf", "uninstall");
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout.match(/^removed filter of priority 1 at /gm)).toHaveLength(2);
    expect(show(left)).not.toContain("mermin_ingress:[");
    expect(show(left)).toContain("foreign");
    left.namespace.run("tc", "filter", "del", "dev", left.device, "ingress", "prio", "10");
    const again = await runMermin(left.namespace, mountsOf, "bpf", "uninstall");
    expect(again).toMatchObject({ exitCode: 0, stderr: "" });
    // The qdisc was no longer only ours.
    expect(show(left)).toContain("qdisc clsact");
    expect(inMounts(mountsOf, "ls", "/sys/fs/bpf")).not.toContain("mermin");
  });

  test("removes what persists, and leaves what persists in another BPF file system", async () => {
    await using pair = makePair();
    const [left, right] = pair.hosts;
    const persist = { config: { capture: { persist: true, attach_mode: "tcx" } } };
    const mountsOf = await holdMounts(left.namespace);
    const elsewhere = await holdMounts(right.namespace);
    await kill(await startAgent(left.namespace, { ...persist, mountsOf }));
    await kill(await startAgent(right.namespace, { ...persist, mountsOf: elsewhere }));
    const { stdout, stderr } = await runMermin(left.namespace, mountsOf, "bpf", "uninstall");
    expect(stderr).toBe("");
    expect(stdout.match(new RegExp(`^removed link .* of ${left.device}, `, "gm"))).toHaveLength(2);
    expect(inMounts(mountsOf, "ls", "/sys/fs/bpf")).not.toContain("mermin");
    const rest = (await runMermin(right.namespace, elsewhere, "bpf", "list")).stdout.split("\n");
    expect(rest.filter((line) => line.includes(` of ${right.device}, `))).toHaveLength(2);
  });

  test("removes the qdisc too, where nothing else hangs on it", async () => {
    await using pair = makePair();
    const [left] = pair.hosts;
    const mountsOf = await holdMounts(left.namespace);
    const before = show(left);
    await kill(await startAgent(left.namespace, { ...CLSACT, mountsOf }));
    expect((await runMermin(left.namespace, mountsOf, "bpf", "uninstall")).exitCode).toBe(0);
    expect(show(left)).toBe(before);
  });

  test("refuses while an agent runs, and names it", async () => {
    await using pair = makePair();
    const [left] = pair.hosts;
    const mountsOf = await holdMounts(left.namespace);
    const agent = await startAgent(left.namespace, { ...CLSACT, mountsOf });
    const placed = show(left);
    const { exitCode, stdout, stderr } = await runMermin(left.namespace, mountsOf, "bpf", "uninstall");
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(
      new RegExp(`^mermin: Another Mermin agent runs .*process ${agent.process.pid}, .*; stop it first\n$`),
    );
    expect(show(left)).toBe(placed);
    expect((await agent.stopped("SIGTERM")).exitCode).toBe(0);
  });

  test("leaves what an agent of another mount namespace holds, and says so", async () => {
    await using pair = makePair();
    const [left] = pair.hosts;
    const mounts = await holdMounts(left.namespace);
    const agent = await startAgent(left.namespace, CLSACT);
    const placed = show(left);
    const { exitCode, stdout } = await runMermin(left.namespace, mounts, "bpf", "uninstall");
    expect(exitCode).toBe(1);
    expect(stdout).toContain(`left filter of priority 1 at ingress of ${left.device}`);
    expect(show(left)).toBe(placed);
    await agent.stopped("SIGTERM");
  });

  test("is asked for by a word that it knows", async () => {
    await using pair = makePair();
    const [left] = pair.hosts;
    const mounts = await holdMounts(left.namespace);
    const { exitCode, stderr } = await runMermin(left.namespace, mounts, "bpf", "unistall");
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^mermin: .*did you mean "uninstall"\?\n$/);
  });
});

describe("mermin bpf prune", () => {
  test("removes pins of older versions, and lists the rest", async () => {
    await using pair = makePair();
    const [{ namespace }] = pair.hosts;
    const mounts = await holdMounts(namespace);
    const pins = [`a_v${SCHEMA_VERSION - 1}`, `b_v${SCHEMA_VERSION}`, `c_v${SCHEMA_VERSION + 1}`, "counters"];
    inMounts(mounts, "mkdir", "/sys/fs/bpf/mermin");
    for (const pin of pins) {
      const shape = ["type", "array", "key", "4", "value", "4", "entries", "1", "name", "mermin_test"];
      inMounts(mounts, "bpftool", "map", "create", `/sys/fs/bpf/mermin/${pin}`, ...shape);
    }
    const pruned = await runMermin(namespace, mounts, "bpf", "prune");
    expect(pruned).toMatchObject({ exitCode: 0, stderr: "" });
    expect(pruned.stdout).toBe(`removed pin /sys/fs/bpf/mermin/${pins[0]}\n`);
    const { stdout } = await runMermin(namespace, mounts, "bpf", "list");
    expect(stdout.match(/^pin .*$/gm)).toHaveLength(3);
    expect((await runMermin(namespace, mounts, "bpf", "prune")).stdout).toBe("no pin of an older version\n");
    expect((await runMermin(namespace, mounts, "bpf", "uninstall")).exitCode).toBe(0);
    expect(inMounts(mounts, "ls", "/sys/fs/bpf")).not.toContain("mermin");
  });
});
