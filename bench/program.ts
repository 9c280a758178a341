// The BPF program alone: nanoseconds of a packet by BPF_PROG_TEST_RUN, warm, beside an empty program in the same run.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openProbe, type Probe } from "../src/capture/probe.ts";
import { Reader } from "../src/capture/reader.ts";
import { type Figure, type Ground, type Measurement, median } from "./figure.ts";

const REPEAT = 1_000_000;
const ROUNDS = 9;
/** Of struct merminbpf_test_packet: words, and places of `repeat` and `duration_ns`. */
const TEST = { words: 12, repeat: 8, durationNs: 10 } as const;
const LOOPBACK = 1;

const PACKETS = [
  { name: "UDP, 114 bytes", protocol: 17, length: 114, reachNs: 118 },
  { name: "TCP ACK, 54 bytes", protocol: 6, length: 54, reachNs: 125 },
  { name: "TCP data, 114 bytes", protocol: 6, length: 114, reachNs: undefined },
] as const;

/** Runs both programs in turns and tells the medians. */
export function measureProgram(ground: Ground): Measurement {
  const options = { tableCapacity: 131_072, ringBufferBytes: 4 << 20, isReplay: false };
  const object = new Uint8Array(readFileSync(join(ground.directory, "empty.bpf.o")));
  using ours = openProbe(options);
  using empty = openProbe({ ...options, object });
  new Reader(ours).beginScan();
  const added = ours.library.merminbpf_interface_add(ours.handle, LOOPBACK, 0);
  ours.check(added, "Cannot add the loopback interface");
  const figures: Figure[] = [];
  for (const { name, protocol, length, reachNs } of PACKETS) {
    const packet = frame(protocol, length);
    const own: number[] = [];
    const bare: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      own.push(testRun(ours, packet));
      bare.push(testRun(empty, packet));
    }
    const reach = reachNs === undefined ? {} : { reach: { atMost: reachNs } };
    figures.push({ name, value: median(own), unit: "ns", ...reach });
    figures.push({ name: `${name}: empty program`, value: median(bare), unit: "ns" });
    figures.push({ name: `${name}: ours to the empty one`, value: median(own) / median(bare), unit: "×" });
  }
  return {
    title: "Program alone, one warm flow",
    method: `BPF_PROG_TEST_RUN, ${REPEAT.toLocaleString("en")} runs a round, median of ${ROUNDS} rounds, ours and the empty program in turns.`,
    figures,
  };
}

function testRun(probe: Probe, packet: Uint8Array): number {
  const test = new Uint32Array(new ArrayBuffer(TEST.words * 4));
  test[TEST.repeat] = REPEAT;
  const result = probe.library.merminbpf_test_run(probe.handle, packet, packet.byteLength, test);
  probe.check(result, "Cannot run the program");
  return test[TEST.durationNs] ?? Number.NaN;
}

function frame(protocol: number, length: number): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(length));
  const view = new DataView(bytes.buffer);
  bytes.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45]);
  view.setUint16(16, length - 14);
  view.setUint16(20, 0x4000);
  bytes.set([64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2], 22);
  view.setUint16(34, 40_000);
  view.setUint16(36, 443);
  if (protocol === 17) view.setUint16(38, length - 34);
  else view.setUint16(46, 0x5010);
  return bytes;
}
