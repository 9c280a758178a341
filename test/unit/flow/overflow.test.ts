import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { END_REASON, RECORD, RECORD_WORDS, SPAN_KIND } from "../../../src/flow/flow.ts";
import { MOST_OVERFLOW_FLOWS } from "../../../src/flow/overflow.ts";
import { FlowTable } from "../../../src/flow/table.ts";
import { CONTEXT, fieldsOf, newTable, type RecordFields, scan, scanWith, TIMEOUTS } from "./driver.ts";
import { ACK, clockAt, KernelModel, keyOf, OFFSET_NS, SECOND, SYN } from "./kernel-model.ts";
import { type OverflowFields, overflowEvents } from "./overflow-event.ts";

const TCP_KEY = keyOf({});
const UDP_KEY = keyOf({ protocol: 17, highPort: 53 });
const OWNER = 2 << 1;
const OTHER = 3 << 1;

function add(table: FlowTable, key: Uint32Array, ...packets: OverflowFields[]): void {
  const last = packets.at(-1)?.at ?? 0;
  table.addEvents(overflowEvents(packets.map((fields) => ({ key, fields }))), clockAt(last));
}

/** Accepted = told + filtered + pending, which is what the sum over everything counts on. */
function expectSum(table: FlowTable, accounted = 0): void {
  const { packetsOverflow, packetsTold, packetsFiltered, packetsPending, packetsSettled } = table.stats();
  expect(packetsOverflow + accounted).toBe(packetsTold + packetsFiltered + packetsPending - packetsSettled);
}

function only(records: RecordFields[]): RecordFields {
  expect(records).toHaveLength(1);
  return records[0] as RecordFields;
}

describe("OverflowFlows", () => {
  test("tells a conversation whole, by who began it, once a scan passes without a packet of it", () => {
    const table = newTable();
    const kernel = new KernelModel();
    add(
      table,
      TCP_KEY,
      {
        way: 1,
        at: SECOND,
        flags: SYN,
        bytes: 60,
        hook: (1 << 1) | 0,
        trafficClass: 0x28,
        ttl: 63,
        label: 7,
      },
      { way: 0, at: 1.1 * SECOND, flags: SYN | ACK, bytes: 60, hook: (1 << 1) | 1, ttl: 60 },
      { way: 1, at: 1.2 * SECOND, flags: ACK, bytes: 1000, packets: 3, hook: (1 << 1) | 0, ttl: 9 },
    );
    expect(scan(table, kernel, 2 * SECOND)).toEqual([]);
    expect(table.stats()).toMatchObject({ active: 1, packetsPending: 5, packetsOverflow: 5 });
    const record = only(scan(table, kernel, 3 * SECOND));
    expect(record).toMatchObject({
      source: "10.0.0.2",
      sourcePort: 443,
      destinationPort: 40000,
      // Interface 1 faces a workload: it began the conversation here.
      kind: SPAN_KIND.client,
      ifindex: 1,
      reason: END_REASON.lackOfResources,
      delta: [4, 1060, 1, 60],
      total: [4, 1060, 1, 60],
      start: SECOND,
      end: 1.2 * SECOND,
      flowStart: SECOND,
      number: 0,
      tcpFlags: [SYN | ACK, SYN | ACK],
      trafficClass: [0x28, 0],
      ttl: [63, 60],
      labels: [7, 0],
      hasForward: true,
      hasReverse: true,
      hasMac: false,
    });
    expect(table.stats()).toMatchObject({ active: 0, created: 1, released: 1, packetsPending: 0 });
    expect(table.stats().recordsByEndReason[END_REASON.lackOfResources]).toBe(1);
    expectSum(table);
  });

  test("tells the sender's MAC, the VLAN and the ICMP message of each side", () => {
    const table = newTable();
    const kernel = new KernelModel();
    const ping = keyOf({ protocol: 1, lowPort: 77, highPort: 77, icmpPairing: 1 });
    add(
      table,
      ping,
      { way: 0, at: SECOND, icmpType: 8, vlanId: 42, mac: [2, 0, 0xaa, 0xbb, 0xcc, 0xdd] },
      { way: 1, at: 1.1 * SECOND, icmpType: 0, icmpCode: 3, vlanId: 43, mac: [4, 0, 0, 0, 0, 1] },
    );
    for (let at = 2; at < 4; at++) scanWithout(table, kernel, at * SECOND);
    const batch = table.takeRecords();
    const words = batch?.words ?? new Uint32Array(RECORD_WORDS);
    expect(batch?.count).toBe(1);
    expect(fieldsOf(words, 0, OFFSET_NS)).toMatchObject({ icmp: [8, 0, 0, 3], hasMac: true });
    expect(words[RECORD.vlanId]).toBe(42);
    expect([words[RECORD.sourceMac], words[RECORD.sourceMac + 1]]).toEqual([0xbbaa0002, 0xddcc]);
  });

  test("leaves out copies at another hook, until the first has been silent for a second", () => {
    const table = newTable();
    const kernel = new KernelModel();
    add(table, UDP_KEY, { way: 0, at: SECOND, hook: OWNER }, { way: 0, at: 1.001 * SECOND, hook: OTHER });
    add(
      table,
      UDP_KEY,
      { way: 1, at: 1.002 * SECOND, hook: OTHER },
      { way: 1, at: 1.003 * SECOND, hook: OWNER },
    );
    scan(table, kernel, 1.5 * SECOND);
    // The copy of a packet that was taken in before the scan.
    add(table, UDP_KEY, { way: 0, at: 1.6 * SECOND, hook: OTHER });
    add(table, UDP_KEY, { way: 0, at: 2.1 * SECOND, hook: OTHER, hasEntered: true });
    add(table, UDP_KEY, { way: 0, at: 2.2 * SECOND, hook: OWNER });
    expect(table.stats()).toMatchObject({ packetsOverflow: 3, packetsOverflowDuplicate: 4 });
    scan(table, kernel, 3 * SECOND);
    expect(only(scan(table, kernel, 4 * SECOND))).toMatchObject({ delta: [2, 200, 1, 100], ifindex: 3 });
    expectSum(table);
  });

  test("tells a flow that goes on at the interval, each packet once", () => {
    const table = newTable();
    const kernel = new KernelModel();
    const records: RecordFields[] = [];
    for (let at = 1; at <= 70; at++) {
      add(table, UDP_KEY, { way: 0, at: at * SECOND, ttl: at });
      records.push(...scan(table, kernel, at * SECOND + SECOND / 2));
      expectSum(table);
    }
    for (let at = 71; at < 73; at++) records.push(...scan(table, kernel, at * SECOND + SECOND / 2));
    expect(
      records.map(({ reason, number, delta, total, ttl }) => [reason, number, delta[0], total[0], ttl[0]]),
    ).toEqual([
      [END_REASON.activeTimeout, 0, 61, 61, 1],
      [END_REASON.lackOfResources, 1, 9, 70, 62],
    ]);
    expect(records[1]?.flowStart).toBe(SECOND);
  });

  test("keeps a flow of the table apart from its packets that found no room before", () => {
    const table = newTable();
    const kernel = new KernelModel();
    add(table, UDP_KEY, { way: 0, at: SECOND, packets: 2 });
    kernel.packet(UDP_KEY, { way: 0, at: 2 * SECOND, packets: 5 });
    scan(table, kernel, 3 * SECOND);
    const own = only(scan(table, kernel, 4 * SECOND));
    expect([own.reason, own.delta[0]]).toEqual([END_REASON.lackOfResources, 2]);
    expect(table.stats().active).toBe(1);
    const records = scanWith(table, kernel, 5 * SECOND, { isFinal: true });
    expect(records.map(({ reason, delta }) => [reason, delta[0]])).toEqual([[END_REASON.forcedEnd, 5]]);
    expectSum(table, kernel.accountedPackets);
  });

  test("asks the filter, and counts what it leaves out", () => {
    const filter = {
      acceptsFlow: (words: Uint32Array, at: number) => words[at + RECORD.ports] !== 53 << 16,
      acceptsRecord: () => true,
    };
    const table = new FlowTable({ timeouts: TIMEOUTS, context: CONTEXT, filter });
    const kernel = new KernelModel();
    add(table, keyOf({ protocol: 17, lowPort: 0, highPort: 53 }), {
      way: 0,
      at: SECOND,
      packets: 3,
      bytes: 300,
    });
    add(table, UDP_KEY, { way: 0, at: SECOND, packets: 4 });
    expect(only(scanWith(table, kernel, 2 * SECOND, { isFinal: true })).delta[0]).toBe(4);
    const expected = { packetsTold: 4, packetsFiltered: 3, bytesFiltered: 300, packetsPending: 0 };
    expect(table.stats()).toMatchObject(expected);
    expectSum(table);
  });

  test("tells everything at the last scan, and has a replay scan at once while it holds a flow", () => {
    const table = newTable();
    const kernel = new KernelModel();
    expect(scan(table, kernel, SECOND)).toEqual([]);
    expect(table.nextDueNs).toBe(Number.POSITIVE_INFINITY);
    add(table, UDP_KEY, { way: 0, at: SECOND });
    expect(table.nextDueNs).toBe(0);
    const record = only(scanWith(table, kernel, 2 * SECOND, { isFinal: true }));
    expect(record.reason).toBe(END_REASON.lackOfResources);
    expectSum(table);
  });

  test("tells each packet of each way once, whatever comes between", () => {
    const step = fc.oneof(
      fc.record({ flow: fc.nat(4), way: fc.constantFrom(0, 1), packets: fc.integer({ min: 1, max: 9 }) }),
      fc.constant("scan" as const),
    );
    const property = fc.property(fc.array(step, { maxLength: 80 }), fc.nat(2000), (steps, gapMs) => {
      const table = newTable({ timeouts: { maxRecordIntervalNs: 3 * SECOND } });
      const kernel = new KernelModel();
      const sent = new Map<string, number>();
      const records: RecordFields[] = [];
      let at = SECOND;
      for (const each of steps) {
        at += gapMs * 1e6;
        if (each === "scan") {
          records.push(...scan(table, kernel, at));
        } else {
          const { flow, way, packets } = each;
          const source = way === 0 ? "10.0.0.1" : "10.0.0.2";
          sent.set(`${flow} ${source}`, (sent.get(`${flow} ${source}`) ?? 0) + packets);
          add(table, keyOf({ protocol: 17, lowPort: 40_000 + flow, highPort: 50_000 + flow }), {
            way: way === 0 ? 0 : 1,
            at,
            packets,
          });
        }
        expectSum(table);
      }
      records.push(...scanWith(table, kernel, at, { isFinal: true }));
      const told = new Map<string, number>();
      for (const { source, destination, sourcePort, delta } of records) {
        const flow = sourcePort % 10_000;
        for (const [from, packets = 0] of [
          [source, delta[0]],
          [destination, delta[2]],
        ] as const)
          if (packets > 0) told.set(`${flow} ${from}`, (told.get(`${flow} ${from}`) ?? 0) + packets);
      }
      expect(told).toEqual(sent);
    });
    fc.assert(property);
  });

  test("is bounded: a flood of flows is told as it comes, and no packet twice", () => {
    const table = newTable();
    const flows = 5 * MOST_OVERFLOW_FLOWS;
    let records = 0;
    let most = 0;
    for (let first = 0; first < flows; first += 1024) {
      const packets = Array.from({ length: 1024 }, (_, i) => {
        const key = keyOf({
          low: `10.${(first + i) >>> 16}.${((first + i) >>> 8) & 255}.${(first + i) & 255}`,
          high: "11.0.0.1",
        });
        return { key, fields: { way: 0, at: SECOND + first, flags: SYN } as const };
      });
      // Every packet is seen again right behind.
      const copies = packets.map(({ key, fields }) => ({ key, fields: { ...fields, hook: OTHER } }));
      table.addEvents(overflowEvents([...packets, ...copies]), clockAt(SECOND + first));
      most = Math.max(most, table.stats().active);
      for (let batch = table.takeRecords(); batch !== undefined; batch = table.takeRecords())
        records += batch.count;
    }
    expect(most).toBeLessThanOrEqual(MOST_OVERFLOW_FLOWS);
    expect(table.stats()).toMatchObject({ packetsOverflow: flows, packetsOverflowDuplicate: flows });
    expect(table.bytes).toBeLessThan(12e6);
    records += scanWith(table, new KernelModel(), 2 * SECOND, { isFinal: true }).length;
    expect(records).toBe(flows);
    expectSum(table);
  });
});

/** A scan whose records stay in the table. */
function scanWithout(table: FlowTable, kernel: KernelModel, atNs: number): void {
  kernel.generation++;
  table.beginScan(clockAt(atNs));
  table.endScan();
}
