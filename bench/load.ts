// Loads of new flows through the shipped agent, and the receiver it may export to.

import { join } from "node:path";
import { Agent } from "./agent.ts";
import { Companion, numbers, run } from "./command.ts";
import type { Figure, Ground } from "./figure.ts";

const SETTLE_MS = 15_000;
const RECEIVER_PORT = 4318;

export interface Load {
  readonly flows: number;
  /** Flows a second. */
  readonly rate: number;
  /** What the agent has to reach for each flow before the measurement ends. */
  readonly until: "created" | "records";
}

/** What a load did. */
export interface LoadResult {
  /** Flows a second that were sent. */
  readonly sentRate: number;
  /** Flows sent that the agent did not bring to `until`. */
  readonly missing: number;
  /** CPU of the agent and of its capture thread, as a share of one core at the load's rate, in %. */
  readonly cpu: number;
  readonly captureCpu: number;
  readonly losses: ReadonlyMap<string, number>;
}

/** Starts an agent with `config`, sends the load, each frame a flow of its own, and waits until the agent is done. */
export async function sendLoad(ground: Ground, config: string, load: Load): Promise<LoadResult> {
  await using agent = await Agent.start(ground, { config });
  const cpu = agent.cpuSeconds();
  const captureCpu = agent.captureSeconds();
  const output = await sendNewFlows(ground, load.flows, load.rate);
  const [sent = 0, took = Number.NaN] = numbers(output, 2);
  // What is still missing after this time is the result, not a failure.
  await agent.until((statistics) => statistics[load.until] >= sent, SETTLE_MS).catch(() => undefined);
  const due = sent / load.rate / 100;
  return {
    sentRate: sent / took,
    missing: Math.max(0, sent - agent.statistics[load.until]),
    cpu: (agent.cpuSeconds() - cpu) / due,
    captureCpu: (agent.captureSeconds() - captureCpu) / due,
    losses: agent.statistics.losses,
  };
}

/** Sends frames that are each a new flow. Returns what the sender prints: frames and seconds. */
export async function sendNewFlows(ground: Ground, flows: number, rate: number): Promise<string> {
  const sender = join(ground.directory, "traffic");
  return await run(sender, "send", ground.device, "udp", "0", String(flows), String(rate));
}

/** Figures of what was lost, by where and why; one that says 0 where nothing was. */
export function lossFigures(name: string, { missing, losses }: LoadResult): readonly Figure[] {
  const figures: Figure[] = [
    { name: `${name}: flows that are missing`, value: missing, unit: "lost", reach: { atMost: 0 } },
  ];
  for (const [where, value] of losses)
    figures.push({ name: `${name}: ${where}`, value, unit: "lost", reach: { atMost: 0 } });
  return figures;
}

/** Starts an OTLP receiver of its own process. */
export async function startReceiver(): Promise<AsyncDisposable> {
  return await Companion.start(process.execPath, join(import.meta.dir, "receiver.ts"), String(RECEIVER_PORT));
}

/** Config lines that export to {@link startReceiver}. */
export function otlpConfig(compression: "none" | "gzip"): string {
  return `export.otlp.endpoint = "http://127.0.0.1:${RECEIVER_PORT}"\nexport.otlp.compression = "${compression}"\n`;
}
