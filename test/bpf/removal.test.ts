// Flows that are taken out of the table many at a time: each with its last value, and no other.

import { expect, test } from "bun:test";
import { KEY_WORDS, VALUE_WORDS } from "../../src/capture/record.ts";
import { frame, ip } from "../support/packets.ts";
import { udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";

/** Not a multiple of what one run takes, and several of them. */
const FLOWS = 300;
const START = 1e15;

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
