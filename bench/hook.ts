// The BPF program under real traffic: nanoseconds of a packet by the kernel's own run statistics, at a hook of a veth.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openProbe } from "../src/capture/probe.ts";
import { Reader } from "../src/capture/reader.ts";
import { run } from "./command.ts";
import { type Figure, type Ground, type Measurement, median } from "./figure.ts";

const PACKETS = 300_000;
const ROUNDS = 5;

/** `fresh`: flows that no load before had. */
const LOADS = [
  { name: "UDP, 1 k flows", kind: "udp", flows: 1000, fresh: 1000, reachNs: 150 },
  { name: "TCP ACK, 1 k flows", kind: "ack", flows: 1000, fresh: 1000, reachNs: 150 },
  { name: "TCP data, 1 k flows", kind: "data", flows: 1000, fresh: 0, reachNs: 170 },
  { name: "UDP in VXLAN, 1 k inner flows", kind: "vxlan", flows: 1000, fresh: 1000, reachNs: undefined },
  { name: "UDP, 100 k cold flows", kind: "udp", flows: 100_000, fresh: 99_000, reachNs: 300 },
] as const;

/** Sends each load through an empty program, then through ours. */
export async function measureHook(ground: Ground): Promise<Measurement> {
  const ifindex = await findIfindex(ground.device);
  const object = new Uint8Array(readFileSync(join(ground.directory, "empty.bpf.o")));
  const bareNs = await measureWith(ground, ifindex, [LOADS[0]], object);
  const ownNs = await measureWith(ground, ifindex, LOADS);
  const emptyNs = bareNs[0] ?? Number.NaN;
  const figures: Figure[] = [
    { name: "empty program, UDP: what the statistics cost themselves", value: emptyNs, unit: "ns" },
  ];
  for (const [index, { name, reachNs }] of LOADS.entries()) {
    const value = ownNs[index] ?? Number.NaN;
    const reach = reachNs === undefined ? {} : { reach: { atMost: reachNs } };
    figures.push({ name: `${name}, raw`, value, unit: "ns", ...reach });
    figures.push({ name: `${name}, less the empty program`, value: value - emptyNs, unit: "ns" });
  }
  return {
    title: "Program at a hook, live",
    method: `Kernel run statistics of the egress hook of a veth; ${PACKETS.toLocaleString("en")} frames of a packet socket a round, all flows met before, median of ${ROUNDS} rounds.`,
    figures,
  };
}

/** Index of a device of this network namespace. */
export async function findIfindex(device: string): Promise<number> {
  return Number((await run("ip", "-o", "link", "show", "dev", device)).split(":")[0]);
}

async function measureWith(
  ground: Ground,
  ifindex: number,
  loads: readonly (typeof LOADS)[number][],
  object?: Uint8Array,
): Promise<readonly number[]> {
  const options = { tableCapacity: 131_072, ringBufferBytes: 16 << 20, isReplay: false };
  using probe = openProbe(object === undefined ? options : { ...options, object });
  const reader = new Reader(probe);
  if (object === undefined) {
    reader.beginScan();
    probe.check(probe.library.merminbpf_interface_add(probe.handle, ifindex, 0), "Cannot add the interface");
  }
  probe.check(
    probe.library.merminbpf_run_statistics_enable(probe.handle),
    "Cannot enable the run statistics",
  );
  probe.attach(ifindex, "egress", { mode: "auto", order: "first", tcPriority: 1 });
  const medians: number[] = [];
  for (const load of loads) {
    const known = reader.entriesUsed();
    await send(ground, load.kind, load.flows, load.flows);
    const fresh = reader.entriesUsed() - known;
    if (object === undefined && fresh !== load.fresh) {
      throw new Error(`${load.name}: read as ${fresh} new flows, not ${load.fresh}`);
    }
    const rounds: number[] = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push(await nanosecondsOf(reader, ground, load));
    medians.push(median(rounds));
  }
  return medians;
}

async function nanosecondsOf(reader: Reader, ground: Ground, load: (typeof LOADS)[number]): Promise<number> {
  const before = reader.runStatistics("egress");
  await send(ground, load.kind, load.flows, PACKETS);
  const after = reader.runStatistics("egress");
  if (after.runs - before.runs < PACKETS) throw new Error("The program did not run for every frame");
  return (after.nanoseconds - before.nanoseconds) / (after.runs - before.runs);
}

async function send(ground: Ground, kind: string, flows: number, packets: number): Promise<void> {
  await run(
    join(ground.directory, "traffic"),
    "send",
    ground.device,
    kind,
    String(flows),
    String(packets),
    "0",
  );
}
