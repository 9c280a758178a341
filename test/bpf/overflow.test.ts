// What the programs send where FLOW_STATS is full, as far as the records made of it, and how room is made in it.

import { describe, expect, test } from "bun:test";
import { PRESSURE_SHARE, RELIEF_SHARE } from "../../src/flow/eviction.ts";
import { END_REASON, RECORD, RECORD_FLAG, RECORD_WORDS } from "../../src/flow/flow.ts";
import { FlowTable } from "../../src/flow/table.ts";
import { drainEvents, scanFinally, scanOnce } from "../../src/scan.ts";
import { frame, ip, ipv4, ipv6 } from "../support/packets.ts";
import { icmp, TCP_FLAG, tcp, udp } from "../support/segments.ts";
import { CONTEXT, TIMEOUTS } from "../unit/flow/driver.ts";
import { clockAt } from "../unit/flow/kernel-model.ts";
import { Bench, type RunOptions } from "./bench.ts";

const CAPACITY = 64;
const MS = 1e6;
const SECOND = 1e9;
const [LOW, HIGH] = ["10.0.0.1", "10.0.0.2"];
const [LOW6, HIGH6] = ["fd00:0:0:0:0:0:0:1", "fd00:0:0:0:0:0:0:2"];

interface Packet {
  readonly bytes: Uint8Array;
  readonly options?: RunOptions;
}

function newTable(mapCapacity?: number): FlowTable {
  const capacity = mapCapacity === undefined ? {} : { mapCapacity };
  return new FlowTable({ timeouts: TIMEOUTS, context: CONTEXT, ...capacity });
}

/** Flow number `number` of those that fill the table. */
function filling(number: number): Uint8Array {
  return frame(ip(`10.9.${number >>> 8}.${number & 255}`, "10.8.0.1", udp([5000, 6000], 10)));
}

function fill(bench: Bench, flows: number, first = 0): void {
  for (let number = first; number < first + flows; number++) bench.run(filling(number));
}

/** Runs the packets and returns their records, but for what says that they came from the table or not. */
function recordsOf(bench: Bench, packets: readonly Packet[], hasRoom: boolean): Uint32Array[] {
  const table = newTable();
  for (const { bytes, options } of packets) bench.run(bytes, options);
  const clock = clockAt(10 * SECOND);
  if (hasRoom) scanFinally(bench.reader, table, clock);
  else {
    drainEvents(bench.reader, table, clock);
    table.beginFinalScan(clock);
    table.endScan();
  }
  const batch = table.takeRecords();
  const { count, words } = batch ?? { count: 0, words: new Uint32Array(0) };
  return Array.from({ length: count }, (_, row) => {
    const record = words.slice(row * RECORD_WORDS, (row + 1) * RECORD_WORDS);
    const identity = record[RECORD.identity] as number;
    expect(identity >>> 24 === END_REASON.lackOfResources).toBe(!hasRoom);
    record[RECORD.identity] = identity & 0xffffff;
    withoutTcp(record, hasRoom);
    return record;
  });
}

/** Segments are followed in the table alone: takes away what is told of them. */
function withoutTcp(record: Uint32Array, hasRoom: boolean): void {
  const isTcp = ((record[RECORD.identity] as number) & 0xff) === 6;
  const flags = record[RECORD.flags] as number;
  expect((flags & RECORD_FLAG.hasTcp) !== 0).toBe(hasRoom && isTcp);
  record[RECORD.flags] = flags & ~RECORD_FLAG.hasTcp;
  record.fill(0, RECORD.connectionState);
}

const vlan = { tags: [{ ethertype: 0x8100, id: 42 }], sourceMac: "02:11:22:33:44:55" };
const at = (atNs: number, options: RunOptions = {}): RunOptions => ({ atNs: SECOND + atNs, ...options });

const SITUATIONS: readonly { readonly name: string; readonly packets: readonly Packet[] }[] = [
  {
    name: "a TCP conversation that the high end began",
    packets: [
      {
        bytes: frame(ip(HIGH, LOW, tcp([40_000, 443], { flags: TCP_FLAG.syn })), vlan),
        options: at(0),
      },
      {
        bytes: frame(ip(LOW, HIGH, tcp([443, 40_000], { flags: TCP_FLAG.syn | TCP_FLAG.ack }))),
        options: at(3 * MS),
      },
      {
        bytes: frame(
          ipv4({ source: HIGH, destination: LOW, tos: 0x2a, ttl: 9 }, tcp([40_000, 443], {}, 500)),
        ),
        options: at(5 * MS),
      },
      { bytes: frame(ip(LOW, HIGH, tcp([443, 40_000], { flags: TCP_FLAG.rst }))), options: at(9 * MS) },
    ],
  },
  {
    name: "a SYN sent again, whose latency nobody knows",
    packets: [
      { bytes: frame(ip(LOW, HIGH, tcp([40_000, 443], { flags: TCP_FLAG.syn }))), options: at(0) },
      { bytes: frame(ip(LOW, HIGH, tcp([40_000, 443], { flags: TCP_FLAG.syn }))), options: at(50 * MS) },
      {
        bytes: frame(ip(HIGH, LOW, tcp([443, 40_000], { flags: TCP_FLAG.syn | TCP_FLAG.ack }))),
        options: at(60 * MS),
      },
    ],
  },
  {
    name: "IPv6 with its class and label, forwarded",
    packets: [
      {
        bytes: frame(
          ipv6(
            { source: LOW6, destination: HIGH6, trafficClass: 0xb9, flowLabel: 0xabcde, hopLimit: 3 },
            udp([50_000, 53], 30),
          ),
        ),
        options: at(0, { egress: true, ingressIfindex: 7 }),
      },
      { bytes: frame(ip(HIGH6, LOW6, udp([53, 50_000], 300))), options: at(MS) },
    ],
  },
  {
    name: "a ping and its answer",
    packets: [
      { bytes: frame(ip(HIGH, LOW, icmp({ type: 8, identifier: 77 }, 56))), options: at(0) },
      { bytes: frame(ip(LOW, HIGH, icmp({ type: 0, identifier: 77 }, 56))), options: at(MS) },
    ],
  },
  {
    name: "an ICMP error that stands alone",
    packets: [{ bytes: frame(ip(HIGH, LOW, icmp({ type: 3, code: 3 }, 28))), options: at(0) }],
  },
  {
    name: "a packet seen again as it leaves",
    packets: [
      { bytes: frame(ip(LOW, HIGH, udp([5353, 50_001], 10))), options: at(0) },
      {
        bytes: frame(ip(LOW, HIGH, udp([5353, 50_001], 10))),
        options: at(0.1 * MS, { egress: true, ingressIfindex: 1 }),
      },
      { bytes: frame(ip(LOW, HIGH, udp([5353, 50_001], 20))), options: at(2 * MS) },
    ],
  },
];

describe("a packet that finds no room in FLOW_STATS", () => {
  test.each(SITUATIONS)("is told as if it had found room: $name", ({ packets }) => {
    using roomy = new Bench({ isReplay: true });
    using full = new Bench({ isReplay: true, tableCapacity: CAPACITY });
    fill(full, CAPACITY);
    full.events();
    expect(full.counting(() => full.run(filling(CAPACITY)))).toMatchObject({ overflow: [1, 38] });
    full.events();
    const records = recordsOf(full, packets, false);
    expect(records).toEqual(recordsOf(roomy, packets, true));
    expect(records).toHaveLength(1);
  });

  test("is read to the last, however many wait at the end", () => {
    using bench = new Bench({ tableCapacity: CAPACITY, ringBufferBytes: 1 << 25 });
    const table = newTable();
    fill(bench, CAPACITY);
    const packets = 250_000;
    const { library, handle } = bench.probe;
    const packet = filling(CAPACITY);
    const run = new Uint32Array(new ArrayBuffer(48));
    run[8] = packets;
    expect(library.merminbpf_test_run(handle, packet, packet.length, run)).toBe(0);
    scanFinally(bench.reader, table, bench.reader.clock());
    expect(bench.reader.ringBytesPending()).toBe(0);
    expect(table.stats()).toMatchObject({ packetsOverflow: packets, packetsTold: packets + CAPACITY });
  });
});

describe("a table that is nearly full", () => {
  const capacity = 1000;
  const mark = capacity * PRESSURE_SHARE;

  test("says so once a generation, and is relieved by the next scan", () => {
    using bench = new Bench({ tableCapacity: capacity });
    const { reader } = bench;
    const table = newTable(capacity);
    const drain = (): number => drainEvents(reader, table, reader.clock());
    reader.setPressure(mark);
    fill(bench, mark);
    drain();
    expect([table.isPressed, reader.entriesUsed()]).toEqual([false, mark]);
    fill(bench, 50, mark);
    drain();
    expect(table.isPressed).toBe(true);
    // Flows seen both ways, which stay.
    for (let number = 0; number < 10; number++)
      bench.run(frame(ip("10.8.0.1", `10.9.0.${number}`, udp([6000, 5000], 10))));
    scanOnce(reader, table, reader.clock());
    expect([table.isPressed, reader.entriesUsed()]).toEqual([false, capacity * RELIEF_SHARE]);
    expect(bench.flows()).toHaveLength(capacity * RELIEF_SHARE);
    const { evicted, packetsTold, packetsPending, active } = table.stats();
    expect({ evicted, packetsTold, active }).toEqual({
      evicted: mark + 50 - capacity * RELIEF_SHARE,
      packetsTold: mark + 50 - capacity * RELIEF_SHARE,
      active: capacity * RELIEF_SHARE,
    });
    expect(packetsTold + packetsPending).toBe(mark + 50 + 10);
    const isKept = ({ packets }: { readonly packets: number }): boolean => packets > 0;
    expect(bench.flows().filter(({ ways }) => ways.every(isKept))).toHaveLength(10);
    fill(bench, 150, 2000);
    drain();
    expect(table.isPressed).toBe(true);
  });
});
