// Loads of new flows through the shipped agent, and what became of them.

import { join } from "node:path";
import { Agent } from "./agent.ts";
import { numbers, run } from "./command.ts";
import type { Figure, Ground } from "./figure.ts";
import type { Receiver } from "./receiving.ts";

const SETTLE_MS = 15_000;

export interface Load {
  readonly flows: number;
  /** Flows a second. */
  readonly rate: number;
  /** What the agent has to reach for each flow before the measurement ends. */
  readonly until: "created" | "records";
  /** Where the agent exports to, if it is to get each record before the measurement ends. */
  readonly receiver?: Receiver;
}

/** What a load did. */
export interface LoadResult {
  /** Flows a second that were sent. */
  readonly sentRate: number;
  /** Between the flows sent and those the agent brought to `until`. */
  readonly difference: number;
  /** CPU of the agent and of its capture thread, as a share of one core at the load's rate, in %. */
  readonly cpu: number;
  readonly captureCpu: number;
  readonly losses: ReadonlyMap<string, number>;
  /** Between the records that the agent told from its start to its end and what the receiver got; 0 without one. */
  readonly unreceived: number;
}

/**
 * Starts an agent with `config`, warms it up by a second of other flows, sends the load, each frame a flow of its own,
 * waits until the agent is done with it, and ends it.
 */
export async function sendLoad(ground: Ground, config: string, load: Load): Promise<LoadResult> {
  await using agent = await Agent.start(ground, { config });
  await sendNewFlows(ground, { flows: load.rate, rate: load.rate, kind: "ack" });
  await agent.until((statistics) => statistics[load.until] >= load.rate, SETTLE_MS);
  const done = agent.statistics[load.until];
  const cpu = agent.cpuSeconds();
  const captureCpu = agent.captureSeconds();
  const output = await sendNewFlows(ground, { ...load, kind: "udp" });
  const [sent = 0, took = Number.NaN] = numbers(output, 2);
  // What still differs after this time is the result, not a failure.
  await agent.until((statistics) => statistics[load.until] - done >= sent, SETTLE_MS).catch(() => undefined);
  await load.receiver?.until(agent.statistics.records, SETTLE_MS);
  const due = sent / load.rate / 100;
  const used = {
    cpu: (agent.cpuSeconds() - cpu) / due,
    captureCpu: (agent.captureSeconds() - captureCpu) / due,
  };
  const difference = Math.abs(sent - (agent.statistics[load.until] - done));
  await agent.stop();
  const { losses, records } = agent.statistics;
  const received = (await load.receiver?.received()) ?? records;
  return { ...used, sentRate: sent / took, difference, losses, unreceived: Math.abs(records - received) };
}

/** Sends frames that are each a new flow; those of either kind are no flows of the other. Returns frames and seconds. */
export async function sendNewFlows(
  ground: Ground,
  load: { readonly flows: number; readonly rate: number; readonly kind: "udp" | "ack" },
): Promise<string> {
  const sender = join(ground.directory, "traffic");
  return await run(sender, "send", ground.device, load.kind, "0", String(load.flows), String(load.rate));
}

/** Figures of what was lost, by where and why; one that says 0 where nothing was. */
export function lossFigures(name: string, { difference, losses }: LoadResult): readonly Figure[] {
  const figures: Figure[] = [
    { name: `${name}: flows sent less flows told`, value: difference, unit: "lost", reach: { atMost: 0 } },
  ];
  for (const [where, value] of losses) {
    // What the full ring does not tell the next scan finds: events are lost, flows are not.
    const reach = where.startsWith("ring_") ? {} : { reach: { atMost: 0 } };
    figures.push({ name: `${name}: ${where}`, value, unit: "lost", ...reach });
  }
  return figures;
}
