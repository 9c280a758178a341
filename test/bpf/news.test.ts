// Scans for news: which flows the shim passes over, and which it lets stay.

import { expect, test } from "bun:test";
import { KEY_WORDS } from "../../src/capture/record.ts";
import { PRESENT } from "../../src/flow/earlier.ts";
import { frame, ip } from "../support/packets.ts";
import { udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";

const FLOWS = 40;
/** CLOCK_MONOTONIC of packets that came before any scan, and behind all of them. */
const BEFORE_NS = 1e9;
const BEHIND_NS = 2 ** 52;

function packet(port: number): Uint8Array {
  return frame(ip("10.0.0.1", "10.0.0.2", udp([port, 53], 12)));
}

/** Ports of the flows that a scan reads, and their keys. */
function read(
  { reader }: Bench,
  reach: "all" | "news",
): { readonly ports: number[]; readonly keys: Uint32Array } {
  const keys: number[] = [];
  for (let slice = reader.nextSlice(reach); slice !== undefined; slice = reader.nextSlice(reach))
    keys.push(...slice.keys.subarray(0, slice.count * KEY_WORDS));
  const words = Uint32Array.from(keys);
  const bytes = new DataView(words.buffer);
  const ports = Array.from({ length: words.length / KEY_WORDS }, (_, flow) =>
    bytes.getUint16(flow * KEY_WORDS * 4 + 32),
  );
  return { ports: ports.toSorted((a, b) => a - b), keys: words };
}

test("Reader.nextSlice for news reads flows with a packet since the scan before began, and no other", () => {
  using bench = new Bench({ tableCapacity: 1000, isReplay: true });
  const { reader } = bench;
  const send = (first: number, last: number, atNs = BEFORE_NS): void => {
    for (let port = first; port <= last; port++) bench.run(packet(port), { atNs });
  };
  const all = Array.from({ length: FLOWS }, (_, flow) => flow + 1);
  send(1, FLOWS);
  reader.beginScan();
  expect(read(bench, "news").ports).toEqual(all);
  send(3, 5);
  reader.beginScan();
  // Since the scan before began: also what it may have read.
  expect(read(bench, "news").ports).toEqual([3, 4, 5]);
  reader.beginScan();
  send(5, 7);
  expect(read(bench, "news").ports).toEqual([5, 6, 7]);
  reader.beginScan();
  expect(read(bench, "news").ports).toEqual([5, 6, 7]);
  reader.beginScan();
  expect(read(bench, "news").ports).toEqual([]);
  reader.beginScan();
  expect(read(bench, "all").ports).toEqual(all);
});

test("Reader.take after a scan for news lets flows stay that had a packet since it began", () => {
  using bench = new Bench({ tableCapacity: 1000, isReplay: true });
  for (let port = 1; port <= FLOWS; port++)
    bench.run(packet(port), { atNs: port % 4 === 0 ? BEHIND_NS : BEFORE_NS });
  bench.reader.beginScan();
  const { keys } = read(bench, "all");
  const taken = bench.reader.take(keys, 0, FLOWS, "news");
  const outcomes = [...taken.present.subarray(0, FLOWS)];
  expect(outcomes.filter((outcome) => outcome === PRESENT.stays)).toHaveLength(FLOWS / 4);
  expect(outcomes.filter((outcome) => outcome === PRESENT.taken)).toHaveLength((FLOWS / 4) * 3);
  bench.reader.beginScan();
  expect(read(bench, "all").ports).toEqual(Array.from({ length: FLOWS / 4 }, (_, flow) => (flow + 1) * 4));
  bench.reader.take(keys, 0, FLOWS);
  expect(bench.reader.entriesUsed()).toBe(0);
});
