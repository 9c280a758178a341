// Scans that leave out flows without news: what is due of those all the same, and when everything is read.

import { expect, test } from "bun:test";
import type { ScanReach } from "../../../src/capture/record.ts";
import { END_REASON } from "../../../src/flow/flow.ts";
import { ReachPlan } from "../../../src/flow/reach-plan.ts";
import { newTable, scan, scanWith, TIMEOUTS } from "./driver.ts";
import { ACK, FIN, KernelModel, keyOf, SECOND } from "./kernel-model.ts";

const KEY = keyOf({ protocol: 17 });
const OTHER = keyOf({ protocol: 17, lowPort: 40001 });
/** Of which 15 are for news. */
const SCANS_TO_ALL = 16;

function newsTable(kernel: KernelModel, changes: Parameters<typeof newTable>[0] = {}) {
  return newTable({
    findFlow: kernel.findFlow,
    findDetails: kernel.findDetails,
    maySeekNews: true,
    ...changes,
  });
}

test("FlowTable reads everything first, then news, and after fifteen of those everything again", () => {
  const kernel = new KernelModel();
  const table = newsTable(kernel);
  const reaches = Array.from({ length: SCANS_TO_ALL + 2 }, (_, i) => {
    scan(table, kernel, (i + 1) * SECOND);
    return table.reach;
  });
  expect(reaches).toEqual(["all", ...new Array<ScanReach>(15).fill("news"), "all", "news"]);
});

test("FlowTable reads everything always, unless it may seek news", () => {
  const table = newTable();
  for (let i = 1; i < 4; i++) {
    scan(table, new KernelModel(), i * SECOND);
    expect(table.reach).toBe("all");
  }
});

test("FlowTable reads everything once timeouts are others", () => {
  const kernel = new KernelModel();
  const table = newsTable(kernel);
  const reachAt = (seconds: number): ScanReach => {
    scan(table, kernel, seconds * SECOND);
    return table.reach;
  };
  expect([reachAt(1), reachAt(2)]).toEqual(["all", "news"]);
  table.timeouts = { ...TIMEOUTS, udpNs: 30 * SECOND };
  expect([reachAt(3), reachAt(4)]).toEqual(["all", "news"]);
});

test("ReachPlan wants everything once what the node knows is another, or it is told to", () => {
  const plan = new ReachPlan(true);
  const next = (revision: number): ScanReach => plan.next({ timeouts: TIMEOUTS, revision });
  expect([next(1), next(1), next(2), next(2)]).toEqual(["all", "news", "all", "news"]);
  plan.wantAll();
  expect([next(2), next(2)]).toEqual(["all", "news"]);
});

test("FlowTable ends a quiet flow that a scan for news left out, once its timeout has passed", () => {
  const kernel = new KernelModel();
  const table = newsTable(kernel, { timeouts: { udpNs: 3 * SECOND } });
  scan(table, kernel, SECOND);
  kernel.packet(KEY, { way: 0, at: SECOND, packets: 5 });
  for (const seconds of [2, 3, 3.99]) expect(scan(table, kernel, seconds * SECOND)).toEqual([]);
  expect(table.reach).toBe("news");
  const [record, ...others] = scan(table, kernel, 4.01 * SECOND);
  expect(others).toEqual([]);
  expect(record).toMatchObject({ reason: END_REASON.idleTimeout, total: [5, 500, 0, 0] });
  expect(kernel.entries.size).toBe(0);
  expect(table.stats()).toMatchObject({ active: 0, absent: 0 });
});

test("FlowTable ends a closed connection that a scan for news left out, as closed", () => {
  const kernel = new KernelModel();
  const table = newsTable(kernel);
  const key = keyOf({ protocol: 6 });
  scan(table, kernel, SECOND);
  for (const way of [0, 1] as const) kernel.packet(key, { way, at: SECOND, flags: FIN | ACK });
  for (const seconds of [2, 4, 5.9]) expect(scan(table, kernel, seconds * SECOND)).toEqual([]);
  expect(scan(table, kernel, 6.1 * SECOND)).toMatchObject([{ reason: END_REASON.endOfFlowDetected }]);
});

test("FlowTable tells a quiet flow with packets pending when its record is due", () => {
  const kernel = new KernelModel();
  const table = newsTable(kernel, { timeouts: { udpNs: 600 * SECOND, maxRecordIntervalNs: 5 * SECOND } });
  scan(table, kernel, SECOND);
  kernel.packet(KEY, { way: 0, at: SECOND });
  for (const seconds of [2, 3, 4, 5.9]) expect(scan(table, kernel, seconds * SECOND)).toEqual([]);
  const told = scan(table, kernel, 6.1 * SECOND);
  expect(table.reach).toBe("news");
  expect(told).toMatchObject([{ reason: END_REASON.activeTimeout, delta: [1, 100, 0, 0] }]);
  for (const seconds of [7, 8, 9, 12]) expect(scan(table, kernel, seconds * SECOND)).toEqual([]);
});

test("FlowTable lets a flow stay that had a packet behind the scan that found it quiet", () => {
  const kernel = new KernelModel();
  const table = newsTable(kernel, { timeouts: { udpNs: 3 * SECOND } });
  scan(table, kernel, SECOND);
  kernel.packet(KEY, { way: 0, at: SECOND });
  scan(table, kernel, 2 * SECOND);
  const late = (): void => kernel.packet(KEY, { way: 1, at: 4.2 * SECOND });
  expect(scanWith(table, kernel, 4.1 * SECOND, { beforeTake: late })).toEqual([]);
  expect(kernel.entries.size).toBe(1);
  for (const seconds of [5, 6, 7]) expect(scan(table, kernel, seconds * SECOND)).toEqual([]);
  expect(scan(table, kernel, 7.3 * SECOND)).toMatchObject([
    { reason: END_REASON.idleTimeout, total: [1, 100, 1, 100] },
  ]);
});

test("FlowTable gives up a flow that two scans of everything did not meet", () => {
  const kernel = new KernelModel();
  const table = newsTable(kernel);
  kernel.packet(KEY, { way: 0, at: SECOND });
  scan(table, kernel, SECOND);
  kernel.entries.clear();
  let scans = 1;
  for (; table.stats().absent === 0 && scans < 100; scans++) scan(table, kernel, (scans + 1) * SECOND);
  expect(scans).toBe(2 * SCANS_TO_ALL + 1);
  expect(table.stats()).toMatchObject({ active: 0, absent: 1, packetsAbsent: 1 });
});

test("FlowTable reads everything at once where a scan for news finds the kernel's table nearly full", () => {
  const kernel = new KernelModel();
  const table = newsTable(kernel, { mapCapacity: 2 });
  scan(table, kernel, SECOND);
  for (const key of [KEY, OTHER]) kernel.packet(key, { way: 0, at: SECOND });
  expect(scan(table, kernel, 2 * SECOND)).toEqual([]);
  expect([table.reach, table.isPressed]).toEqual(["news", true]);
  expect(scan(table, kernel, 2.1 * SECOND)).toMatchObject([{ reason: END_REASON.lackOfResources }]);
  expect([table.reach, table.isPressed]).toEqual(["all", false]);
});

test("FlowTable reads everything next where more records are due than one turn looks at, and tells each once", () => {
  const flows = 5000;
  const kernel = new KernelModel();
  const table = newsTable(kernel, { timeouts: { udpNs: 600 * SECOND, maxRecordIntervalNs: 5 * SECOND } });
  scan(table, kernel, SECOND);
  for (let port = 1; port <= flows; port++)
    kernel.packet(keyOf({ protocol: 17, lowPort: port }), { way: 0, at: SECOND });
  expect(scan(table, kernel, 2 * SECOND)).toEqual([]);
  expect(scan(table, kernel, 3 * SECOND)).toEqual([]);
  const first = scan(table, kernel, 6.1 * SECOND);
  expect([table.reach, first.length]).toEqual(["news", 4096]);
  const second = scan(table, kernel, 7 * SECOND);
  expect([table.reach, second.length]).toEqual(["all", flows - 4096]);
  expect(new Set([...first, ...second].map(({ sourcePort }) => sourcePort)).size).toBe(flows);
  expect(table.stats().packetsPending).toBe(0);
});
