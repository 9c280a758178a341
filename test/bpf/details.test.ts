// Details beside the flows, and how full the table is: what the shim hands over of entries that a program would make.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  DETAILS_BYTES,
  DETAILS_WORDS,
  FLOW_FLAG,
  type FlowSampleBatch,
  KEY_BYTES,
  KEY_WORDS,
  VALUE_BYTE,
} from "../../src/capture/record.ts";
import { frame, ip } from "../support/packets.ts";
import { udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";
import { KernelMap } from "./kernel-map.ts";

const ZERO = new Uint8Array(4);
const SCAN_REMOVED = 16;
const SCAN_PRESSURE = 24;

let bench: Bench;

beforeEach(() => {
  bench = new Bench({ tableCapacity: 1500 });
});
afterEach(() => bench[Symbol.dispose]());

/** Makes flows to these ports and returns their keys, in the ports' order. */
function makeFlows(...ports: readonly number[]): readonly Uint8Array[] {
  return ports.map((port) => {
    bench.run(frame(ip("10.0.0.1", "10.0.0.2", udp([1000, port], 4))));
    const [event] = bench.events();
    if (event === undefined) throw new Error("A new flow sends an event");
    const slice = readSlice();
    const keys = new Uint8Array(slice.keys.buffer);
    const index = Array.from({ length: slice.count }, (_, row) => row).find(
      (row) => new DataView(keys.buffer).getUint16(row * KEY_BYTES + 34) === port,
    );
    if (index === undefined) throw new Error(`No flow has port ${port}`);
    return keys.slice(index * KEY_BYTES, (index + 1) * KEY_BYTES);
  });
}

function readSlice(): FlowSampleBatch {
  bench.reader.beginScan();
  const slice = bench.reader.nextSlice();
  if (slice === undefined) throw new Error("The table is empty");
  return slice;
}

/** Says in a flow's value that it has details. */
function flag(key: Uint8Array): void {
  const flows = KernelMap.named("FLOW_STATS");
  const value = flows.lookup(key) ?? new Uint8Array(0);
  value[VALUE_BYTE.flags] = (value[VALUE_BYTE.flags] ?? 0) | FLOW_FLAG.hasDetails;
  flows.update(key, value);
}

function writeDetails(key: Uint8Array, octet: number): void {
  KernelMap.named("FLOW_DETAILS").update(key, new Uint8Array(DETAILS_BYTES).fill(octet));
}

/** The row of each key: its first octet where all are the same. */
function rowsOf(batch: FlowSampleBatch, keys: readonly Uint8Array[]): readonly number[] {
  const inBatch = new Uint8Array(batch.keys.buffer);
  return keys.map((key) => {
    const index = Array.from({ length: batch.count }, (_, row) => row).find((row) =>
      key.every((octet, at) => inBatch[row * KEY_BYTES + at] === octet),
    );
    if (index === undefined) throw new Error("The batch lacks a key");
    const words = batch.details.subarray(index * DETAILS_WORDS, (index + 1) * DETAILS_WORDS);
    const octets = new Set(new Uint8Array(words.slice().buffer));
    const [octet] = octets;
    return octets.size === 1 && octet !== undefined ? octet : Number.NaN;
  });
}

function wordsOf(keys: readonly Uint8Array[]): Uint32Array {
  return new Uint32Array(new Uint8Array(Buffer.concat(keys)).buffer);
}

function scanWord(offset: number): number {
  const scan = KernelMap.named("SCAN").lookup(ZERO) ?? new Uint8Array(0);
  return new DataView(scan.buffer).getUint32(offset, true);
}

describe("details", () => {
  test("come with the flows of a slice that are marked, all zero where there is no entry", () => {
    const keys = makeFlows(1001, 1002, 1003);
    const [first, second] = keys as [Uint8Array, Uint8Array];
    flag(first);
    flag(second);
    writeDetails(first, 0x11);
    writeDetails(second, 0x22);
    expect(rowsOf(readSlice(), keys.slice(0, 2))).toEqual([0x11, 0x22]);
    KernelMap.named("FLOW_DETAILS").delete(second);
    expect(rowsOf(readSlice(), keys.slice(0, 2))).toEqual([0x11, 0]);
  });

  test("are taken with their flow, and no others", () => {
    const keys = makeFlows(1001, 1002, 1003);
    const [first, second, third] = keys as [Uint8Array, Uint8Array, Uint8Array];
    for (const key of [first, second, third]) flag(key);
    writeDetails(first, 0x11);
    writeDetails(third, 0x33);
    for (const [index, key, row] of [
      [0, first, 0x11],
      [1, second, 0],
    ] as const) {
      const taken = bench.reader.take(wordsOf(keys), index, 1);
      expect([taken.present[0], ...rowsOf(taken, [key])]).toEqual([1, row]);
    }
    const map = KernelMap.named("FLOW_DETAILS");
    expect(map.lookup(first)).toBeUndefined();
    expect(map.lookup(third)).toBeDefined();
    expect(rowsOf(readSlice(), [third])).toEqual([0x33]);
  });

  test("are found by a key in the midst of others", () => {
    const keys = makeFlows(1001, 1002);
    writeDetails(keys[1] ?? ZERO, 0x22);
    expect(bench.reader.findDetails(wordsOf(keys), 0)).toBeUndefined();
    const found = bench.reader.findDetails(wordsOf(keys), KEY_WORDS);
    expect(found).toEqual(new Uint32Array(DETAILS_WORDS).fill(0x22222222));
  });

  test("have room for more flows than the table: theirs go a moment later", () => {
    expect(KernelMap.named("FLOW_STATS").maxEntries).toBe(1500);
    expect(KernelMap.named("FLOW_DETAILS").maxEntries).toBe(1875);
  });
});

describe("table use", () => {
  test("is what was made and not taken; a key that is not there is not taken", () => {
    const keys = makeFlows(1001, 1002, 1003);
    expect(scanWord(SCAN_REMOVED)).toBe(0);
    const use = new DataView(new ArrayBuffer(16));
    use.setBigUint64(0, 2n ** 33n, true);
    KernelMap.named("TABLE_USE").update(ZERO, new Uint8Array(use.buffer));
    bench.reader.take(wordsOf(keys), 0, 2);
    expect(scanWord(SCAN_REMOVED)).toBe(2);
    bench.reader.take(wordsOf(keys), 0, 3);
    expect(scanWord(SCAN_REMOVED)).toBe(3);
    use.setBigUint64(0, 10n, true);
    KernelMap.named("TABLE_USE").update(ZERO, new Uint8Array(use.buffer));
    expect(bench.reader.entriesUsed()).toBe(7);
    use.setBigUint64(0, 2n, true);
    KernelMap.named("TABLE_USE").update(ZERO, new Uint8Array(use.buffer));
    expect(bench.reader.entriesUsed()).toBe(0);
  });

  test("has a mark beyond which the programs speak, kept through scans", () => {
    expect(scanWord(SCAN_PRESSURE)).toBe(0);
    bench.reader.setPressure(1400);
    bench.reader.beginScan();
    expect(scanWord(SCAN_PRESSURE)).toBe(1400);
    bench.reader.setPressure(0);
    expect(scanWord(SCAN_PRESSURE)).toBe(0);
  });
});
