// The BPF program beside the same of an earlier revision: whether a plain packet costs what it did. An object of another
// schema is refused by our library, so both run by bpftool, with the defaults that they are compiled with.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./command.ts";
import { type Figure, type Ground, type Measurement, median } from "./figure.ts";
import { compileProgram, ROOT } from "./ground.ts";
import { type PacketKind, PLAIN_KINDS } from "./packets.ts";

const REPEAT = 1_000_000;
const PAIRS = 15;
/** Of the same code loaded twice, on a quiet machine. */
const NOISE = 1.03;
const PINS = "/sys/fs/bpf/mermin-bench";
const SIDES = ["ingress", "egress"] as const;

/** A loaded object. */
interface Loaded {
  /** Directory of its pinned programs. */
  readonly pins: string;
  /** Instructions that the verifier went through, by {@link SIDES}. */
  readonly instructions: readonly number[];
}

/** Runs both in turns; the earlier revision is BASE of the environment, or what was before the last change of bpf/. */
export async function measureBefore(ground: Ground): Promise<Measurement> {
  const revision = await findRevision();
  const earlier = await buildAt(ground, revision);
  try {
    const before = await load(earlier, `${PINS}-before`);
    const ours = await load(join(ROOT, "build", "mermin.bpf.o"), `${PINS}-ours`);
    const figures: Figure[] = [];
    for (const kind of PLAIN_KINDS) figures.push(...(await measureKind(ground, kind, [ours, before])));
    for (const [index, side] of SIDES.entries()) {
      for (const [name, { instructions }] of Object.entries({ ours, before })) {
        const value = instructions[index] ?? Number.NaN;
        figures.push({ name: `${side}, ${name}: gone through by the verifier`, value, unit: "instructions" });
      }
    }
    return {
      title: "Program before and now",
      method: `Beside the revision ${revision.slice(0, 12)}: BPF_PROG_TEST_RUN, ${REPEAT.toLocaleString("en")} runs a round, in turns, both as bpftool loads them; medians of ${PAIRS} rounds, and of their pairs' ratios.`,
      figures,
    };
  } finally {
    rmSync(`${PINS}-before`, { recursive: true, force: true });
    rmSync(`${PINS}-ours`, { recursive: true, force: true });
  }
}

async function findRevision(): Promise<string> {
  const git = ["git", "-C", ROOT];
  const named = process.env["BASE"];
  const last = (await run(...git, "log", "-1", "--format=%H", "--", "bpf")).trim();
  const revision = named === undefined || named === "" ? `${last}^` : named;
  return (await run(...git, "rev-parse", "--verify", `${revision}^{commit}`)).trim();
}

/** Path of the object that the sources of a revision make. */
async function buildAt({ directory }: Ground, revision: string): Promise<string> {
  const sources = join(directory, "before");
  const archive = join(directory, "before.tar");
  mkdirSync(sources);
  await run("git", "-C", ROOT, "archive", "-o", archive, revision, "bpf");
  await run("tar", "-xf", archive, "-C", sources);
  const object = join(directory, "before.bpf.o");
  await compileProgram(join(sources, "bpf", "mermin.bpf.c"), object);
  return object;
}

async function load(object: string, pins: string): Promise<Loaded> {
  // With -d the verifier's log is told, program after program.
  const child = Bun.spawn(["bpftool", "-d", "prog", "loadall", object, pins, "pinmaps", pins], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const [log, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (code !== 0) throw new Error(`bpftool cannot load ${object}: ${log.slice(-400)}`);
  await beginCounting(join(pins, "SCAN"));
  return { pins, instructions: SIDES.map((side) => readInstructions(log, `mermin_${side}`)) };
}

/** The agent's first scan generation: with 0, the programs return at once. */
async function beginCounting(map: string): Promise<void> {
  const shape = await run("bpftool", "-j", "map", "show", "pinned", map);
  const [, bytes] = /"bytes_value":\s*(\d+)/.exec(shape) ?? [];
  if (bytes === undefined) throw new Error(`bpftool tells no size of ${map}: ${shape}`);
  const value = Array.from({ length: Number(bytes) }, (_, at) => (at === 0 ? "1" : "0"));
  await run("bpftool", "map", "update", "pinned", map, "key", "0", "0", "0", "0", "value", ...value);
}

function readInstructions(log: string, program: string): number {
  const begin = log.indexOf(`prog '${program}': -- BEGIN PROG LOAD LOG --`);
  const [, count] = /^processed (\d+) insns/m.exec(begin < 0 ? "" : log.slice(begin)) ?? [];
  if (count === undefined) throw new Error(`bpftool tells no log of the verifier for ${program}`);
  return Number(count);
}

async function measureKind(
  ground: Ground,
  { name, bytes }: PacketKind,
  [ours, before]: readonly [Loaded, Loaded],
): Promise<readonly Figure[]> {
  const packet = join(ground.directory, "packet");
  writeFileSync(packet, bytes);
  const now: number[] = [];
  const then: number[] = [];
  for (let pair = 0; pair < PAIRS; pair++) {
    // Who is first changes, so that neither always meets what the other left.
    const turns = [() => testRun(ours, packet, now), () => testRun(before, packet, then)];
    for (const turn of pair % 2 === 0 ? turns : turns.toReversed()) await turn();
  }
  const ratios = now.map((value, pair) => value / (then[pair] ?? Number.NaN));
  return [
    { name: `${name}: ours`, value: median(now), unit: "ns" },
    { name: `${name}: before`, value: median(then), unit: "ns" },
    { name: `${name}: ours to before`, value: median(ratios), unit: "×", reach: { atMost: NOISE } },
  ];
}

async function testRun({ pins }: Loaded, packet: string, durations: number[]): Promise<void> {
  const program = ["pinned", join(pins, "mermin_ingress")];
  const output = await run(
    "bpftool",
    "-j",
    "prog",
    "run",
    ...program,
    "data_in",
    packet,
    "repeat",
    `${REPEAT}`,
  );
  const [, duration] = /"duration":\s*(\d+)/.exec(output) ?? [];
  if (duration === undefined) throw new Error(`bpftool tells no duration: ${output}`);
  durations.push(Number(duration));
}
