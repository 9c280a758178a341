// What records say of TCP: deltas of counts that wrap, means of a record, lives apart.

import { describe, expect, test } from "bun:test";
import { SHARED, TCP_STATE } from "../../../src/capture/record.ts";
import { CONNECTION_STATE } from "../../../src/flow/flow.ts";
import { newTable, type RecordFields, scan, scanWith } from "./driver.ts";
import { ACK, clockAt, FIN, KernelModel, keyOf, RST, SECOND, SYN } from "./kernel-model.ts";
import { overflowEvents } from "./overflow-event.ts";

const KEY = keyOf({});
const EACH_SCAN = { timeouts: { maxRecordIntervalNs: 0 } };

interface TcpValue {
  readonly retransmits?: readonly [number, number];
  readonly outOfOrder?: readonly [number, number];
  readonly responses?: readonly [count: number, sumNs: number, jitterNs: number];
  readonly state?: number;
}

/** What the program has of the life's segments; counts of the kernel's width. */
function setTcp(kernel: KernelModel, { retransmits, outOfOrder, responses, state }: TcpValue): void {
  const value = kernel.valueOf(KEY);
  const pair = ([low, high]: readonly [number, number]): number => (low & 0xffff) | (high << 16);
  if (retransmits !== undefined) value[SHARED.retransmits] = pair(retransmits);
  if (outOfOrder !== undefined) value[SHARED.outOfOrder] = pair(outOfOrder);
  if (responses !== undefined) {
    const [count, sumNs, jitterNs] = responses;
    value[SHARED.responseCount] = count;
    value[SHARED.responseSumNs] = sumNs % 2 ** 32;
    value[SHARED.responseSumNs + 1] = Math.floor(sumNs / 2 ** 32);
    value[SHARED.responseJitterNs] = jitterNs;
  }
  if (state !== undefined) value[SHARED.octets] = (value[SHARED.octets] as number) | (state << 16);
}

function bothWays(kernel: KernelModel, at: number, flags = ACK): void {
  kernel.packet(KEY, { way: 0, at, flags });
  kernel.packet(KEY, { way: 1, at, flags });
}

function only(records: readonly RecordFields[]): RecordFields {
  expect(records).toHaveLength(1);
  return records[0] as RecordFields;
}

describe("FlowTable tells of TCP", () => {
  test("each count's delta once, by the flow's orientation, through the end of 16 bits", () => {
    const kernel = new KernelModel();
    const table = newTable(EACH_SCAN);
    kernel.packet(KEY, { way: 1, at: SECOND, flags: SYN });
    kernel.packet(KEY, { way: 0, at: SECOND, flags: SYN | ACK });
    setTcp(kernel, { retransmits: [5, 60_000], outOfOrder: [1, 2] });
    const first = only(scan(table, kernel, 2 * SECOND));
    expect(first.tcp).toMatchObject({ retransmits: [60_000, 5], outOfOrder: [2, 1] });
    bothWays(kernel, 3 * SECOND);
    setTcp(kernel, { retransmits: [5, 70_000], outOfOrder: [65_535, 2] });
    const second = only(scan(table, kernel, 4 * SECOND));
    expect(second.tcp).toMatchObject({ retransmits: [10_000, 0], outOfOrder: [0, 0] });
  });

  test("more than 2^16 packets between two records, where scans have seen each part", () => {
    const kernel = new KernelModel();
    const table = newTable();
    for (let seconds = 1; seconds <= 5; seconds++) {
      bothWays(kernel, seconds * SECOND);
      setTcp(kernel, { retransmits: [seconds * 30_000, 0] });
      expect(scan(table, kernel, seconds * SECOND)).toEqual([]);
    }
    const record = only(scanWith(table, kernel, 6 * SECOND, { isFinal: true }));
    expect(record.tcp).toMatchObject({ retransmits: [150_000, 0], outOfOrder: [0, 0] });
  });

  test("no packets of a count that was read while a new life began", () => {
    const kernel = new KernelModel();
    const table = newTable();
    bothWays(kernel, SECOND);
    setTcp(kernel, { retransmits: [9, 0] });
    scan(table, kernel, SECOND);
    setTcp(kernel, { retransmits: [0, 0] });
    scan(table, kernel, 2 * SECOND);
    setTcp(kernel, { retransmits: [11, 0] });
    const record = only(scanWith(table, kernel, 3 * SECOND, { isFinal: true }));
    expect(record.tcp?.retransmits).toEqual([11, 0]);
  });

  test("the mean of the record's responses, beyond 2^32 ns, and no jitter of the first", () => {
    const kernel = new KernelModel();
    const table = newTable(EACH_SCAN);
    bothWays(kernel, SECOND);
    setTcp(kernel, { responses: [1, 6e9, 0] });
    expect(only(scan(table, kernel, 2 * SECOND)).tcp).toMatchObject({ responseNs: 6e9, jitterNs: undefined });
    bothWays(kernel, 3 * SECOND);
    expect(only(scan(table, kernel, 4 * SECOND)).tcp).toMatchObject({
      responseNs: undefined,
      jitterNs: undefined,
    });
    bothWays(kernel, 5 * SECOND);
    setTcp(kernel, { responses: [4, 6e9 + 1001, 77] });
    expect(only(scan(table, kernel, 6 * SECOND)).tcp).toMatchObject({ responseNs: 333, jitterNs: 77 });
  });

  test("a latency of 0 ns and a jitter of 0 ns as measured", () => {
    const kernel = new KernelModel();
    bothWays(kernel, SECOND);
    setTcp(kernel, { responses: [2, 0, 0] });
    const record = only(scanWith(newTable(), kernel, 2 * SECOND, { isFinal: true }));
    expect(record.tcp).toMatchObject({ responseNs: 0, jitterNs: 0 });
  });

  test("the state, by the flow's orientation", () => {
    const kernel = new KernelModel();
    kernel.packet(KEY, { way: 1, at: SECOND, flags: SYN });
    kernel.packet(KEY, { way: 0, at: SECOND, flags: SYN | ACK });
    kernel.packet(KEY, { way: 1, at: SECOND, flags: FIN | ACK });
    setTcp(kernel, { state: TCP_STATE.established | (TCP_STATE.finActive << 1) | (TCP_STATE.finAcked << 1) });
    const record = only(scanWith(newTable(), kernel, 2 * SECOND, { isFinal: true }));
    expect(record.tcp?.state).toBe(CONNECTION_STATE.finWait2);
  });

  test("a life that ended between two scans by its event, and the next one from zero", () => {
    const kernel = new KernelModel();
    const table = newTable();
    bothWays(kernel, SECOND);
    setTcp(kernel, { retransmits: [3, 0], responses: [1, 500, 0] });
    scan(table, kernel, 2 * SECOND);
    bothWays(kernel, 3 * SECOND, RST);
    setTcp(kernel, { retransmits: [4, 0], outOfOrder: [0, 6], responses: [3, 800, 9] });
    kernel.packet(KEY, { way: 0, at: 4 * SECOND, flags: SYN });
    const old = only(scan(table, kernel, 5 * SECOND));
    expect(old.tcp).toEqual({
      state: CONNECTION_STATE.closed,
      responseNs: 266,
      jitterNs: 9,
      retransmits: [4, 0],
      outOfOrder: [0, 6],
    });
    kernel.packet(KEY, { way: 0, at: 6 * SECOND, flags: ACK });
    setTcp(kernel, { retransmits: [1, 0], responses: [1, 40, 0] });
    const next = only(scanWith(table, kernel, 7 * SECOND, { isFinal: true }));
    expect(next.tcp).toMatchObject({
      state: CONNECTION_STATE.synSent,
      responseNs: 40,
      jitterNs: undefined,
      retransmits: [1, 0],
      outOfOrder: [0, 0],
    });
  });

  test("a life that no scan saw, whose row waits for its hooks", () => {
    const kernel = new KernelModel();
    const table = newTable();
    bothWays(kernel, SECOND, RST);
    setTcp(kernel, { outOfOrder: [2, 0], responses: [1, 70, 0] });
    kernel.packet(KEY, { way: 0, at: 4 * SECOND, flags: SYN });
    const old = only(scan(table, kernel, 5 * SECOND));
    expect(old.tcp).toMatchObject({ responseNs: 70, outOfOrder: [2, 0] });
  });

  test("nothing of a life whose event was lost", () => {
    const kernel = new KernelModel();
    const table = newTable();
    bothWays(kernel, SECOND, RST);
    setTcp(kernel, { retransmits: [3, 0] });
    scan(table, kernel, 2 * SECOND);
    kernel.packet(KEY, { way: 0, at: 4 * SECOND, flags: SYN });
    kernel.loseEvents();
    expect(only(scan(table, kernel, 5 * SECOND)).tcp).toBeUndefined();
    const next = only(scanWith(table, kernel, 6 * SECOND, { isFinal: true }));
    expect(next.tcp).toMatchObject({ retransmits: [0, 0] });
  });

  test("nothing of a flow that found no room, of UDP, of later fragments", () => {
    const overflown = newTable();
    overflown.addEvents(
      overflowEvents([{ key: KEY, fields: { way: 0, at: SECOND, flags: SYN } }]),
      clockAt(SECOND),
    );
    const kernel = new KernelModel();
    kernel.packet(keyOf({ protocol: 17 }), { way: 0, at: SECOND });
    kernel.packet(keyOf({ lowPort: 0, highPort: 0 }), { way: 0, at: SECOND });
    const records = [
      ...scanWith(overflown, new KernelModel(), 9 * SECOND, { isFinal: true }),
      ...scanWith(newTable(), kernel, 2 * SECOND, { isFinal: true }),
    ];
    expect(records.map(({ tcp }) => tcp)).toEqual([undefined, undefined, undefined]);
  });

  test("of each of many flows its own, when others have gone", () => {
    const kernel = new KernelModel();
    const table = newTable({ timeouts: { tcpNs: 2 * SECOND } });
    const flow = (number: number): Uint32Array => keyOf({ lowPort: number + 1 });
    for (let number = 0; number < 100; number++) {
      kernel.packet(flow(number), { way: 0, at: SECOND + (number % 2) * SECOND, flags: ACK });
      kernel.valueOf(flow(number))[SHARED.retransmits] = number + 1;
    }
    scan(table, kernel, 2 * SECOND);
    const gone = scan(table, kernel, 3.5 * SECOND);
    for (let number = 100; number < 150; number++)
      kernel.packet(flow(number), { way: 0, at: 3.6 * SECOND, flags: ACK });
    const rest = scanWith(table, kernel, 3.7 * SECOND, { isFinal: true });
    expect([gone.length, rest.length]).toEqual([50, 100]);
    for (const { sourcePort, destinationPort, tcp } of [...gone, ...rest]) {
      const port = Math.min(sourcePort, destinationPort);
      expect(tcp?.retransmits.toSorted()).toEqual(port <= 100 ? [0, port] : [0, 0]);
    }
  });
});
