import { describe, expect, test } from "bun:test";
import type { RecordFilter } from "../../../src/flow/flow.ts";
import { fieldsOf, newTable, type RecordFields, scan, scanWith, takeAll } from "./driver.ts";
import { clockAt, KernelModel, keyOf, OFFSET_NS, RST, SECOND, SYN } from "./kernel-model.ts";

const KEY = keyOf({});
const OTHER = keyOf({ lowPort: 40001 });

type Refuse = (record: RecordFields) => boolean;

/** Refuses flows, and records of the others, as told; keeps what it was asked about flows. */
class Judge implements RecordFilter {
  readonly asked: RecordFields[] = [];
  readonly #refuses: Refuse;
  readonly #refusesRecord: Refuse;

  constructor(refuses: Refuse, refusesRecord: Refuse = () => false) {
    this.#refuses = refuses;
    this.#refusesRecord = refusesRecord;
  }

  acceptsRecord(words: Uint32Array, at: number): boolean {
    return !this.#refusesRecord(fieldsOf(words, at, OFFSET_NS));
  }

  acceptsFlow(words: Uint32Array, at: number): boolean {
    const record = fieldsOf(words, at, OFFSET_NS);
    this.asked.push(record);
    return !this.#refuses(record);
  }
}

/** A life that no scan sees, and the SYN of the next one. */
function unseenLife(kernel: KernelModel, key: Uint32Array): void {
  kernel.packet(key, { way: 0, at: SECOND, flags: SYN, hook: 1 << 1, overhead: [50, 0] });
  kernel.packet(key, { way: 1, at: 1.1 * SECOND, flags: RST, hook: 1 << 1 });
  kernel.packet(key, { way: 0, at: 1.2 * SECOND, flags: SYN, hook: 1 << 1 });
}

describe("FlowTable with a filter", () => {
  test("tells nothing of a refused life, counts it apart, and asks once", () => {
    const filter = new Judge(() => true);
    const table = newTable({ filter, timeouts: { tcpNs: 600 * SECOND } });
    const kernel = new KernelModel();
    for (const second of [1, 62, 123]) {
      kernel.packet(KEY, { way: 0, at: second * SECOND, bytes: 40, overhead: [9, 9] });
      expect(scan(table, kernel, (second + 60) * SECOND)).toEqual([]);
    }
    expect(filter.asked).toHaveLength(1);
    expect(filter.asked[0]).toMatchObject({ number: 0, ifindex: 2, delta: [1, 40, 0, 0] });
    expect(filter.asked[0]?.kind).toBeGreaterThan(0);
    expect(table.stats()).toMatchObject({
      packetsFiltered: 3,
      bytesFiltered: 120,
      recordsFiltered: 3,
      packetsTold: 0,
      bytesTold: 0,
      packetsPending: 0,
      recordsByEndReason: [0, 0, 0, 0, 0, 0],
    });
  });

  test("tells an accepted life to its end without asking again, whatever the filter would say", () => {
    const filter = new Judge((record) => record.number > 0 || record.sourcePort === 40001);
    const table = newTable({ filter, timeouts: { maxRecordIntervalNs: SECOND } });
    const kernel = new KernelModel();
    const told: RecordFields[] = [];
    for (const second of [1, 3, 5]) {
      kernel.packet(KEY, { way: 0, at: second * SECOND });
      kernel.packet(OTHER, { way: 0, at: second * SECOND });
      told.push(...scan(table, kernel, (second + 1) * SECOND));
    }
    expect(told.map((record) => [record.sourcePort, record.number])).toEqual([
      [40000, 0],
      [40000, 1],
      [40000, 2],
    ]);
    expect(filter.asked).toHaveLength(2);
    expect(table.stats()).toMatchObject({ packetsTold: 3, packetsFiltered: 3 });
  });

  test("leaves single records out, counts them, and tells on behind them", () => {
    const filter = new Judge(
      () => false,
      (record) => record.number % 2 === 0,
    );
    const table = newTable({ filter, timeouts: { maxRecordIntervalNs: SECOND } });
    const kernel = new KernelModel();
    const told: RecordFields[] = [];
    for (const second of [1, 3, 5, 7]) {
      kernel.packet(KEY, { way: 0, at: second * SECOND, bytes: 100, overhead: [9, 9] });
      told.push(...scan(table, kernel, (second + 1) * SECOND));
    }
    expect(told.map(({ number, delta, total }) => ({ number, delta, total }))).toEqual([
      { number: 1, delta: [1, 100, 0, 0], total: [2, 200, 0, 0] },
      { number: 3, delta: [1, 100, 0, 0], total: [4, 400, 0, 0] },
    ]);
    expect(told[0]?.start).toBeGreaterThanOrEqual(SECOND);
    expect(filter.asked).toHaveLength(1);
    expect(table.stats()).toMatchObject({
      packetsTold: 2,
      bytesTold: 200,
      packetsFiltered: 2,
      bytesFiltered: 200,
      recordsFiltered: 2,
      packetsPending: 0,
    });
  });

  test("judges each life of a 5-tuple anew", () => {
    const filter = new Judge((record) => record.flowStart < 4 * SECOND);
    const table = newTable({ filter });
    const kernel = new KernelModel();
    kernel.packet(KEY, { way: 0, at: SECOND, flags: SYN });
    scan(table, kernel, 2 * SECOND);
    kernel.packet(KEY, { way: 1, at: 3 * SECOND, flags: RST });
    kernel.packet(KEY, { way: 0, at: 4 * SECOND, flags: SYN });
    expect(scan(table, kernel, 5 * SECOND)).toEqual([]);
    const records = scanWith(table, kernel, 6 * SECOND, { isFinal: true });
    expect(records.map((record) => record.flowStart)).toEqual([4 * SECOND]);
    expect(table.stats()).toMatchObject({ packetsTold: 1, packetsFiltered: 2 });
  });

  test("judges a row that waits for its hooks when they are known; until then it is pending", () => {
    const filter = new Judge((record) => record.sourcePort === 40000);
    const kernel = new KernelModel();
    const table = newTable({ filter, findDetails: kernel.findDetails });
    unseenLife(kernel, KEY);
    unseenLife(kernel, OTHER);
    table.addEvents(kernel.drain(), clockAt(1.5 * SECOND));
    expect(takeAll(table)).toEqual([]);
    expect(filter.asked).toEqual([]);
    expect(table.stats()).toMatchObject({ packetsPending: 4, packetsTold: 0, packetsFiltered: 0 });
    const told = scan(table, kernel, 2 * SECOND);
    expect(told.map((record) => [record.sourcePort, record.detail?.tunnel.total])).toEqual([
      [40001, [50, 0]],
    ]);
    expect(filter.asked.map((record) => [record.ifindex, record.kind > 0])).toEqual([
      [1, true],
      [1, true],
    ]);
    expect(table.stats()).toMatchObject({
      packetsPending: 2,
      packetsTold: 2,
      packetsFiltered: 2,
      recordsFiltered: 1,
      recordsByEndReason: [0, 0, 0, 1, 0, 0],
    });
  });

  test("counts what was held and settled among what is filtered", () => {
    const table = newTable({ filter: new Judge(() => true) });
    const kernel = new KernelModel();
    const key = keyOf({ protocol: 17 });
    kernel.packet(key, { way: 0, at: SECOND });
    kernel.hold(key, 0, 7, 700, 900);
    expect(scan(table, kernel, 63 * SECOND)).toEqual([]);
    expect(table.stats()).toMatchObject({ packetsFiltered: 8, bytesFiltered: 800, packetsSettled: 7 });
  });

  test("leaves the rows before and behind a refused one whole", () => {
    const kernel = new KernelModel();
    const ports = [1, 2, 3, 4, 5];
    const table = newTable({ filter: new Judge((record) => record.destinationPort % 2 === 0) });
    for (const port of ports)
      kernel.packet(keyOf({ protocol: 17, highPort: port }), { way: 0, at: SECOND, ttl: port });
    const records = scanWith(table, kernel, 2 * SECOND, { isFinal: true });
    expect(records.map((record) => [record.destinationPort, record.ttl[0]])).toEqual([
      [1, 1],
      [3, 3],
      [5, 5],
    ]);
  });
});

test("FlowTable writes its sampling rate on every record, held ones too", () => {
  const kernel = new KernelModel();
  const table = newTable({ samplingRate: 1000 });
  unseenLife(kernel, KEY);
  kernel.packet(OTHER, { way: 0, at: SECOND });
  const records = [
    ...scan(table, kernel, 2 * SECOND),
    ...scanWith(table, kernel, 3 * SECOND, { isFinal: true }),
  ];
  expect(records.map((record) => record.samplingRate)).toEqual([1000, 1000, 1000]);
});
