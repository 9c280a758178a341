import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Eviction } from "../../../src/flow/eviction.ts";
import { END_REASON } from "../../../src/flow/flow.ts";
import { Reading } from "../../../src/flow/reading.ts";
import { FlowTable } from "../../../src/flow/table.ts";
import { CONTEXT, type RecordFields, scan, scanWith, TIMEOUTS } from "./driver.ts";
import { ACK, clockAt, KernelModel, keyOf, SECOND, SYN } from "./kernel-model.ts";

const CAPACITY = 100;
const UDP_KEY = keyOf({ protocol: 17, highPort: 53 });

interface Seen {
  readonly low: number;
  readonly high: number;
  readonly quietMs: number;
}

const NOW_NS = 1e15;

function note(eviction: Eviction, slot: number, { low, high, quietMs }: Seen): void {
  const reading = new Reading();
  reading.counts.set([low, high, 0, 0]);
  reading.lastSeenNs = NOW_NS - quietMs * 1e6;
  eviction.note(slot, reading, NOW_NS);
}

function choose(eviction: Eviction, wanted: number): number[] {
  const chosen: number[] = [];
  eviction.choose(wanted, (slot) => chosen.push(slot));
  return chosen;
}

describe("Eviction", () => {
  test("chooses one-way flows of at most two packets first, oldest first, then those quiet for longest", () => {
    const eviction = new Eviction();
    const seen: readonly Seen[] = [
      { low: 1, high: 1, quietMs: 100_000 },
      { low: 1, high: 0, quietMs: 10 },
      { low: 3, high: 0, quietMs: 200_000 },
      { low: 0, high: 2, quietMs: 30 },
      { low: 500, high: 400, quietMs: 0 },
      { low: 2, high: 0, quietMs: 20 },
    ];
    eviction.begin();
    for (const [slot, each] of seen.entries()) note(eviction, slot, each);
    const order = [3, 5, 1, 2, 0, 4];
    for (let wanted = 0; wanted <= 7; wanted++)
      expect(choose(eviction, wanted).toSorted()).toEqual(order.slice(0, wanted).toSorted());
  });

  test("chooses none that the present scan has not met", () => {
    const eviction = new Eviction();
    eviction.begin();
    note(eviction, 7, { low: 1, high: 0, quietMs: 5 });
    eviction.begin();
    note(eviction, 3000, { low: 9, high: 9, quietMs: 5 });
    expect(choose(eviction, 5)).toEqual([3000]);
  });

  test("is as good as sorting, to 3 % of the quiet time", () => {
    const flow = fc.record({
      low: fc.nat(4),
      high: fc.nat(4),
      quietMs: fc.oneof(fc.nat(100), fc.nat(100_000), fc.nat(2 ** 30)),
    });
    const property = fc.property(fc.array(flow, { maxLength: 60 }), fc.nat(60), (seen, wanted) => {
      const eviction = new Eviction();
      eviction.begin();
      for (const [slot, each] of seen.entries()) note(eviction, slot, each);
      const chosen = new Set(choose(eviction, wanted));
      expect(chosen.size).toBe(Math.min(wanted, seen.length));
      const isSlight = ({ low, high }: Seen): boolean => low + high <= 2 && (low === 0 || high === 0);
      const gone = seen.filter((_, slot) => chosen.has(slot));
      const kept = seen.filter((_, slot) => !chosen.has(slot));
      for (const one of gone) {
        for (const other of kept) {
          expect(isSlight(one) || !isSlight(other)).toBe(true);
          if (isSlight(one) === isSlight(other))
            expect(one.quietMs).toBeGreaterThanOrEqual(other.quietMs * 0.96 - 1);
        }
      }
    });
    fc.assert(property);
  });

  test("takes milliseconds for a hundred thousand flows", () => {
    const eviction = new Eviction();
    eviction.begin();
    for (let slot = 0; slot < 100_000; slot++)
      note(eviction, slot, { low: 1 + (slot % 5), high: slot % 2, quietMs: slot % 60_000 });
    for (let i = 0; i < 20; i++) choose(eviction, 10_000);
    const { user, system } = process.threadCpuUsage();
    const chosen = choose(eviction, 10_000);
    const after = process.threadCpuUsage();
    expect(chosen.length).toBe(10_000);
    // CPU time, of which there is about 0.5 ms.
    expect(after.user - user + (after.system - system)).toBeLessThan(20_000);
  });
});

describe("FlowTable evicts", () => {
  const newTable = (): FlowTable =>
    new FlowTable({ timeouts: TIMEOUTS, context: CONTEXT, capacity: 4, seed: 7, mapCapacity: CAPACITY });

  /** A flood's packet: a flow of its own. */
  function flood(kernel: KernelModel, number: number, atNs: number): void {
    const low = `10.1.${number >>> 8}.${number & 255}`;
    kernel.packet(keyOf({ low, high: "11.0.0.1", lowPort: 1024 + number }), { way: 0, at: atNs, flags: SYN });
  }

  test("a flood beyond 90 % down to 80 %, oldest first, and keeps the conversation beside it exact", () => {
    const table = newTable();
    const kernel = new KernelModel();
    const records: RecordFields[] = [];
    let sent = 0;
    const keep = (found: readonly RecordFields[]): void => {
      records.push(...found.filter(({ destinationPort }) => destinationPort === 53));
    };
    for (let second = 1; second <= 30; second++) {
      kernel.packet(UDP_KEY, { way: 0, at: second * SECOND, bytes: 70 });
      kernel.packet(UDP_KEY, { way: 1, at: second * SECOND + 1e6, bytes: 200 });
      for (let i = 0; i < 15; i++) flood(kernel, sent++, second * SECOND + 1e7 + i);
      keep(scan(table, kernel, second * SECOND + SECOND / 2));
      expect(kernel.entries.size).toBeLessThanOrEqual(90);
    }
    const { evicted, recordsByEndReason, packetsTold, packetsPending } = table.stats();
    expect(evicted).toBe(recordsByEndReason[END_REASON.lackOfResources] as number);
    expect(evicted).toBeGreaterThan(sent - 90 - 15);
    expect(packetsTold + packetsPending).toBe(kernel.accountedPackets);
    // What is left of the flood is its youngest, those of one second being alike.
    const left = [...kernel.entries.values()].map(({ key }) => new DataView(key.buffer).getUint16(32) - 1024);
    const flooded = left.filter((number) => number < 20_000);
    expect(Math.min(...flooded)).toBeGreaterThanOrEqual(sent - flooded.length - 15);
    keep(scanWith(table, kernel, 31 * SECOND, { isFinal: true }));
    expect(records).toHaveLength(1);
    expect(records[0]).toMatchObject({ delta: [30, 2100, 30, 6000], reason: END_REASON.forcedEnd });
  });

  test("none where what ends anyhow makes room enough", () => {
    const table = newTable();
    const kernel = new KernelModel();
    for (let i = 0; i < 20; i++) flood(kernel, i, SECOND);
    for (let i = 20; i < 95; i++) flood(kernel, i, 20 * SECOND);
    expect(scan(table, kernel, 21 * SECOND)).toHaveLength(20);
    expect(table.stats()).toMatchObject({ evicted: 0, active: 75 });
    expect(table.stats().recordsByEndReason[END_REASON.idleTimeout]).toBe(20);
  });

  test("none up to 90 %, nor where it does not know the kernel's capacity", () => {
    const kernel = new KernelModel();
    for (let i = 0; i < 90; i++) flood(kernel, i, SECOND);
    const table = newTable();
    expect(scan(table, kernel, 2 * SECOND)).toEqual([]);
    flood(kernel, 90, 2 * SECOND);
    const unaware = new FlowTable({ timeouts: TIMEOUTS, context: CONTEXT });
    expect(scan(unaware, kernel, 3 * SECOND)).toEqual([]);
    expect(scan(table, kernel, 3 * SECOND)).toHaveLength(11);
  });

  test("by last values: what came between the look and the removal is told", () => {
    const table = newTable();
    const kernel = new KernelModel();
    for (let i = 0; i < 91; i++) flood(kernel, i, SECOND + i * 1e7);
    const oldest = keyOf({ low: "10.1.0.0", high: "11.0.0.1", lowPort: 1024 });
    const records = scanWith(table, kernel, 3 * SECOND, {
      beforeTake: () => kernel.packet(oldest, { way: 1, at: 3 * SECOND, flags: SYN | ACK }),
    });
    const record = records.find(({ sourcePort }) => sourcePort === 1024);
    expect(record).toMatchObject({ delta: [1, 100, 1, 100], reason: END_REASON.lackOfResources });
  });

  test("is pressed from the kernel's word on until the next scan begins", () => {
    const table = newTable();
    const event = new Uint32Array(18);
    event[0] = 64;
    event[2 + 14] = 4;
    expect(table.isPressed).toBe(false);
    table.addEvents({ length: event.byteLength, words: event }, clockAt(SECOND));
    expect(table.isPressed).toBe(true);
    table.beginScan(clockAt(SECOND));
    expect(table.isPressed).toBe(false);
    expect(table.stats().created).toBe(0);
  });
});
