// New flows a second through the shipped agent, and spans a second out of it: its CPU, and whether any was lost.

import { join } from "node:path";
import { Agent } from "./agent.ts";
import { Companion, numbers, run } from "./command.ts";
import type { Figure, Ground, Measurement } from "./figure.ts";

const SECONDS = 4;
const SETTLE_MS = 15_000;

const LOADS = [
  { rate: 100_000, mostCpu: 20 },
  { rate: 400_000, mostCpu: undefined },
] as const;

/** Each frame a flow of its own; none ends while it is measured. */
export async function measureNewFlows(ground: Ground): Promise<Measurement> {
  const figures: Figure[] = [];
  for (const { rate, mostCpu } of LOADS) {
    const flows = rate * SECONDS;
    const config = `export.stdout.format = "ndjson"\nspan.udp_timeout = "10m"\nflow.ring_buffer_bytes = "16MiB"\nflow.table_capacity = ${flows * 1.25}\n`;
    const load = await sendFlows(ground, config, flows, rate);
    const name = `${rate / 1000} k flows/s`;
    const reach = mostCpu === undefined ? {} : { reach: { atMost: mostCpu } };
    figures.push(
      { name: `${name}: reached`, value: load.sentRate, unit: "/s", reach: { atLeast: rate * 0.95 } },
      {
        name: `${name}: sent and not created, or lost`,
        value: load.missing,
        unit: "lost",
        reach: { atMost: 0 },
      },
      { name: `${name}: agent's CPU, of one core`, value: load.cpu, unit: "%", ...reach },
      { name: `${name}: of it the capture thread`, value: load.captureCpu, unit: "%" },
    );
  }
  return {
    title: "New flows",
    method: `A packet socket sends ${SECONDS} s of UDP frames, each a flow of its own, through the shipped agent; CPU by /proc/PID/stat over that time.`,
    figures,
  };
}

/** Flows that end after a second of silence, so that as many spans leave as flows begin. */
export async function measureExport(ground: Ground): Promise<Measurement> {
  const rate = 100_000;
  const figures: Figure[] = [];
  for (const compression of ["none", "gzip"]) {
    await using receiver = await startReceiver();
    const config = `${otlpConfig(receiver.port, compression)}span.udp_timeout = "1s"\nflow.table_capacity = 1000000\n`;
    const load = await sendFlows(ground, config, rate * (SECONDS + 3), rate, SETTLE_MS);
    const name = `compression "${compression}"`;
    figures.push(
      {
        name: `${name}: flows and spans a second`,
        value: load.sentRate,
        unit: "/s",
        reach: { atLeast: rate * 0.95 },
      },
      { name: `${name}: not told, or lost`, value: load.missing, unit: "lost", reach: { atMost: 0 } },
      { name: `${name}: agent's CPU, of one core`, value: load.cpu, unit: "%", reach: { atMost: 60 } },
      { name: `${name}: of it the capture thread`, value: load.captureCpu, unit: "%" },
    );
  }
  return {
    title: "Spans exported",
    method: `New flows that end after 1 s of silence, for ${SECONDS + 3} s, to an OTLP/HTTP receiver on loopback that reads and discards; CPU over that time.`,
    figures,
  };
}

/** An OTLP receiver of its own process, on any free port of loopback. */
export async function startReceiver(): Promise<AsyncDisposable & { readonly port: number }> {
  const port = 4318;
  const child = await Companion.start(process.execPath, join(import.meta.dir, "receiver.ts"), String(port));
  return { port, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
}

/** Config lines that export to {@link startReceiver}. */
export function otlpConfig(port: number, compression: string): string {
  return `export.otlp.endpoint = "http://127.0.0.1:${port}"\nexport.otlp.compression = "${compression}"\n`;
}

interface Load {
  readonly sentRate: number;
  readonly missing: number;
  readonly cpu: number;
  readonly captureCpu: number;
}

async function sendFlows(
  ground: Ground,
  config: string,
  flows: number,
  rate: number,
  recordsWithinMs?: number,
): Promise<Load> {
  await using agent = await Agent.start(ground, { config });
  const started = performance.now();
  const cpu = agent.cpuSeconds();
  const captureCpu = agent.captureSeconds();
  const output = await run(
    join(ground.directory, "traffic"),
    "send",
    ground.device,
    "udp",
    "0",
    String(flows),
    String(rate),
  );
  const seconds = (performance.now() - started) / 1000;
  const spent = agent.cpuSeconds() - cpu;
  const spentCapture = agent.captureSeconds() - captureCpu;
  const [sent = 0, took = Number.NaN] = numbers(output, 2);
  await agent.until(({ created }) => created >= sent, SETTLE_MS).catch(() => undefined);
  if (recordsWithinMs !== undefined)
    await agent.until(({ records }) => records >= sent, recordsWithinMs).catch(() => undefined);
  const { created, records, lost } = agent.statistics;
  const told = recordsWithinMs === undefined ? created : records;
  return {
    sentRate: sent / took,
    missing: Math.max(0, sent - told) + lost,
    cpu: (spent / seconds) * 100,
    captureCpu: (spentCapture / seconds) * 100,
  };
}
