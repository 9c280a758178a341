// Agents of two builds one after the other, under traffic: of one layout the second goes on with what the first began, of
// two each has maps of its own, and what neither could tell is a loss with a number.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { SCHEMA_VERSION } from "../../src/capture/record.ts";
import { type AgentEnd, holdMounts, startAgent } from "../support/agent.ts";
import {
  countPackets,
  countPassed,
  endAgent,
  fixNeighbours,
  hooksOf,
  inMounts,
  MODES,
  persisting,
  pinsOf,
  problemsOf,
  send,
  sentBy,
  told,
  unique,
} from "../support/agent-handover.ts";
import { countLost } from "../support/agent-losses.ts";
import type { AgentSpan } from "../support/agent-spans.ts";
import { runMermin } from "../support/mermin-command.ts";
import { countFlooded, startFlood } from "../support/namespace-flood.ts";
import { type Host, makePair } from "../support/namespace-pair.ts";
import type { TestProcess } from "../support/namespace-process.ts";
import { demandSuccess } from "../support/namespace-traffic.ts";
import { buildOtherAgent } from "../support/other-agent.ts";

const BUILD_MS = 120_000;
const TEST_MS = 60_000;
const SIGNALS = ["SIGTERM", "SIGKILL"] as const;
const NEWER = SCHEMA_VERSION + 1;
const CASES = MODES.flatMap((mode) => SIGNALS.map((signal) => [signal, mode] as const));

let folder: string;
let otherBuild: string;
let newer: string;

beforeAll(() => {
  folder = mkdtempSync("/dev/shm/mermin-upgrade-");
  otherBuild = buildOtherAgent(join(folder, "build"));
  newer = buildOtherAgent(join(folder, "newer"), NEWER);
}, BUILD_MS);

afterAll(() => rmSync(folder, { recursive: true }));

/** What holds the hooks: links by id, resp. filters by priority and handle, without the programs. */
function holdersOf({ namespace, device }: Host, mounts: TestProcess, mode: (typeof MODES)[number]): string {
  if (mode === "clsact") {
    const sides = ["ingress", "egress"].map((side) =>
      namespace.run("tc", "filter", "show", "dev", device, side),
    );
    return sides.join("").replaceAll(/mermin_(\w+):\[\d+\].*$/gm, "$1");
  }
  const links = pinsOf(mounts).filter((path) => path.includes("/mermin_link_"));
  return links
    .toSorted()
    .map((path) => /^\d+/.exec(inMounts(mounts, "bpftool", "link", "show", "pinned", path))?.[0])
    .join(" ");
}

describe("an agent of another build", () => {
  test.each(CASES)(
    "goes on where one that ended by %s was, attached by %s",
    async (signal, mode) => {
      await using pair = makePair();
      const [left] = pair.hosts;
      const mountsOf = await holdMounts(left.namespace);
      const options = { config: persisting(mode), mountsOf };
      const first = await startAgent(left.namespace, options);
      const sender = send(pair, 2000);
      await sender.until((process) => sentBy(process) >= 700);
      const holders = holdersOf(left, mountsOf, mode);
      const { spans } = await endAgent(first, signal);
      await sender.until((process) => sentBy(process) >= 1000);
      const second = await startAgent(left.namespace, { ...options, binary: otherBuild });
      expect(second.process.errors).toContain("agent started version=0.0.0");
      expect(holdersOf(left, mountsOf, mode)).toBe(holders);
      await sender.ended();
      const end = await endAgent(second, "SIGTERM");
      expect(end.stderr).not.toContain("lost_");
      expect(problemsOf(told([...spans, ...end.spans]), 2000)).toEqual([]);
    },
    TEST_MS,
  );
});

describe("an agent of another layout", () => {
  test.each(CASES.flatMap((one) => [[...one, "newer"] as const, [...one, "older"] as const]))(
    "tells as a loss what was counted since one ended by %s, attached by %s: the %s one",
    async (signal, mode, which) => {
      await using pair = makePair();
      const [left] = pair.hosts;
      fixNeighbours(pair);
      const mountsOf = await holdMounts(left.namespace);
      const options = { config: persisting(mode), mountsOf };
      const binaries = which === "newer" ? [undefined, newer] : [newer, undefined];
      const [one, other] = binaries.map((binary) => ({
        ...options,
        ...(binary === undefined ? {} : { binary }),
      }));
      const before = countPassed(left);
      const first = await startAgent(left.namespace, one);
      const sender = send(pair, 2000);
      await sender.until((process) => sentBy(process) >= 800);
      const firstEnd = await endAgent(first, signal);
      await sender.until((process) => sentBy(process) >= 1200);
      const second = await startAgent(left.namespace, other);
      expect(await hooksOf(left, mountsOf)).toHaveLength(2);
      await sender.ended();
      const end = await endAgent(second, "SIGTERM");
      const lost = end.statistics.get("lost_kernel_schema_upgrade") ?? 0;
      expect(lost).toBeGreaterThanOrEqual(400);
      const excess = countPackets([...firstEnd.spans, ...end.spans]) + lost - (countPassed(left) - before);
      // What was not acknowledged when an agent was killed may be told and lost.
      expect(excess).toBeGreaterThanOrEqual(0);
      expect(excess).toBeLessThanOrEqual(signal === "SIGKILL" ? unacknowledged(firstEnd.spans) : 0);
      const versions = which === "newer" ? SCHEMA_VERSION : NEWER;
      expect(end.stderr.match(/maps of another version are pinned/g)).toHaveLength(1);
      expect(end.stderr).toContain(`versions=${versions} `);
    },
    TEST_MS,
  );

  test("tells every loss since one ended, of packets that found no room, too: once", async () => {
    await using pair = makePair();
    const [left] = pair.hosts;
    const mountsOf = await holdMounts(left.namespace);
    const flow = { ...persisting()["flow"], table_capacity: 1024, ring_buffer_bytes: "256KiB" };
    const options = { config: { ...persisting(), flow }, mountsOf };
    const first = await endAgent(await startAgent(left.namespace, options), "SIGTERM");
    const flood = startFlood(left, { kind: "syn", flows: 6000 });
    await demandSuccess(flood);
    const ends: AgentEnd[] = [first];
    for (const binary of [newer, newer])
      ends.push(await endAgent(await startAgent(left.namespace, { ...options, binary }), "SIGTERM"));
    const lost = ends.map(({ statistics }) => countLost(statistics));
    expect(lost).toEqual([0, countFlooded(flood), 0]);
    expect(ends[1]?.statistics.get("lost_kernel_map_full")).toBeGreaterThan(1000);
    expect(ends[1]?.statistics.get("lost_kernel_schema_upgrade")).toBeGreaterThan(1024);
    expect(countPackets(ends.flatMap(({ spans }) => spans))).toBe(0);
  }, 60_000);

  test("tells as a loss what was counted in maps of another size", async () => {
    await using pair = makePair();
    const [left] = pair.hosts;
    fixNeighbours(pair);
    const mountsOf = await holdMounts(left.namespace);
    const before = countPassed(left);
    const first = await startAgent(left.namespace, { config: persisting(), mountsOf });
    const sender = send(pair, 2000);
    await sendOn(sender, 500);
    const { spans } = await endAgent(first, "SIGTERM");
    await sendOn(sender, 300);
    const flow = { ...persisting()["flow"], table_capacity: 4096 };
    const second = await startAgent(left.namespace, { config: { ...persisting(), flow }, mountsOf });
    await sender.ended();
    const end = await endAgent(second, "SIGTERM");
    const lost = end.statistics.get("lost_kernel_schema_upgrade") ?? 0;
    expect(lost).toBeGreaterThanOrEqual(300);
    expect(countPackets([...spans, ...end.spans]) + lost).toBe(countPassed(left) - before);
  }, 60_000);

  test(
    "leaves the maps for a rollback, which tells what was set off; a restart sets nothing off again",
    async () => {
      await using pair = makePair();
      const [left] = pair.hosts;
      fixNeighbours(pair);
      const mountsOf = await holdMounts(left.namespace);
      const options = { config: persisting(), mountsOf };
      const before = countPassed(left);
      const spans: AgentSpan[] = [];
      const lost: number[] = [];
      let sender: TestProcess | undefined;
      for (const binary of [undefined, newer, newer, undefined]) {
        const build = binary === undefined ? {} : { binary };
        const agent = await startAgent(left.namespace, { ...options, ...build });
        sender ??= send(pair, 6000);
        await sendOn(sender, 400);
        const end = await endAgent(agent, "SIGTERM");
        spans.push(...end.spans);
        lost.push(end.statistics.get("lost_kernel_schema_upgrade") ?? 0);
        await sendOn(sender, 200);
      }
      const last = await startAgent(left.namespace, options);
      await sender?.ended();
      const end = await endAgent(last, "SIGTERM");
      expect(end.stderr).not.toContain("lost_");
      spans.push(...end.spans);
      const [, upgrade = 0, restart, rollback = 0] = lost;
      expect(upgrade).toBeGreaterThan(0);
      expect(restart).toBe(0);
      expect(rollback).toBeGreaterThan(0);
      expect(countPackets(unique(spans)) + rollback).toBe(countPassed(left) - before);
      const { stdout } = await runMermin(left.namespace, mountsOf, "bpf", "list");
      for (const version of [SCHEMA_VERSION, NEWER])
        expect(stdout).toContain(`mermin_counters_v${version}, version`);
    },
    TEST_MS,
  );
});

/** Waits until so many more datagrams have gone out. */
async function sendOn(sender: TestProcess, more: number): Promise<void> {
  const reached = sentBy(sender) + more;
  await sender.until((process) => sentBy(process) >= reached);
}

/** Packets of the last records of each flow, which may not have been acknowledged. */
function unacknowledged(spans: readonly AgentSpan[]): number {
  const last = new Map(spans.map((span) => [span.attributes["flow.community_id"], span]));
  return countPackets([...last.values()]);
}
