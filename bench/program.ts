// The BPF program alone: nanoseconds of a packet by BPF_PROG_TEST_RUN, warm, beside an empty program in the same run.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { openProbe, type Probe } from "../src/capture/probe.ts";
import { filterSection } from "../src/flow/filter-config.ts";
import { compileKernelFilter } from "../src/flow/filter-kernel.ts";
import { Bench, type BenchOptions } from "../test/bpf/bench.ts";
import { type Figure, type Ground, type Measurement, median } from "./figure.ts";
import {
  FILTERED_KINDS,
  type PacketKind,
  PLAIN_KINDS,
  type Setting,
  SPECIAL_KINDS,
  udpFrame,
} from "./packets.ts";

const REPEAT = 1_000_000;
const ROUNDS = 9;
/** Of struct merminbpf_test_packet: words, and places of `repeat` and `duration_ns`. */
const TEST = { words: 12, repeat: 8, durationNs: 10 } as const;
const LOOPBACK = 1;
const SIZES = { tableCapacity: 131_072, ringBufferBytes: 4 << 20 } as const;
const SAMPLING = 10;
const FIRST_PORT = 40_000;

/** Runs both programs in turns and tells the medians. */
export function measureProgram(ground: Ground): Measurement {
  using plain = open({});
  using filtering = open({ filter: compileKernelFilter(leaveOut("udp")) });
  using sampling = open({ sampling: SAMPLING });
  const benches: Readonly<Record<Setting, Bench>> = { plain, filtering, sampling };
  const object = new Uint8Array(readFileSync(join(ground.directory, "empty.bpf.o")));
  using empty = openProbe({ ...SIZES, isReplay: false, object });
  const kinds = [...PLAIN_KINDS, ...SPECIAL_KINDS, ...FILTERED_KINDS, ...sampledKinds(sampling)];
  return {
    title: "Program alone, one warm flow",
    method: `BPF_PROG_TEST_RUN, ${REPEAT.toLocaleString("en")} runs a round, median of ${ROUNDS} rounds, ours and the empty program in turns.`,
    figures: [
      ...kinds.flatMap((kind) => measureKind(kind, benches[kind.setting], empty)),
      ...(["ingress", "egress"] as const).map(
        (side): Figure => ({
          name: `${side}: gone through by the verifier`,
          value: plain.probe.verifiedInstructions(side),
          unit: "instructions",
        }),
      ),
    ],
  };
}

function open(options: BenchOptions): Bench {
  const bench = new Bench({ ...SIZES, ...options });
  bench.addInterface(LOOPBACK, "ethernet");
  return bench;
}

function leaveOut(transport: string): v.InferOutput<typeof filterSection> {
  const lists = { match: [], not_match: [transport] };
  return v.parse(filterSection, { network: { transport: lists } });
}

/** One flow that is counted and one that is not. */
function sampledKinds(bench: Bench): readonly PacketKind[] {
  const find = (counter: "accounted" | "sampled_out"): Uint8Array => {
    for (let port = FIRST_PORT; port < 65_536; port++) {
      const bytes = udpFrame(port);
      if (bench.run(bytes)[counter] !== undefined) return bytes;
    }
    throw new Error(`Sampling makes no packet ${counter}`);
  };
  const kind = (name: string, counter: "accounted" | "sampled_out"): PacketKind => ({
    name: `UDP with one flow in ${SAMPLING} sampled: ${name}`,
    bytes: find(counter),
    setting: "sampling",
    counter,
  });
  return [kind("counted", "accounted"), kind("left out", "sampled_out")];
}

function measureKind(kind: PacketKind, bench: Bench, empty: Probe): readonly Figure[] {
  const { name, reachNs } = kind;
  const packet = ownBuffer(kind.bytes);
  const own: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    prepare(kind, bench);
    own.push(testRun(bench.probe, packet));
    bare.push(testRun(empty, packet));
  }
  const reach = reachNs === undefined ? {} : { reach: { atMost: reachNs } };
  return [
    { name, value: median(own), unit: "ns", ...reach },
    { name: `${name}: empty program`, value: median(bare), unit: "ns" },
    { name: `${name}: ours to the empty one`, value: median(own) / median(bare), unit: "×" },
  ];
}

/** Makes the flow known. @throws Error where the program takes the packet for something else */
function prepare({ name, bytes, counter, after }: PacketKind, bench: Bench): void {
  if (after !== undefined) bench.run(after);
  const counts = bench.run(bytes);
  if (counts[counter]?.[0] !== 1 || Object.keys(counts).length !== 1) {
    throw new Error(`${name}: counted as ${JSON.stringify(counts)}, not once as ${counter}`);
  }
}

function testRun(probe: Probe, packet: Uint8Array): number {
  const test = new Uint32Array(new ArrayBuffer(TEST.words * 4));
  test[TEST.repeat] = REPEAT;
  const result = probe.library.merminbpf_test_run(probe.handle, packet, packet.byteLength, test);
  probe.check(result, "Cannot run the program");
  return test[TEST.durationNs] ?? Number.NaN;
}

/** A copy that stays where it is while C reads it. */
function ownBuffer(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new ArrayBuffer(bytes.byteLength));
  copy.set(bytes);
  return copy;
}
