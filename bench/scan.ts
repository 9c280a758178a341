// What a poll costs at many flows: nanoseconds an entry for reading the kernel's table, for the agent's own table, and
// for taking flows out; and what the loop does at the most before it turns. Flows are made by test runs of the program,
// one packet each.

import { openProbe, type Probe } from "../src/capture/probe.ts";
import { Reader, SLICE_ENTRIES } from "../src/capture/reader.ts";
import { FlowTable } from "../src/flow/table.ts";
import { drainEvents } from "../src/scan.ts";
import { type Figure, type Measurement, median } from "./figure.ts";

const SIZES = [
  { flows: 100_000, scans: 9, busyScans: 3 },
  { flows: 1_000_000, scans: 5, busyScans: 1 },
] as const;
const EVENTS_READ_EVERY = 8192;
const HOUR_NS = 3600e9;
const TEST_WORDS = 12;

const CONTEXT = {
  isListening: (): boolean => false,
  isLocalAddress: (): boolean => false,
  roleOf: (): "outward" => "outward",
  localPortRange: [32768, 60999],
  revision: 0,
} as const;

/** Fills both tables, scans them with nothing new and with a packet more in every flow, and empties the kernel's. */
export function measureScan(): Measurement {
  return {
    title: "Poll, an entry",
    method:
      "Flows of one packet made by test runs; CPU time of the thread, of a step the time that passed, medians of 9 scans at 100 k flows and of 5 at 1 M. The loop turns after each step, at the latest 3 ms after the turn's begin and the step that was under way then.",
    figures: SIZES.flatMap(measureSize),
  };
}

function measureSize({ flows, scans, busyScans }: (typeof SIZES)[number]): readonly Figure[] {
  using probe = openProbe({
    tableCapacity: Math.ceil(flows * 1.1),
    ringBufferBytes: 4 << 20,
    isReplay: false,
  });
  const reader = new Reader(probe);
  const timeouts = { tcpNs: HOUR_NS, udpNs: HOUR_NS, icmpNs: HOUR_NS, genericNs: HOUR_NS };
  const table = new FlowTable({
    timeouts: { ...timeouts, tcpFinNs: HOUR_NS, tcpRstNs: HOUR_NS, maxRecordIntervalNs: HOUR_NS },
    context: CONTEXT,
    mapCapacity: Math.ceil(flows * 1.1),
  });
  reader.beginScan();
  const filling = new Longest();
  sendPackets(probe, flows, () => filling.time(() => drainEvents(reader, table, reader.clock())));
  scan(reader, table);
  const idle = Array.from({ length: scans }, () => scan(reader, table));
  const busy = Array.from({ length: busyScans }, () => {
    sendPackets(probe, flows, () => drainEvents(reader, table, reader.clock()));
    return scan(reader, table);
  });
  // Two scans behind the last packet there is none any more.
  scan(reader, table);
  const news = Array.from({ length: scans }, () => readNews(reader));
  const entries = table.stats().active;
  if (entries !== flows) throw new Error(`The table holds ${entries} flows, not ${flows}`);
  const takeNs = emptyKernelTable(reader);
  const name = flows >= 1e6 ? `${flows / 1e6} M flows` : `${flows / 1e3} k flows`;
  const of = (values: readonly Scan[], part: keyof Scan): number =>
    median(values.map((value) => value[part])) / flows;
  const read = of(idle, "readNs");
  const whole = read + of(busy, "tableNs");
  return [
    { name: `${name}: read from the kernel`, value: read, unit: "ns", reach: { atMost: 280 } },
    { name: `${name}: read for news, nothing new`, value: median(news) / flows, unit: "ns" },
    { name: `${name}: table, nothing new`, value: of(idle, "tableNs"), unit: "ns" },
    { name: `${name}: table, every flow with a packet more`, value: of(busy, "tableNs"), unit: "ns" },
    { name: `${name}: taken out of the kernel`, value: takeNs / flows, unit: "ns", reach: { atMost: 900 } },
    { name: `${name}: whole scan, every flow busy`, value: (whole * flows) / 1e6, unit: "ms" },
    {
      name: `${name}: longest step of a scan, every flow busy`,
      value: median(busy.map(({ longestNs }) => longestNs)) / 1e6,
      unit: "ms",
    },
    {
      name: `${name}: longest step while new flows come, the table's growth included`,
      value: filling.ns / 1e6,
      unit: "ms",
    },
    { name: `${name}: agent's table`, value: table.bytes / 1e6, unit: "MB" },
  ];
}

interface Scan {
  readonly readNs: number;
  readonly tableNs: number;
  /** Of its steps, after each of which the loop may turn: reading a slice and taking it in, or ending the scan. */
  readonly longestNs: number;
}

/** The longest of several stretches of time. */
class Longest {
  ns = 0;

  time(work: () => void): void {
    const started = wallNs();
    work();
    this.ns = Math.max(this.ns, wallNs() - started);
  }
}

function scan(reader: Reader, table: FlowTable): Scan {
  let readNs = 0;
  let tableNs = 0;
  const longest = new Longest();
  const step = (): boolean => {
    const started = cpuNs();
    const slice = reader.nextSlice();
    const read = cpuNs();
    if (slice === undefined) table.endScan();
    else table.addSlice(slice);
    readNs += read - started;
    tableNs += cpuNs() - read;
    return slice !== undefined;
  };
  reader.beginScan();
  table.beginScan(reader.clock());
  for (let isMore = true; isMore; ) {
    longest.time(() => {
      isMore = step();
    });
  }
  return { readNs, tableNs, longestNs: longest.ns };
}

/** CPU time of a scan for news where there is none. */
function readNews(reader: Reader): number {
  const started = cpuNs();
  reader.beginScan();
  for (let slice = reader.nextSlice("news"); slice !== undefined; slice = reader.nextSlice("news"))
    if (slice.count > 0) throw new Error(`A scan for news found ${slice.count} flows that had no packet`);
  return cpuNs() - started;
}

/** A step is shorter than the tick by which the kernel counts CPU time: other load lengthens what this tells. */
function wallNs(): number {
  return performance.now() * 1e6;
}

/** CPU time of this thread, which other load does not lengthen. */
function cpuNs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) * 1000;
}

function emptyKernelTable(reader: Reader): number {
  let spent = 0;
  reader.beginScan();
  for (let slice = reader.nextSlice(); slice !== undefined; slice = reader.nextSlice()) {
    const started = cpuNs();
    for (let first = 0; first < slice.count; first += SLICE_ENTRIES)
      reader.take(slice.keys, first, Math.min(SLICE_ENTRIES, slice.count - first));
    spent += cpuNs() - started;
  }
  return spent;
}

function sendPackets(probe: Probe, flows: number, readEvents: () => void): void {
  const { library, handle } = probe;
  const frame = new Uint8Array(new ArrayBuffer(64));
  frame.set([
    2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 50, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 0,
  ]);
  frame.set([198, 18, 0, 1, 0x9c, 0x40, 1, 0xbb, 0, 30], 30);
  const test = new Uint32Array(new ArrayBuffer(TEST_WORDS * 4));
  for (let flow = 0; flow < flows; flow++) {
    frame[27] = flow >>> 16;
    frame[28] = flow >>> 8;
    frame[29] = flow;
    const result = library.merminbpf_test_run(handle, frame, frame.byteLength, test);
    if (result < 0) probe.check(result, "Cannot run the program");
    if (flow % EVENTS_READ_EVERY === 0) readEvents();
  }
  readEvents();
}
