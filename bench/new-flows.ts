// New flows a second through the shipped agent: its CPU, and whether any was lost.

import type { Figure, Ground, Measurement } from "./figure.ts";
import { lossFigures, sendLoad } from "./load.ts";

const SECONDS = 4;

const LOADS = [
  { rate: 100_000, mostCpu: 20 },
  { rate: 400_000, mostCpu: undefined },
] as const;

/** Each frame a flow of its own; none ends while it is measured. */
export async function measureNewFlows(ground: Ground): Promise<Measurement> {
  const figures: Figure[] = [];
  for (const { rate, mostCpu } of LOADS) {
    const flows = rate * SECONDS;
    const config = `export.stdout.format = "ndjson"\nspan.udp_timeout = "10m"\nspan.tcp_timeout = "10m"\nflow.ring_buffer_bytes = "16MiB"\nflow.table_capacity = ${flows * 1.5}\n`;
    const result = await sendLoad(ground, config, { flows, rate, until: "created" });
    const name = `${rate / 1000} k flows/s`;
    const reach = mostCpu === undefined ? {} : { reach: { atMost: mostCpu } };
    figures.push(
      { name: `${name}: sent`, value: result.sentRate, unit: "/s", reach: { atLeast: rate * 0.95 } },
      ...lossFigures(name, result),
      { name: `${name}: agent's CPU, of one core`, value: result.cpu, unit: "%", ...reach },
      { name: `${name}: of it the capture thread`, value: result.captureCpu, unit: "%" },
    );
  }
  return {
    title: "New flows",
    method: `${SECONDS} s of UDP frames, each a flow of its own, through the shipped agent, which meanwhile scans all of them, after a second of warming up; CPU by /proc/PID/stat, as a share of the time at that rate.`,
    figures,
  };
}
