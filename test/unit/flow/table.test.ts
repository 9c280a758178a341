import { describe, expect, test } from "bun:test";
import { SHARED, WAY_FLAG } from "../../../src/capture/record.ts";
import { END_REASON, SPAN_KIND } from "../../../src/flow/flow.ts";
import { newTable, type RecordFields, scan, scanWith, takeAll } from "./driver.ts";
import { ACK, clockAt, FIN, KernelModel, keyOf, OFFSET_NS, RST, SECOND, SYN } from "./kernel-model.ts";

const TCP_KEY = keyOf({});
const UDP_KEY = keyOf({ protocol: 17, highPort: 53 });

function only(records: RecordFields[]): RecordFields {
  expect(records).toHaveLength(1);
  return records[0] as RecordFields;
}

function start(): { table: ReturnType<typeof newTable>; kernel: KernelModel } {
  return { table: newTable(), kernel: new KernelModel() };
}

/** Handshake and close, both ends in turn, within ten milliseconds from `at`. */
function shortConnection(kernel: KernelModel, at: number, key: Uint32Array = TCP_KEY): void {
  kernel.packet(key, { way: 0, at, flags: SYN });
  kernel.packet(key, { way: 1, at: at + 1e6, flags: SYN | ACK });
  kernel.packet(key, { way: 0, at: at + 2e6, flags: ACK | FIN });
  kernel.packet(key, { way: 1, at: at + 3e6, flags: ACK | FIN });
}

describe("FlowTable ends", () => {
  test("an idle flow after its protocol's timeout since the last packet, and frees it", () => {
    const table = newTable({ timeouts: { maxRecordIntervalNs: 120 * SECOND } });
    const kernel = new KernelModel();
    kernel.packet(UDP_KEY, { way: 0, at: 5 * SECOND, bytes: 60 });
    kernel.packet(UDP_KEY, { way: 1, at: 6 * SECOND, bytes: 200, packets: 2 });
    expect(scan(table, kernel, 10 * SECOND)).toEqual([]);
    expect(scan(table, kernel, 66 * SECOND - 1)).toEqual([]);
    const record = only(scan(table, kernel, 66 * SECOND));
    expect(record).toMatchObject({
      reason: END_REASON.idleTimeout,
      delta: [1, 60, 2, 200],
      total: [1, 60, 2, 200],
    });
    expect(record).toMatchObject({ start: 5 * SECOND, end: 6 * SECOND, flowStart: 5 * SECOND, number: 0 });
    expect(kernel.entries.size).toBe(0);
    expect(table.stats()).toMatchObject({
      active: 0,
      created: 1,
      released: 1,
      packetsTold: 3,
      bytesTold: 260,
    });
  });

  test("a flow with nothing new since its record without another one", () => {
    const { table, kernel } = start();
    kernel.packet(UDP_KEY, { way: 0, at: SECOND });
    kernel.packet(UDP_KEY, { way: 0, at: 2 * SECOND });
    expect(only(scan(table, kernel, 61 * SECOND)).reason).toBe(END_REASON.activeTimeout);
    expect(scan(table, kernel, 62 * SECOND)).toEqual([]);
    expect(table.stats()).toMatchObject({ active: 0, released: 1 });
  });

  test("a connection closed both ways after its FIN timeout as end_of_flow_detected", () => {
    const { table, kernel } = start();
    shortConnection(kernel, SECOND);
    expect(scan(table, kernel, 6 * SECOND)).toEqual([]);
    const record = only(scan(table, kernel, 6.003 * SECOND));
    expect(record).toMatchObject({ reason: END_REASON.endOfFlowDetected, delta: [2, 200, 2, 200] });
    expect(record.tcpFlags).toEqual([SYN | ACK | FIN, SYN | ACK | FIN]);
  });

  test("a reset connection after its RST timeout, a half-closed one only when idle", () => {
    const { table, kernel } = start();
    const half = keyOf({ lowPort: 40001 });
    kernel.packet(TCP_KEY, { way: 1, at: SECOND, flags: RST | ACK });
    kernel.packet(half, { way: 1, at: SECOND, flags: FIN | ACK });
    expect(scan(table, kernel, 4 * SECOND - 1)).toEqual([]);
    expect(only(scan(table, kernel, 4 * SECOND)).reason).toBe(END_REASON.endOfFlowDetected);
    expect(scan(table, kernel, 21 * SECOND - 1)).toEqual([]);
    expect(only(scan(table, kernel, 21 * SECOND)).reason).toBe(END_REASON.idleTimeout);
  });

  test("no flow that was quiet for less than a second, whatever the timeout", () => {
    const table = newTable({ timeouts: { udpNs: 1e8 } });
    const kernel = new KernelModel();
    kernel.packet(UDP_KEY, { way: 0, at: SECOND });
    expect(scan(table, kernel, 2 * SECOND - 1)).toEqual([]);
    expect(scan(table, kernel, 2 * SECOND)).toHaveLength(1);
  });

  test("what came between the look and the removal is in the last record", () => {
    const { table, kernel } = start();
    kernel.packet(UDP_KEY, { way: 0, at: SECOND });
    const beforeTake = (): void => kernel.packet(UDP_KEY, { way: 1, at: 70 * SECOND, packets: 3, ttl: 9 });
    const record = only(scanWith(table, kernel, 69 * SECOND, { beforeTake }));
    expect(record).toMatchObject({
      delta: [1, 100, 3, 300],
      end: 70 * SECOND,
      ttl: [64, 9],
      hasReverse: true,
    });
    expect(table.stats().packetsPending).toBe(0);
  });

  test("every flow at shutdown: forced, or end_of_flow_detected where it was closed", () => {
    const { table, kernel } = start();
    kernel.packet(UDP_KEY, { way: 0, at: SECOND });
    shortConnection(kernel, SECOND);
    const records = scanWith(table, kernel, 2 * SECOND, { isFinal: true });
    expect(records.map((record) => record.reason)).toEqual([
      END_REASON.forcedEnd,
      END_REASON.endOfFlowDetected,
    ]);
    expect(table.stats()).toMatchObject({ active: 0, packetsTold: 5, packetsPending: 0, absent: 0 });
  });

  test("a key that the map no longer has: freed, not told again, counted", () => {
    const { table, kernel } = start();
    kernel.packet(UDP_KEY, { way: 0, at: SECOND, packets: 4 });
    expect(scanWith(table, kernel, 69 * SECOND, { beforeTake: () => kernel.entries.clear() })).toEqual([]);
    expect(table.stats()).toMatchObject({
      active: 0,
      absent: 1,
      packetsAbsent: 4,
      packetsPending: 0,
      packetsTold: 0,
    });
  });

  test("a flow that two whole scans did not meet", () => {
    const { table, kernel } = start();
    kernel.packet(UDP_KEY, { way: 0, at: SECOND, packets: 4 });
    scan(table, kernel, 2 * SECOND);
    kernel.entries.clear();
    scan(table, kernel, 3 * SECOND);
    expect(table.stats()).toMatchObject({ active: 1, absent: 0, packetsPending: 4 });
    scan(table, kernel, 4 * SECOND);
    expect(table.stats()).toMatchObject({ active: 0, absent: 1, packetsAbsent: 4, packetsPending: 0 });
  });
});

describe("FlowTable tells a flow that goes on", () => {
  test("each max_record_interval, with deltas since the previous record and totals since the start", () => {
    const { table, kernel } = start();
    const records: RecordFields[] = [];
    for (let second = 1; second <= 150; second++) {
      kernel.packet(UDP_KEY, { way: 0, at: second * SECOND });
      records.push(...scan(table, kernel, second * SECOND + 1));
    }
    expect(records.map((record) => record.reason)).toEqual([
      END_REASON.activeTimeout,
      END_REASON.activeTimeout,
    ]);
    expect(records.map((record) => record.delta[0])).toEqual([61, 60]);
    expect(records.map((record) => record.total[0])).toEqual([61, 121]);
    expect(records.map((record) => record.number)).toEqual([0, 1]);
    expect(records.map((record) => [record.start / SECOND, record.end / SECOND])).toEqual([
      [1, 61],
      [62, 121],
    ]);
    expect(records.map((record) => record.flowStart)).toEqual([SECOND, SECOND]);
    expect(table.stats()).toMatchObject({ packetsTold: 121, packetsPending: 29 });
  });

  test("one interval later where it was reset, so that a forged RST does not silence it", () => {
    const { table, kernel } = start();
    kernel.packet(TCP_KEY, { way: 1, at: SECOND, flags: RST });
    const told: number[] = [];
    for (let second = 2; second <= 250; second++) {
      kernel.packet(TCP_KEY, { way: 0, at: second * SECOND, flags: ACK });
      for (const record of scan(table, kernel, second * SECOND + 1)) {
        expect(record.reason).toBe(END_REASON.activeTimeout);
        told.push(second);
      }
    }
    expect(told).toEqual([121, 241]);
  });

  test("with what the first packet since the previous record carried, by way", () => {
    const { table, kernel } = start();
    kernel.packet(UDP_KEY, { way: 0, at: SECOND, ttl: 10, trafficClass: 0xb8 });
    scan(table, kernel, 2 * SECOND);
    kernel.packet(UDP_KEY, { way: 0, at: 3 * SECOND, ttl: 11 });
    const first = only(scan(table, kernel, 61 * SECOND));
    expect(first).toMatchObject({
      ttl: [10, 0],
      trafficClass: [0xb8, 0],
      hasForward: true,
      hasReverse: false,
    });
    kernel.packet(UDP_KEY, { way: 1, at: 62 * SECOND, ttl: 20 });
    scan(table, kernel, 63 * SECOND);
    kernel.packet(UDP_KEY, { way: 1, at: 64 * SECOND, ttl: 21 });
    const second = only(scan(table, kernel, 122 * SECOND));
    expect(second).toMatchObject({
      ttl: [0, 20],
      hasForward: false,
      hasReverse: true,
      delta: [0, 0, 2, 200],
    });
    expect(second).toMatchObject({ start: 62 * SECOND, end: 64 * SECOND });
  });

  test("without overlap, where a packet was told before its generation's first was seen", () => {
    const { table, kernel } = start();
    kernel.packet(UDP_KEY, { way: 0, at: SECOND });
    kernel.generation++;
    kernel.packet(UDP_KEY, { way: 0, at: 61 * SECOND });
    const clock = clockAt(61 * SECOND);
    table.addEvents(kernel.drain(), clock);
    table.beginScan(clock);
    table.addSlice(kernel.samples());
    table.endScan();
    expect(only(takeAll(table))).toMatchObject({ start: SECOND, end: 61 * SECOND });
    kernel.packet(UDP_KEY, { way: 0, at: 61 * SECOND + 5 });
    const next = only(scan(table, kernel, 125 * SECOND));
    expect(next).toMatchObject({ start: 61 * SECOND + 1, end: 61 * SECOND + 5, delta: [1, 100, 0, 0] });
  });

  test("exactly, beyond 2^32 packets and bytes and to the nanosecond", () => {
    const { table, kernel } = start();
    const at = 2 ** 40 + 123;
    kernel.packet(UDP_KEY, { way: 0, at, packets: 2 ** 32 + 5, bytes: 2 ** 43 + 1 });
    const record = only(scanWith(table, kernel, at + SECOND, { isFinal: true }));
    expect(record.delta).toEqual([2 ** 32 + 5, 2 ** 43 + 1, 0, 0]);
    expect(record.start).toBe(at);
  });

  test("by the clock of the poll, so that a stepped clock heals and a slewed one makes no overlap", () => {
    const table = newTable({ timeouts: { udpNs: 600 * SECOND } });
    const kernel = new KernelModel();
    kernel.packet(UDP_KEY, { way: 0, at: SECOND });
    expect(only(scan(table, kernel, 61 * SECOND))).toMatchObject({ start: SECOND, end: SECOND });
    kernel.packet(UDP_KEY, { way: 0, at: 62 * SECOND });
    kernel.packet(UDP_KEY, { way: 0, at: 63 * SECOND });
    const back = OFFSET_NS - 3600n * 1_000_000_000n;
    expect(only(scan(table, kernel, 122 * SECOND, back))).toMatchObject({
      start: 62 * SECOND,
      end: 63 * SECOND,
    });
    kernel.packet(UDP_KEY, { way: 0, at: 63 * SECOND + 500 });
    const slewed = only(scan(table, kernel, 184 * SECOND, back - 1000n));
    expect(slewed).toMatchObject({ start: 63 * SECOND + 1001, end: 63 * SECOND + 1001, number: 2 });
  });
});

describe("FlowTable and the lives of a 5-tuple", () => {
  test("tells a reopened flow's old life up to its base and begins a new flow", () => {
    const { table, kernel } = start();
    shortConnection(kernel, SECOND);
    expect(scan(table, kernel, 2 * SECOND)).toEqual([]);
    kernel.packet(TCP_KEY, { way: 1, at: 2.5 * SECOND, flags: SYN });
    kernel.packet(TCP_KEY, { way: 0, at: 2.6 * SECOND, flags: SYN | ACK, bytes: 50 });
    const old = only(scan(table, kernel, 3 * SECOND));
    expect(old).toMatchObject({
      reason: END_REASON.endOfFlowDetected,
      source: "10.0.0.1",
      number: 0,
      total: [2, 200, 2, 200],
    });
    expect(old).toMatchObject({
      start: SECOND,
      end: SECOND + 3e6,
      tcpFlags: [SYN | ACK | FIN, SYN | ACK | FIN],
    });
    const next = only(scanWith(table, kernel, 4 * SECOND, { isFinal: true }));
    expect(next).toMatchObject({
      source: "10.0.0.2",
      number: 0,
      delta: [1, 100, 1, 50],
      total: [1, 100, 1, 50],
    });
    expect(next).toMatchObject({
      flowStart: 2.5 * SECOND,
      tcpFlags: [SYN, SYN | ACK],
      reason: END_REASON.forcedEnd,
    });
    expect(table.stats()).toMatchObject({ created: 2, released: 2, packetsTold: 6, livesMerged: 0 });
  });

  test("holds a life that no scan saw until one has seen its hooks", () => {
    const { table, kernel } = start();
    shortConnection(kernel, SECOND);
    kernel.packet(TCP_KEY, { way: 0, at: 1.1 * SECOND, flags: SYN, hook: 1 << 1 });
    table.addEvents(kernel.drain(), clockAt(1.2 * SECOND));
    expect(takeAll(table)).toEqual([]);
    const old = only(scan(table, kernel, 2 * SECOND));
    expect(old).toMatchObject({
      kind: SPAN_KIND.client,
      ifindex: 1,
      total: [2, 200, 2, 200],
      hasForward: true,
    });
  });

  test("orients each of several lives that no scan saw by its own SYN", () => {
    const { table, kernel } = start();
    kernel.packet(TCP_KEY, { way: 0, at: SECOND, flags: SYN });
    kernel.packet(TCP_KEY, { way: 1, at: 1.1 * SECOND, flags: RST });
    kernel.packet(TCP_KEY, { way: 1, at: 1.2 * SECOND, flags: SYN });
    kernel.packet(TCP_KEY, { way: 1, at: 1.3 * SECOND, flags: RST });
    kernel.packet(TCP_KEY, { way: 1, at: 1.4 * SECOND, flags: SYN, hook: 1 << 1 });
    const [first, second] = scan(table, kernel, 2 * SECOND);
    expect(first).toMatchObject({
      source: "10.0.0.1",
      total: [1, 100, 1, 100],
      kind: SPAN_KIND.server,
      ifindex: 1,
    });
    expect(second).toMatchObject({
      source: "10.0.0.2",
      total: [2, 200, 0, 0],
      kind: SPAN_KIND.client,
      ifindex: 1,
    });
  });

  test("judges a held life of one way by that way alone", () => {
    const { table, kernel } = start();
    kernel.packet(TCP_KEY, { way: 1, at: SECOND, flags: SYN });
    kernel.packet(TCP_KEY, { way: 1, at: 1.1 * SECOND, flags: RST });
    kernel.packet(TCP_KEY, { way: 1, at: 1.2 * SECOND, flags: SYN });
    kernel.packet(TCP_KEY, { way: 0, at: 1.3 * SECOND, flags: SYN | ACK, hook: 1 << 1 });
    const old = only(scan(table, kernel, 2 * SECOND));
    expect(old).toMatchObject({
      source: "10.0.0.2",
      total: [2, 200, 0, 0],
      kind: SPAN_KIND.internal,
      ifindex: 2,
    });
  });

  test("tells a held life where its entry was never met, as far as it is known", () => {
    const { table, kernel } = start();
    shortConnection(kernel, SECOND);
    kernel.packet(TCP_KEY, { way: 0, at: 1.1 * SECOND, flags: SYN });
    table.addEvents(kernel.drain(), clockAt(1.2 * SECOND));
    kernel.entries.clear();
    expect([...scan(table, kernel, 2 * SECOND)]).toEqual([]);
    const old = only(scan(table, kernel, 3 * SECOND));
    expect(old).toMatchObject({ total: [2, 200, 2, 200], kind: SPAN_KIND.internal, ifindex: 0 });
    expect(table.stats()).toMatchObject({ active: 0, absent: 1 });
  });

  test("tells no packet of a new life twice where a scan ran ahead of the base", () => {
    const { table, kernel } = start();
    shortConnection(kernel, SECOND);
    kernel.packet(TCP_KEY, { way: 0, at: 2 * SECOND, flags: SYN });
    const events = kernel.drain();
    const value = kernel.valueOf(TCP_KEY);
    const incarnation = value[SHARED.incarnation] as number;
    value[SHARED.incarnation] = 0;
    table.timeouts = { ...table.timeouts, maxRecordIntervalNs: 0 };
    const told = scan(table, kernel, 2.5 * SECOND).map((record) => record.delta[0]);
    value[SHARED.incarnation] = incarnation;
    events.words[events.length / 4 - 48 + 12] = 3 * SECOND;
    table.addEvents(events, clockAt(3.1 * SECOND));
    kernel.packet(TCP_KEY, { way: 0, at: 3.2 * SECOND, flags: ACK });
    told.push(...scanWith(table, kernel, 4 * SECOND, { isFinal: true }).map((record) => record.total[0]));
    expect(told).toEqual([3, 1]);
    expect(table.stats().packetsTold).toBe(kernel.accountedPackets);
  });

  test("takes no notice of an event older than the flow that the scan found since", () => {
    const { table, kernel } = start();
    shortConnection(kernel, SECOND);
    table.addEvents(kernel.drain(), clockAt(SECOND + 5e6));
    kernel.packet(TCP_KEY, { way: 0, at: 2 * SECOND, flags: SYN });
    const late = kernel.drain();
    scanWith(table, kernel, 9 * SECOND, { beforeTake: () => undefined });
    scanWith(table, kernel, 30 * SECOND, {});
    expect(kernel.entries.size).toBe(0);
    kernel.packet(TCP_KEY, { way: 0, at: 31 * SECOND, flags: SYN });
    kernel.loseEvents();
    scan(table, kernel, 32 * SECOND);
    table.addEvents(late, clockAt(32 * SECOND));
    expect(only(scanWith(table, kernel, 33 * SECOND, { isFinal: true }))).toMatchObject({
      total: [1, 100, 0, 0],
    });
    expect(table.stats()).toMatchObject({ packetsTold: 6, absent: 0, livesMerged: 0 });
  });

  test("tells nothing of an old life that was told, and begins the new one", () => {
    const { table, kernel } = start();
    shortConnection(kernel, SECOND);
    scan(table, kernel, 2 * SECOND);
    table.timeouts = { ...table.timeouts, maxRecordIntervalNs: SECOND };
    expect(only(scan(table, kernel, 3.1 * SECOND)).reason).toBe(END_REASON.activeTimeout);
    kernel.packet(TCP_KEY, { way: 0, at: 3.2 * SECOND, flags: SYN });
    table.timeouts = { ...table.timeouts, maxRecordIntervalNs: 60 * SECOND };
    expect(scan(table, kernel, 3.3 * SECOND)).toEqual([]);
    expect(table.stats()).toMatchObject({ created: 2, released: 1, packetsPending: 1 });
  });

  test("finds a new life without its event by the value's base", () => {
    const { table, kernel } = start();
    shortConnection(kernel, SECOND);
    scan(table, kernel, 2 * SECOND);
    kernel.packet(TCP_KEY, { way: 0, at: 2.2 * SECOND, flags: RST });
    kernel.packet(TCP_KEY, { way: 0, at: 2.5 * SECOND, flags: SYN });
    kernel.loseEvents();
    const old = only(scan(table, kernel, 3 * SECOND));
    expect(old).toMatchObject({
      reason: END_REASON.endOfFlowDetected,
      total: [3, 300, 2, 200],
      source: "10.0.0.1",
    });
    expect(old.end).toBeLessThan(2.5 * SECOND);
    const next = only(scanWith(table, kernel, 4 * SECOND, { isFinal: true }));
    expect(next).toMatchObject({ total: [1, 100, 0, 0], number: 0, flowStart: 2.5 * SECOND });
    expect(table.stats().livesMerged).toBe(0);
  });

  test("merges lives that it heard nothing of, and counts them", () => {
    const { table, kernel } = start();
    for (const at of [1, 2, 3]) shortConnection(kernel, at * SECOND);
    kernel.loseEvents();
    const records = [
      ...scan(table, kernel, 4 * SECOND),
      ...scanWith(table, kernel, 5 * SECOND, { isFinal: true }),
    ];
    expect(records.map((record) => record.delta[0])).toEqual([4, 2]);
    expect(table.stats()).toMatchObject({ livesMerged: 1, packetsTold: 12 });
  });

  test("takes no notice of a reopened event whose entry was removed meanwhile", () => {
    const { table, kernel } = start();
    shortConnection(kernel, SECOND);
    scan(table, kernel, 2 * SECOND);
    const beforeTake = (): void => kernel.packet(TCP_KEY, { way: 0, at: 9 * SECOND, flags: SYN });
    const records = scanWith(table, kernel, 8 * SECOND, { beforeTake });
    expect(records.map((record) => record.delta)).toEqual([
      [2, 200, 2, 200],
      [1, 100, 0, 0],
    ]);
    kernel.packet(TCP_KEY, { way: 1, at: 9.1 * SECOND, flags: SYN | ACK });
    const rest = scanWith(table, kernel, 10 * SECOND, { isFinal: true });
    expect(only(rest).total.reduce((sum, value) => sum + value)).toBe(101);
    expect(table.stats()).toMatchObject({ packetsTold: 6, absent: 0 });
  });

  test("begins anew where an entry counts less than was told", () => {
    const { table, kernel } = start();
    kernel.packet(UDP_KEY, { way: 0, at: SECOND, packets: 4 });
    kernel.packet(UDP_KEY, { way: 0, at: 2 * SECOND });
    expect(only(scan(table, kernel, 61 * SECOND)).total[0]).toBe(5);
    kernel.entries.clear();
    kernel.packet(UDP_KEY, { way: 0, at: 62 * SECOND, packets: 2 });
    const record = only(scanWith(table, kernel, 63 * SECOND, { isFinal: true }));
    expect(record).toMatchObject({ total: [2, 200, 0, 0], number: 0 });
    expect(table.stats()).toMatchObject({ absent: 1, packetsAbsent: 0, packetsTold: 7 });
  });
});

describe("FlowTable and held packets", () => {
  test("adds a candidate's held packets when the flow ends, and waits for their last", () => {
    const { table, kernel } = start();
    kernel.packet(UDP_KEY, { way: 0, at: SECOND });
    kernel.packet(UDP_KEY, { way: 1, at: SECOND });
    kernel.hold(UDP_KEY, 1, 7, 700, 900);
    expect(scan(table, kernel, 61.9 * SECOND - 1)).toMatchObject([{ delta: [1, 100, 1, 100], end: SECOND }]);
    const last = only(scan(table, kernel, 61.9 * SECOND));
    expect(last).toMatchObject({ delta: [0, 0, 7, 700], total: [1, 100, 8, 800], end: 1.9 * SECOND });
    expect(last).toMatchObject({ start: SECOND + 1, hasReverse: false });
    expect(table.stats()).toMatchObject({
      packetsSettled: 7,
      bytesSettled: 700,
      packetsTold: 9,
      packetsPending: 0,
    });
  });

  test("leaves out what may be copies: held packets less than 50 ms behind the owner's last", () => {
    const { table, kernel } = start();
    kernel.packet(UDP_KEY, { way: 0, at: SECOND });
    kernel.hold(UDP_KEY, 0, 1, 100, 49);
    expect(only(scan(table, kernel, 63 * SECOND))).toMatchObject({ total: [1, 100, 0, 0], end: SECOND });
    expect(table.stats().packetsSettled).toBe(0);
  });

  test("leaves out what the owner saw too", () => {
    const { table, kernel } = start();
    kernel.packet(UDP_KEY, { way: 0, at: SECOND });
    kernel.hold(UDP_KEY, 0, 7, 700, 900);
    kernel.setWayFlag(UDP_KEY, 0, WAY_FLAG.interleaved);
    expect(only(scan(table, kernel, 63 * SECOND))).toMatchObject({ total: [1, 100, 0, 0], end: SECOND });
    expect(table.stats().packetsSettled).toBe(0);
  });
});

describe("FlowTable finds", () => {
  test("a flow whose event was lost, by the scan", () => {
    const { table, kernel } = start();
    kernel.packet(UDP_KEY, { way: 0, at: SECOND });
    kernel.loseEvents();
    expect(only(scan(table, kernel, 61 * SECOND))).toMatchObject({ start: SECOND, flowStart: SECOND });
  });

  test("an earlier start by an event that comes after the scan", () => {
    const { table, kernel } = start();
    kernel.packet(UDP_KEY, { way: 0, at: SECOND });
    kernel.generation++;
    kernel.packet(UDP_KEY, { way: 0, at: 2 * SECOND });
    table.beginScan(clockAt(2 * SECOND));
    table.addSlice(kernel.samples());
    table.endScan();
    table.addEvents(kernel.drain(), clockAt(2 * SECOND));
    expect(only(scanWith(table, kernel, 3 * SECOND, { isFinal: true }))).toMatchObject({
      start: SECOND,
      flowStart: SECOND,
    });
  });

  test("an entry without packets and lets it go in time, untold", () => {
    const { table, kernel } = start();
    kernel.packet(UDP_KEY, { way: 0, at: 101 * SECOND });
    kernel.valueOf(UDP_KEY).fill(0, 0, 32);
    expect(scan(table, kernel, 102 * SECOND)).toEqual([]);
    expect(kernel.entries.size).toBe(1);
    expect(scan(table, kernel, 162 * SECOND)).toEqual([]);
    expect(kernel.entries.size).toBe(0);
  });

  test("MAC only where the first packet was the source's", () => {
    const { table, kernel } = start();
    const replyFirst = keyOf({ protocol: 17, highPort: 53, lowPort: 40001 });
    for (const [key, way] of [
      [UDP_KEY, 0],
      [replyFirst, 1],
    ] as const) {
      kernel.packet(key, { way, at: SECOND });
      const value = kernel.valueOf(key);
      value[SHARED.octets] = (value[SHARED.octets] as number) | (2 << 24);
      value[SHARED.vlanAndMac] = 0x0201002a;
    }
    const records = scanWith(table, kernel, 2 * SECOND, { isFinal: true });
    expect(records.map((record) => record.hasMac)).toEqual([true, false]);
  });
});
