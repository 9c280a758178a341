// One agent after another while packets go on: how many of them nobody told, and how long nobody read the tables.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Agent } from "./agent.ts";
import { run } from "./command.ts";
import type { Figure, Ground, Measurement } from "./figure.ts";

const FLOWS = 1000;
const RATE = 20_000;
const SECONDS = 8;
/** Of traffic before the first agent ends. */
const BEFORE_MS = 2500;
/** Between two looks at the scans of the second one. */
const LOOK_MS = 20;
const SCAN_MS = 10_000;
const PINS = "/sys/fs/bpf/mermin";

type End = "SIGTERM" | "SIGKILL";

const RESTARTS = [
  { name: "persist, graceful", persist: true, end: "SIGTERM" },
  { name: "persist, kill -9", persist: true, end: "SIGKILL" },
  { name: "without persist, graceful", persist: false, end: "SIGTERM" },
] as const satisfies readonly Restart[];

interface Restart {
  readonly name: string;
  readonly persist: boolean;
  readonly end: End;
}

/** What the records of both agents say. */
interface Told {
  readonly packets: number;
  /** From the last packet of the first agent's records to the first of the second's; wall clock. */
  readonly gapMs: number;
}

/** Restarts the agent, in the ways there are. */
export async function measureRestart(ground: Ground): Promise<Measurement> {
  const figures: Figure[] = [];
  for (const [round, restart] of RESTARTS.entries()) figures.push(...(await measure(ground, restart, round)));
  return {
    title: "Restart",
    method: `${RATE.toLocaleString("en")} frames of ${FLOWS.toLocaleString("en")} flows a second for ${SECONDS} s; after ${BEFORE_MS / 1000} s the agent is ended, and the next is started once it has exited. Packets by the spans of both, one told again counted once; scans by the time that each leaves in the kernel.`,
    figures,
  };
}

async function measure(ground: Ground, restart: Restart, round: number): Promise<readonly Figure[]> {
  const { name, persist, end } = restart;
  const outputs = ["first", "second"].map((which) => join(ground.directory, `${which}-${round}.ndjson`));
  const [firstOutput = "", secondOutput = ""] = outputs;
  const config = `capture.persist = ${persist}\nexport.stdout.format = "ndjson"\nspan.max_record_interval = "1s"\n`;
  await using first = await Agent.start(ground, { config, outputPath: firstOutput });
  const sending = sendFrames(ground);
  await Bun.sleep(BEFORE_MS);
  const endedMs = await endAgent(first, end);
  const lastScanMs = persist ? await readLastScan() : Number.NaN;
  const startedMs = performance.now();
  await using second = Agent.launch(ground, { config, outputPath: secondOutput });
  const nextScanMs = persist ? await awaitScan(lastScanMs) : Number.NaN;
  const scannedMs = performance.now();
  await sending;
  await second.stop();
  if (persist) await run(Agent.binary, "bpf", "uninstall");
  const { packets, gapMs } = readTold(firstOutput, secondOutput);
  const scans: readonly Figure[] = [
    { name: `${name}: without a scan`, value: nextScanMs - lastScanMs, unit: "ms" },
    { name: `${name}: from the start to the first scan`, value: scannedMs - startedMs, unit: "ms" },
  ];
  const uncounted = RATE * SECONDS - packets;
  return [
    {
      name: `${name}: packets not counted`,
      value: uncounted,
      unit: "packets",
      ...(persist ? { reach: { atMost: 0 } } : {}),
    },
    { name: `${name}: until the first agent has exited`, value: endedMs, unit: "ms" },
    ...(persist ? scans : [{ name: `${name}: nothing was counted`, value: gapMs, unit: "ms" as const }]),
  ];
}

async function sendFrames({ directory, device }: Ground): Promise<void> {
  const load = ["udp", String(FLOWS), String(RATE * SECONDS), String(RATE)];
  await run(join(directory, "traffic"), "send", device, ...load);
}

/** Returns how long it took in ms. */
async function endAgent(agent: Agent, end: End): Promise<number> {
  const started = performance.now();
  await (end === "SIGTERM" ? agent.stop() : agent.kill());
  return performance.now() - started;
}

/** When the last scan began, as the agent has it in the map SCAN: CLOCK_MONOTONIC in ms. */
async function readLastScan(): Promise<number> {
  const name = readdirSync(PINS).find((entry) => entry.startsWith("mermin_scan_"));
  if (name === undefined) throw new Error(`The agent pinned no map mermin_scan in ${PINS}`);
  const key = ["key", "hex", "00", "00", "00", "00"];
  const output = await run("bpftool", "-j", "map", "lookup", "pinned", join(PINS, name), ...key);
  const heartbeat = /"heartbeat_ns":\s*(\d+)/.exec(output)?.[1];
  if (heartbeat === undefined) throw new Error(`bpftool does not say when the last scan was: ${output}`);
  return Number(heartbeat) / 1e6;
}

async function awaitScan(previousMs: number): Promise<number> {
  const deadline = performance.now() + SCAN_MS;
  for (;;) {
    const lastMs = await readLastScan();
    if (lastMs !== previousMs) return lastMs;
    if (performance.now() > deadline) throw new Error("The second agent did not scan");
    await Bun.sleep(LOOK_MS);
  }
}

/** The line that SIGKILL cut off was not told; a span told by both is the second's. */
function readTold(firstOutput: string, secondOutput: string): Told {
  const [first, second] = [firstOutput, secondOutput].map(readSpans);
  if (first === undefined || second === undefined || second.size === 0)
    throw new Error("An agent told nothing");
  const spans = [...new Map([...first, ...second]).values()];
  const endMs = [...first.values()].reduce((latest, span) => Math.max(latest, span.endMs), 0);
  const startMs = [...second.values()].reduce(
    (earliest, span) => Math.min(earliest, span.startMs),
    Number.MAX_VALUE,
  );
  return { packets: spans.reduce((sum, span) => sum + span.packets, 0), gapMs: startMs - endMs };
}

interface Span {
  readonly packets: number;
  readonly startMs: number;
  readonly endMs: number;
}

function readSpans(path: string): ReadonlyMap<string, Span> {
  const text = readFileSync(path, "utf8");
  const lines = text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
  return new Map(lines.filter((line) => line !== "").map(readSpan));
}

function readSpan(line: string): readonly [id: string, span: Span] {
  const field = (pattern: RegExp): string => {
    const found = pattern.exec(line)?.[1];
    if (found === undefined) throw new Error(`Not a span: ${line.slice(0, 120)}`);
    return found;
  };
  const packets = [/"flow\.packets\.delta":(\d+)/, /"flow\.reverse\.packets\.delta":(\d+)/];
  return [
    field(/"spanId":"([0-9a-f]+)"/),
    {
      packets: packets.reduce((sum, pattern) => sum + Number(field(pattern)), 0),
      startMs: Number(field(/"startTimeUnixNano":"(\d+)"/)) / 1e6,
      endMs: Number(field(/"endTimeUnixNano":"(\d+)"/)) / 1e6,
    },
  ];
}
