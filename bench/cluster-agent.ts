// What a large cluster costs the shipped agent: beside one that watches none, with an API server of another process.

import { writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { join } from "node:path";
import { Agent } from "./agent.ts";
import { Companion } from "./command.ts";
import type { Figure, Ground } from "./figure.ts";

const PORT = 6443;
const SYNC_MS = 60_000;
const SETTLE_MS = 10_000;
const CHANGES_MS = 20_000;
/** The capture loop turns that often. */
const TICK_MS = 10;
const SAMPLE_MS = 1;

/** What bench/cluster-server.ts counts. */
interface Asked {
  readonly listedBytes: number;
  readonly lists: number;
  readonly watches: number;
  readonly changes: number;
  readonly firstMs: number;
  readonly syncedMs: number;
}

interface Span {
  readonly cpuShare: number;
  readonly pauseMs: number;
}

/** Memory, CPU, load on the API server and pauses of capture; 100 changes a second from the moment all is listed. */
export async function measureClusterAgent(ground: Ground): Promise<readonly Figure[]> {
  const bare = await measureBare(ground);
  await using _server = await Companion.start(
    process.execPath,
    join(import.meta.dir, "cluster-server.ts"),
    String(PORT),
  );
  const kubeconfig = join(ground.directory, "kubeconfig");
  writeFileSync(kubeconfig, kubeconfigText());
  await using agent = await Agent.start(ground, {
    config: `export.stdout.format = "ndjson"\nkubernetes.kubeconfig_path = "${kubeconfig}"\n`,
  });
  const cpuBefore = agent.cpuSeconds();
  const listing = await watchTurns(agent, async () => await until(isSynced, SYNC_MS));
  const cpuOfSync = agent.cpuSeconds() - cpuBefore;
  const synced = await ask();
  await Bun.sleep(SETTLE_MS);
  const changing = await watchTurns(agent, async () => await Bun.sleep(CHANGES_MS));
  const after = await ask();
  if (after.changes <= synced.changes) throw new Error("The API server told no changes");
  const used = agent.memory();
  const peak = agent.peakMemory();
  await agent.stop();
  return [
    figure("agent: resident above the bare agent", (used.resident - bare.resident) / 1e6, "MB", 80),
    figure("agent: most ever resident, likewise", (peak - bare.peak) / 1e6, "MB"),
    figure(
      "agent: from the first request until all was listed",
      (synced.syncedMs - synced.firstMs) / 1000,
      "s",
      10,
    ),
    figure("agent: CPU until then", cpuOfSync, "s"),
    figure("agent: listed", synced.listedBytes / 1e6, "MB"),
    figure("agent: pages", synced.lists, "requests"),
    figure("agent: watches", synced.watches, "requests"),
    figure("agent: CPU of one core at 100 changes a second, all threads", changing.cpuShare, "%"),
    figure("agent: the bare one's", bare.cpuShare, "%"),
    figure("agent: longest pause of the capture loop while listing", listing.pauseMs, "ms", 20),
    figure("agent: longest pause of the capture loop at 100 changes a second", changing.pauseMs, "ms", 20),
    figure("agent: longest pause of the capture loop of the bare agent", bare.pauseMs, "ms"),
  ];
}

async function measureBare(
  ground: Ground,
): Promise<Span & { readonly resident: number; readonly peak: number }> {
  await using agent = await Agent.start(ground, {
    config: 'export.stdout.format = "ndjson"\nkubernetes.enabled = false\n',
  });
  const idle = await watchTurns(agent, async () => await Bun.sleep(SETTLE_MS));
  const { resident } = agent.memory();
  const peak = agent.peakMemory();
  await agent.stop();
  return { ...idle, resident, peak };
}

/**
 * What passes while `work` is under way: CPU, and the longest time beyond its tick that the capture thread did not wait
 * for the next one, without what other processes took of it. Seen from outside, up to some milliseconds too short.
 */
async function watchTurns(agent: Agent, work: () => Promise<unknown>): Promise<Span> {
  // What looks is never what is late.
  setPriority(-20);
  const began = performance.now();
  const cpu = agent.cpuSeconds();
  let isDone = false;
  const done = work().finally(() => {
    isDone = true;
  });
  let longest = 0;
  let last = agent.captureTurns();
  let turnedAt = began;
  while (!isDone) {
    await Bun.sleep(SAMPLE_MS);
    const [now, turns] = [performance.now(), agent.captureTurns()];
    if (turns.waits === last.waits) {
      longest = Math.max(longest, now - turnedAt - (turns.starvedMs - last.starvedMs));
    } else {
      [last, turnedAt] = [turns, now];
    }
  }
  await done;
  const seconds = (performance.now() - began) / 1000;
  const cpuShare = ((agent.cpuSeconds() - cpu) / seconds) * 100;
  return { cpuShare, pauseMs: Math.max(0, longest - TICK_MS) };
}

async function ask(): Promise<Asked> {
  const response = await fetch(`http://127.0.0.1:${PORT}/asked`);
  return (await response.json()) as Asked;
}

/** All kinds but Gateway, which is not served, have been listed and are watched. */
async function isSynced(): Promise<boolean> {
  return (await ask()).watches >= 13;
}

async function until(isSo: () => Promise<boolean>, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error("The agent does not list the cluster");
    await Bun.sleep(100);
  }
}

function kubeconfigText(): string {
  const name = "bench";
  return JSON.stringify({
    "current-context": name,
    contexts: [{ name, context: { cluster: name, user: name } }],
    clusters: [{ name, cluster: { server: `http://127.0.0.1:${PORT}` } }],
    users: [{ name, user: { token: "bench" } }],
  });
}

function figure(name: string, value: number, unit: Figure["unit"], atMost?: number): Figure {
  return { name, value, unit, ...(atMost === undefined ? {} : { reach: { atMost } }) };
}
