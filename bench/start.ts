// From the start of the process to the first packet it counted.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Agent } from "./agent.ts";
import { run } from "./command.ts";
import { type Ground, type Measurement, median } from "./figure.ts";

const ROUNDS = 7;
const RATE = 5000;
const SECONDS = 1;

/** Starts the agent into traffic that is under way; the first span's start is the first packet counted. */
export async function measureStart(ground: Ground): Promise<Measurement> {
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await startOnce(ground, round));
  return {
    title: "Start",
    method: `${RATE.toLocaleString("en")} frames a second are under way when the process is started; from then to the start of the first span, median of ${ROUNDS}.`,
    figures: [
      { name: "start to first packet counted", value: median(rounds), unit: "ms", reach: { atMost: 200 } },
      { name: "the slowest of them", value: Math.max(...rounds), unit: "ms" },
    ],
  };
}

async function startOnce(ground: Ground, round: number): Promise<number> {
  const packets = String(RATE * SECONDS);
  const sending = run(
    join(ground.directory, "traffic"),
    "send",
    ground.device,
    "udp",
    "1",
    packets,
    String(RATE),
  );
  await Bun.sleep(50);
  const outputPath = join(ground.directory, `start-${round}.ndjson`);
  const startedMs = performance.timeOrigin + performance.now();
  await using agent = Agent.launch(ground, { config: 'export.stdout.format = "ndjson"\n', outputPath });
  await sending;
  await agent.stop();
  const starts = readFileSync(outputPath, "utf8").matchAll(/"startTimeUnixNano":"(\d+)"/g);
  const firstNs = Math.min(...[...starts].map((match) => Number(match[1])));
  if (!Number.isFinite(firstNs)) throw new Error("The agent told no span");
  return firstNs / 1e6 - startedMs;
}
