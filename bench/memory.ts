// Memory of the shipped agent, exporting: of the process, and of its cgroup, in which the kernel's maps are.

import { Agent } from "./agent.ts";
import { openCgroup, removeCgroup } from "./cgroup.ts";
import type { Figure, Ground, Measurement } from "./figure.ts";
import { sendNewFlows } from "./load.ts";
import { otlpConfig, Receiver } from "./receiving.ts";

const SCANS_MS = 2500;
const SETTLE_MS = 20_000;
const FILL_RATE = 200_000;

/** Eviction begins at nine tenths of `capacity`. */
const SIZES = [
  { name: "idle", flows: 0, capacity: 131_072, resident: 80, cgroup: 130 },
  { name: "100 k flows", flows: 100_000, capacity: 131_072, resident: 120, cgroup: 170 },
  { name: "1 M flows", flows: 1_000_000, capacity: 1_120_000, resident: 250, cgroup: 650 },
] as const;

/** Starts an agent for each size, fills it, lets it scan, and reads. */
export async function measureMemory(ground: Ground): Promise<Measurement> {
  const figures: Figure[] = [];
  await using _receiver = await Receiver.start();
  for (const { name, flows, capacity, resident, cgroup } of SIZES) {
    const group = openCgroup(ground.peer);
    const config = `${otlpConfig({ protocol: "http_protobuf", compression: "gzip", signal: "traces" })}span.udp_timeout = "10m"\nflow.table_capacity = ${capacity}\n`;
    const entry = group === undefined ? {} : { cgroupProcs: group.procs };
    await using agent = await Agent.start(ground, { config, ...entry });
    await fill(ground, agent, flows);
    const used = agent.memory();
    figures.push(megabytes(`${name}: resident`, used.resident, resident));
    figures.push(megabytes(`${name}: resident, shared pages divided (PSS)`, used.proportional));
    figures.push(megabytes(`${name}: the kernel's maps`, agent.mapMemory()));
    if (group !== undefined) figures.push(megabytes(`${name}: cgroup, maps included`, group.bytes(), cgroup));
    await agent.stop();
    await removeCgroup(ground.peer);
  }
  return {
    title: "Memory",
    method: `The shipped agent with OTLP export, ${SCANS_MS / 1000} s after the last new flow; VmRSS, PSS, what the kernel says of the maps that are open (memlock), and the usage of a memory cgroup of its own. Room for 131,072 flows, for 1 M flows 1,120,000.`,
    figures,
  };
}

async function fill(ground: Ground, agent: Agent, flows: number): Promise<void> {
  if (flows > 0) {
    await sendNewFlows(ground, { flows, rate: FILL_RATE, kind: "udp" });
    await agent.until(({ active }) => active >= flows, SETTLE_MS);
  }
  await Bun.sleep(SCANS_MS);
}

function megabytes(name: string, bytes: number, atMost?: number): Figure {
  return { name, value: bytes / 1e6, unit: "MB", ...(atMost === undefined ? {} : { reach: { atMost } }) };
}
