// More new flows than there is room for: a SYN flood of random tuples at full speed through the shipped agent, beside
// one quiet flow. Whether each packet is told or counted as lost, and what the agent takes meanwhile.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Agent, type AgentStatistics } from "./agent.ts";
import { type Cgroup, openCgroup, removeCgroup } from "./cgroup.ts";
import { numbers, run } from "./command.ts";
import type { Figure, Ground, Measurement } from "./figure.ts";

const FLOOD_PACKETS = 6_000_000;
const FLOOD_RATE = 1_000_000;
/** Of the quiet flow; it lasts longer than the flood. */
const QUIET = { packets: 400, rate: 20 } as const;
/** What only the quiet flow's spans have: the flood is TCP. */
const QUIET_MARK = '"network.transport":"udp"';
const PACKET_DELTA = /"flow\.(?:reverse\.)?packets\.delta":(\d+)/g;
/** Losses of packets that were never in a record; the others of `lost_` are spans, or events that the scan makes up for. */
const PACKET_LOSSES: ReadonlySet<string> = new Set([
  "kernel_map_full",
  "kernel_map_busy",
  "kernel_delete_race",
  "table_entry_gone",
]);
const SPAN_LOSS = /^(?:decorate|queue|export)_/;

/** What the flood left. */
interface Aftermath {
  readonly statistics: AgentStatistics;
  readonly sent: number;
  readonly seconds: number;
  /** Of the agent while the flood lasted, and of its capture thread. */
  readonly cpuSeconds: number;
  readonly captureSeconds: number;
  readonly peakResident: number;
  /** undefined where there is no memory controller. */
  readonly peakCgroup: number | undefined;
  /** Packets of the quiet flow in the spans. */
  readonly quietTold: number;
}

/** Floods an agent with the default table. */
export async function measureOverload(ground: Ground): Promise<Measurement> {
  const group = openCgroup(ground.peer);
  try {
    const aftermath = await flood(ground, group);
    return {
      title: "Overload",
      method: `${FLOOD_PACKETS / 1e6} M TCP SYNs of random tuples as fast as the sender goes, and ${QUIET.packets} packets of one UDP flow meanwhile, through the shipped agent with its default table, spans to a pipe; CPU by /proc/PID/stat as a share of the flood's time, VmHWM, and the peak of a memory cgroup of its own.`,
      figures: [...packetFigures(aftermath), ...spanFigures(aftermath), ...costFigures(aftermath)],
    };
  } finally {
    await removeCgroup(ground.peer);
  }
}

async function flood(ground: Ground, group: Cgroup | undefined): Promise<Aftermath> {
  const pipe = join(ground.directory, "told.pipe");
  const told = join(ground.directory, "told.ndjson");
  await run("mkfifo", pipe);
  await using reader = Bun.spawn(["grep", "-F", QUIET_MARK, pipe], { stdout: Bun.file(told) });
  const entry = group === undefined ? {} : { cgroupProcs: group.procs };
  const config = 'export.stdout.format = "ndjson"\n';
  await using agent = await Agent.start(ground, { config, outputPath: pipe, ...entry });
  const quiet = send(ground, "udp", [1, QUIET.packets, QUIET.rate]);
  await agent.until(({ created }) => created > 0, 5000);
  const cpu = agent.cpuSeconds();
  const capture = agent.captureSeconds();
  const [sent = 0, seconds = Number.NaN] = numbers(await send(ground, "syn", [0, FLOOD_PACKETS, 0]), 2);
  const cpuSeconds = agent.cpuSeconds() - cpu;
  const captureSeconds = agent.captureSeconds() - capture;
  await quiet;
  const peakResident = agent.peakMemory();
  await agent.stop();
  await reader.exited;
  return {
    statistics: agent.statistics,
    sent: sent + QUIET.packets,
    seconds,
    cpuSeconds,
    captureSeconds,
    peakResident,
    peakCgroup: group?.peakBytes(),
    quietTold: sum(readFileSync(told, "utf8").matchAll(PACKET_DELTA), ([, delta]) => Number(delta)),
  };
}

async function send(ground: Ground, kind: string, load: readonly number[]): Promise<string> {
  return await run(join(ground.directory, "traffic"), "send", ground.device, kind, ...load.map(String));
}

function packetFigures({ statistics, sent, seconds, quietTold }: Aftermath): readonly Figure[] {
  const { packets, overflow, losses } = statistics;
  const lost = [...losses].filter(([name]) => PACKET_LOSSES.has(name));
  const missing = sent - packets - sum(lost, ([, count]) => count);
  const none = { reach: { atMost: 0 } };
  return [
    { name: "sent", value: sent / seconds, unit: "/s", reach: { atLeast: FLOOD_RATE } },
    { name: "sent, all in all", value: sent, unit: "packets" },
    { name: "told in records", value: packets, unit: "packets" },
    { name: "of it without room in the table", value: overflow, unit: "packets" },
    ...lost.map(([name, value]): Figure => ({ name, value, unit: "packets" })),
    { name: "neither told nor counted as lost", value: Math.abs(missing), unit: "lost", ...none },
    { name: "of the quiet flow", value: Math.abs(QUIET.packets - quietTold), unit: "lost", ...none },
  ];
}

function spanFigures({ statistics }: Aftermath): readonly Figure[] {
  const { records, evicted, losses } = statistics;
  const lost = [...losses].filter(([name]) => SPAN_LOSS.test(name));
  const written = records - sum(lost, ([, count]) => count);
  return [
    { name: "written", value: written, unit: "spans" },
    { name: "of flows told early to make room", value: evicted, unit: "spans" },
    ...lost.map(([name, value]): Figure => ({ name, value, unit: "spans" })),
  ];
}

function costFigures(aftermath: Aftermath): readonly Figure[] {
  const { seconds, cpuSeconds, captureSeconds, peakResident, peakCgroup } = aftermath;
  const share = (spent: number): number => (spent / seconds) * 100;
  const figures: readonly Figure[] = [
    { name: "agent's CPU, of one core", value: share(cpuSeconds), unit: "%" },
    { name: "of it the capture thread", value: share(captureSeconds), unit: "%" },
    { name: "resident at its peak", value: peakResident / 1e6, unit: "MB" },
  ];
  if (peakCgroup === undefined) return figures;
  return [...figures, { name: "cgroup at its peak, maps included", value: peakCgroup / 1e6, unit: "MB" }];
}

function sum<T>(values: Iterable<T>, of: (value: T) => number): number {
  let total = 0;
  for (const value of values) total += of(value);
  return total;
}
