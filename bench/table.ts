// Cost of the flow table: a scan of flows that went on, a scan of flows at rest, churn, memory.
// Run: bun bench/table.ts [flows]

import { KEY_WORDS, SHARED, VALUE_WORDS, WAY } from "../src/capture/record.ts";
import { decorate } from "../src/decorate.ts";
import type { DirectionContext } from "../src/flow/direction.ts";
import { FlowTable } from "../src/flow/table.ts";

const SECOND = 1e9;
const SLICE = 4096;
const flows = Number(process.argv[2] ?? 100_000);

const context: DirectionContext = {
  isListening: () => false,
  isHostAddress: () => false,
  roleOf: () => "outward",
  localPortRange: [32768, 60999],
};
const timeouts = {
  tcpNs: 20 * SECOND,
  udpNs: 60 * SECOND,
  icmpNs: 10 * SECOND,
  genericNs: 30 * SECOND,
  tcpFinNs: 5 * SECOND,
  tcpRstNs: 5 * SECOND,
  maxRecordIntervalNs: 3600 * SECOND,
};

const keys = new Uint32Array(new ArrayBuffer(flows * KEY_WORDS * 4));
const values = new Uint32Array(new ArrayBuffer(flows * VALUE_WORDS * 4));
let now = 1000 * SECOND;

/** UDP flows of distinct ends; `salt` makes another population. */
function fillKeys(salt: number): void {
  for (let i = 0; i < flows; i++) {
    const at = i * KEY_WORDS;
    keys[at + 2] = 0xffff0000;
    keys[at + 3] = 0x0100000a + ((i >>> 12) << 16);
    keys[at + 6] = 0xffff0000;
    keys[at + 7] = 0x0200000a + (salt << 16);
    keys[at + 8] = (i & 0xfff) | 0x35000000;
    keys[at + 9] = 17 | (4 << 8);
  }
}

/** One more packet each, at this moment. */
function touch(packets: number): void {
  for (let i = 0; i < flows; i++) {
    const at = i * VALUE_WORDS;
    values[at + WAY.packets] = packets;
    values[at + WAY.bytes] = packets * 100;
    for (const field of [WAY.firstSeenNs, WAY.lastSeenNs]) {
      values[at + field] = now % 2 ** 32;
      values[at + field + 1] = Math.floor(now / 2 ** 32);
    }
    values[at + WAY.ownerHook] = 4;
    values[at + SHARED.octets] = 0;
  }
}

function scan(table: FlowTable): number {
  const start = Bun.nanoseconds();
  table.beginScan({
    monotonicLow: now % 2 ** 32,
    monotonicHigh: Math.floor(now / 2 ** 32),
    offsetLow: 1,
    offsetHigh: 395812411,
  });
  for (let i = 0; i < flows; i += SLICE) {
    const count = Math.min(SLICE, flows - i);
    table.addSlice({ count, keys: keys.subarray(i * KEY_WORDS), values: values.subarray(i * VALUE_WORDS) });
  }
  table.endScan();
  return (Bun.nanoseconds() - start) / flows;
}

function settle(table: FlowTable): number {
  const start = Bun.nanoseconds();
  const ended = table.endedKeys();
  const present = new Uint8Array(SLICE).fill(1);
  for (let i = 0; i < ended.count; i += SLICE) {
    const count = Math.min(SLICE, ended.count - i);
    table.settle(ended.keys.subarray(i * KEY_WORDS), values.subarray(i * VALUE_WORDS), present, count);
  }
  return (Bun.nanoseconds() - start) / Math.max(1, ended.count);
}

function median(numbers: number[]): string {
  return (numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0).toFixed(0);
}

const table = new FlowTable({ timeouts, context });
const created: number[] = [];
const busy: number[] = [];
const resting: number[] = [];
const ending: number[] = [];
const settling: number[] = [];
const naming: number[] = [];
let bytes = 0;
for (let round = 0; round < 9; round++) {
  fillKeys(round);
  touch(1);
  created.push(scan(table));
  for (let packets = 2; packets < 6; packets++) {
    now += SECOND;
    touch(packets);
    busy.push(scan(table));
    resting.push(scan(table));
  }
  bytes = table.bytes;
  now += 61 * SECOND;
  ending.push(scan(table));
  settling.push(settle(table));
  for (let batch = table.takeRecords(); batch !== undefined; batch = table.takeRecords()) {
    const start = Bun.nanoseconds();
    decorate(batch, { communityIdSeed: 0, traceIdTimeoutMs: 86_400_000, interfaceName: () => undefined });
    naming.push((Bun.nanoseconds() - start) / batch.count);
  }
}
const { active, packetsTold, created: all } = table.stats();
if (active !== 0 || packetsTold !== 9 * 5 * flows)
  throw new Error(`told ${packetsTold} of ${45 * flows}, ${active} left`);

console.log(`${flows} flows, ${all} in all; medians`);
console.log(`scan, every flow with new packets  ${median(busy)} ns an entry`);
console.log(`scan, nothing new                  ${median(resting)} ns an entry`);
console.log(`new flow found by the scan         ${median(created)} ns`);
console.log(`scan, every flow ends              ${median(ending)} ns an entry`);
console.log(`settled, with its record           ${median(settling)} ns a flow`);
console.log(`decorated                          ${median(naming)} ns a record`);
console.log(`table                              ${(bytes / flows).toFixed(0)} bytes a flow`);
