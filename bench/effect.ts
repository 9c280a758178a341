// What the agent costs the traffic it watches: TCP throughput, and time of a request, with and without it in turns.

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { openProbe } from "../src/capture/probe.ts";
import { Agent } from "./agent.ts";
import { Companion, numbers, run } from "./command.ts";
import { type Ground, type Measurement, median } from "./figure.ts";
import { findIfindex } from "./hook.ts";

const PAIRS = 5;
const IPERF_SECONDS = 2;
/** A rate that leaves both cores idle at times, so that CPU is what differs. */
const STEADY_RATE = "10G";
const ASK_SECONDS = 1.5;
/** What the runtime compiles in its first seconds is no part of what the agent costs a day. */
const WARM_UP_MS = 3000;
const PORT = "7007";
const IPERF_PORT = "5201";
/** Each end on a core of its own: where the scheduler puts them decides more than any agent does. */
const NEAR_CORE = "0";
const FAR_CORE = String(availableParallelism() - 1);

interface Round {
  readonly gigabits: number;
  /** CPU of both ends at the steady rate, percent of a core for a Gbit/s. */
  readonly cpuPerGigabit: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
}

/** Pairs of rounds: without the agent, with it. */
export async function measureEffect(ground: Ground): Promise<Measurement> {
  const inPeer = ["ip", "netns", "exec", ground.peer, "taskset", "--cpu-list", FAR_CORE];
  const answer = [join(ground.directory, "traffic"), "serve", PORT];
  await using _answering = await Companion.start(...inPeer, ...answer);
  await using _iperf = await Companion.start(...inPeer, "iperf3", "-s", "-p", IPERF_PORT, "--forceflush");
  const bare: Round[] = [];
  const hooked: Round[] = [];
  const watched: Round[] = [];
  await playRound(ground);
  for (let pair = 0; pair < PAIRS; pair++) {
    bare.push(await playRound(ground));
    hooked.push(await playHooked(ground));
    await using agent = await Agent.start(ground, { config: 'export.stdout.format = "ndjson"\n' });
    await Bun.sleep(WARM_UP_MS);
    watched.push(await playRound(ground));
    await agent.stop();
  }
  const ratioTo = (rounds: readonly Round[], of: (round: Round) => number): number =>
    median(watched.map((round, pair) => of(round) / of(rounds[pair] ?? round)));
  const ratio = (of: (round: Round) => number): number => ratioTo(bare, of);
  const middle = (rounds: readonly Round[], of: (round: Round) => number): number => median(rounds.map(of));
  const throughput = (round: Round): number => round.gigabits;
  const cpu = (round: Round): number => round.cpuPerGigabit;
  const usual = (round: Round): number => round.p50Ns;
  const slow = (round: Round): number => round.p99Ns;
  return {
    title: "Effect on traffic",
    method: `iperf3 for ${IPERF_SECONDS} s and one byte asked and answered for ${ASK_SECONDS} s over TCP between two namespaces, each end on its own core, without, with an empty program at both hooks, and with the agent in turns, the agent ${WARM_UP_MS / 1000} s old; median of the ratios of ${PAIRS} pairs.`,
    figures: [
      { name: "throughput, with to without", value: ratio(throughput), unit: "×", reach: { atLeast: 0.99 } },
      { name: "throughput, with to an empty program", value: ratioTo(hooked, throughput), unit: "×" },
      { name: `CPU at ${STEADY_RATE}bit/s, with to without`, value: ratio(cpu), unit: "×" },
      {
        name: `CPU at ${STEADY_RATE}bit/s, with to an empty program`,
        value: ratioTo(hooked, cpu),
        unit: "×",
      },
      { name: "request p50, with to without", value: ratio(usual), unit: "×" },
      { name: "request p99, with to without", value: ratio(slow), unit: "×", reach: { atMost: 1.05 } },
      { name: "throughput without", value: middle(bare, throughput), unit: "Gbit/s" },
      { name: "throughput with", value: middle(watched, throughput), unit: "Gbit/s" },
      { name: "request p50 without", value: middle(bare, usual) / 1000, unit: "µs" },
      { name: "request p50 with", value: middle(watched, usual) / 1000, unit: "µs" },
      { name: "request p99 without", value: middle(bare, slow) / 1000, unit: "µs" },
      { name: "request p99 with", value: middle(watched, slow) / 1000, unit: "µs" },
    ],
  };
}

async function playRound(ground: Ground): Promise<Round> {
  const near = ["taskset", "--cpu-list", NEAR_CORE];
  const send = ["iperf3", "-c", ground.peerAddress, "-p", IPERF_PORT, "-t", String(IPERF_SECONDS), "--json"];
  const ask = [join(ground.directory, "traffic"), "ask", ground.peerAddress, PORT, String(ASK_SECONDS)];
  const report = await run(...near, ...send);
  const steady = await run(...near, ...send, "-b", STEADY_RATE);
  const [, p50Ns = Number.NaN, p99Ns = Number.NaN] = numbers(await run(...near, ...ask), 3);
  const cpuPerGigabit = cpuPercent(steady) / (receivedBits(steady) / 1e9);
  return { gigabits: receivedBits(report) / 1e9, cpuPerGigabit, p50Ns, p99Ns };
}

/** What any program costs at the hooks, whatever it does: part of the kernel's price, not of ours. */
async function playHooked(ground: Ground): Promise<Round> {
  const object = new Uint8Array(readFileSync(join(ground.directory, "empty.bpf.o")));
  using probe = openProbe({ tableCapacity: 1024, ringBufferBytes: 4096, isReplay: false, object });
  const ifindex = await findIfindex(ground.device);
  for (const side of ["ingress", "egress"] as const) {
    probe.attach(ifindex, side, { mode: "auto", order: "first", tcPriority: 1 });
  }
  return await playRound(ground);
}

/** User and system time of both ends, percent of a core. */
function cpuPercent(report: string): number {
  const read = (end: string): number => {
    const match = new RegExp(`"${end}_total":\\s*([\\d.e+-]+)`).exec(report);
    if (match === null) throw new Error(`iperf3 reports no CPU of the ${end}`);
    return Number(match[1]);
  };
  return read("host") + read("remote");
}

function receivedBits(report: string): number {
  const match = /"sum_received":\s*\{[^}]*"bits_per_second":\s*([\d.e+]+)/.exec(report);
  if (match === null) throw new Error("iperf3 reports no received bits per second");
  return Number(match[1]);
}
