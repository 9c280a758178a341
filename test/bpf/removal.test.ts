// Flows that are taken out of the table many at a time: each with its last value, and no other.

import { expect, test } from "bun:test";
import { KEY_WORDS, number64, VALUE_WORDS, WAY, WAY_WORDS } from "../../src/capture/record.ts";
import { COUNTER_NAMES } from "../../src/capture/stats.ts";
import { frame, ip } from "../support/packets.ts";
import { udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";
import type { RepeatedRuns } from "./repeated-runs.ts";

/** Not a multiple of what one run takes, and several of them. */
const FLOWS = 300;
const START = 1e15;
/** Of one flow, one right behind the other: nearly every removal meets one of them. */
const PACKETS_MEANWHILE = 1_000_000;
const TAKES_A_TURN = 500;
const TIMEOUT_MS = 60_000;

function packet(port: number): Uint8Array {
  return frame(ip("10.0.0.1", "10.0.0.2", udp([port, 53], 12)));
}

/** Every flow's key and value as the map has them, packed. */
function readAll({ reader }: Bench): { readonly keys: Uint32Array; readonly values: Uint32Array } {
  reader.beginScan();
  const slice = reader.nextSlice();
  const count = slice?.count ?? 0;
  expect(reader.nextSlice()).toBeUndefined();
  return {
    keys: slice?.keys.slice(0, count * KEY_WORDS) ?? new Uint32Array(),
    values: slice?.values.slice(0, count * VALUE_WORDS) ?? new Uint32Array(),
  };
}

function rows(words: Uint32Array, width: number): readonly string[] {
  return Array.from({ length: words.length / width }, (_, row) =>
    words.subarray(row * width, (row + 1) * width).join(" "),
  );
}

test("Reader.take takes the flows it is asked for with their last values, and no other", () => {
  using bench = new Bench({ tableCapacity: 1000, isReplay: true });
  for (let port = 1; port <= FLOWS; port++)
    for (let packets = 0; packets <= port % 3; packets++) bench.run(packet(port), { atNs: START + port });
  const before = readAll(bench);
  expect(before.keys.length).toBe(FLOWS * KEY_WORDS);
  // Every second one, and between them keys that no flow has.
  const asked = before.keys.slice();
  for (let flow = 1; flow < FLOWS; flow += 2) asked[flow * KEY_WORDS] = 0xffffffff;
  const taken = bench.reader.take(asked, 0, FLOWS);
  expect([...taken.present.subarray(0, FLOWS)]).toEqual(
    Array.from({ length: FLOWS }, (_, flow) => 1 - (flow % 2)),
  );
  const values = rows(before.values, VALUE_WORDS);
  const told = rows(taken.values.subarray(0, FLOWS * VALUE_WORDS), VALUE_WORDS);
  for (let flow = 0; flow < FLOWS; flow += 2) expect(told[flow]).toBe(values[flow] as string);
  const after = readAll(bench);
  const stay = (all: readonly string[]): readonly string[] => all.filter((_, flow) => flow % 2 === 1).sort();
  expect(rows(after.keys, KEY_WORDS).toSorted()).toEqual([...stay(rows(before.keys, KEY_WORDS))]);
  expect(rows(after.values, VALUE_WORDS).toSorted()).toEqual([...stay(values)]);
  expect(bench.reader.entriesUsed()).toBe(FLOWS / 2);
});

/** Packets of the flow at `key` that are taken, if it is there. */
function takePackets({ reader }: Bench, key: Uint32Array): number {
  const { present, values } = reader.take(key, 0, 1);
  reader.drain();
  if (present[0] !== 1) return 0;
  return number64(values, WAY.packets) + number64(values, WAY_WORDS + WAY.packets);
}

/** Sends from another CPU; returns what the run of the program gave. */
async function sendMeanwhile(bench: Bench, worker: Worker, action: () => void): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let isDone = false;
  worker.onmessage = ({ data }: MessageEvent<number>) => {
    isDone = true;
    resolve(data);
  };
  worker.onerror = ({ message }) => reject(new Error(message));
  const runs: RepeatedRuns = { handle: bench.probe.handle, frame: packet(1), packets: PACKETS_MEANWHILE };
  worker.postMessage(runs);
  while (!isDone) {
    action();
    await Promise.race([Bun.sleep(0), promise]);
  }
  return promise;
}

test(
  "every packet that comes while its flow is taken is in a value or counted as lost",
  async () => {
    using bench = new Bench({ tableCapacity: 1000 });
    const worker = new Worker(new URL("./repeated-runs.ts", import.meta.url).href);
    bench.run(packet(1));
    const key = readAll(bench).keys;
    const counted = (name: (typeof COUNTER_NAMES)[number]): number =>
      bench.reader.counters()[COUNTER_NAMES.indexOf(name)]?.packets ?? Number.NaN;
    let told = 0;
    let sent = 1;
    // Until both have run at the same time.
    const deadline = performance.now() + TIMEOUT_MS / 2;
    while (counted("map_busy") === 0 && performance.now() < deadline) {
      const result = await sendMeanwhile(bench, worker, () => {
        for (let takes = 0; takes < TAKES_A_TURN; takes++) told += takePackets(bench, key);
      });
      expect(result).toBe(0);
      sent += PACKETS_MEANWHILE;
    }
    worker.terminate();
    told += takePackets(bench, key);
    expect(told).toBe(counted("accounted"));
    expect(told + counted("map_busy") + counted("overflow")).toBe(sent);
    expect(counted("map_busy")).toBeGreaterThan(0);
  },
  TIMEOUT_MS,
);
