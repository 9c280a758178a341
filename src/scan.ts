// The poll: what the kernel holds is held against the flow table. Comes in: a Reader and a clock. Goes out: nothing;
// the records wait in the table. Used by the live agent, which lets its event loop turn between the steps, and by
// replay, which does not.

import { type Reader, SLICE_ENTRIES } from "./capture/reader.ts";
import type { CaptureClock } from "./capture/record.ts";
import type { FlowTable } from "./flow/table.ts";

/** Drains in a row: a ring that fills faster than it is read must not keep the scan from going on. */
const MOST_DRAINS = 8;

/** Steps of a scan. Between two of them the caller may wait, and call {@link drainEvents}, but nothing else. */
export type ScanSteps = Generator<void, void, void>;

/** Hands the ring's events to the table. Returns the bytes read. */
export function drainEvents(reader: Reader, table: FlowTable, clock: CaptureClock): number {
  let bytes = 0;
  for (let drains = 0; drains < MOST_DRAINS; drains++) {
    const events = reader.drain();
    if (events.length === 0) break;
    bytes += events.length;
    table.addEvents(events, clock);
  }
  return bytes;
}

/**
 * One scan: ring, then every entry of the kernel's map in slices, of which the flows that ended are taken out of the map
 * and told while processor caches still have them; behind the last slice those that go for want of room. Yields after
 * each slice, with the ring read.
 * @param clock the moment of the scan: decides timeouts, and converts the kernel's times
 * @throws ShimError where the kernel refuses to be read
 */
export function* scanSteps(reader: Reader, table: FlowTable, clock: CaptureClock): ScanSteps {
  drainEvents(reader, table, clock);
  reader.beginScan();
  table.beginScan(clock);
  for (const _ of readSlices(reader, table, clock)) {
    yield;
    yield* takeEnded(reader, table, clock);
  }
  table.endScan(reader.entriesUsed());
  yield* takeEnded(reader, table, clock);
}

/** {@link scanSteps} in one go. */
export function scanOnce(reader: Reader, table: FlowTable, clock: CaptureClock): void {
  const steps = scanSteps(reader, table, clock);
  while (steps.next().done !== true);
}

/**
 * The last scan, when nothing counts any more: every flow is told and let go, none is taken out of the map.
 * @throws ShimError where the kernel refuses to be read
 */
export function scanFinally(reader: Reader, table: FlowTable, clock: CaptureClock): void {
  // To the last event: some are packets that are nowhere else.
  while (drainEvents(reader, table, clock) > 0);
  reader.beginScan();
  table.beginFinalScan(clock);
  for (const _ of readSlices(reader, table, clock));
  table.endScan();
}

/**
 * The last scan where the programs count on without this agent: what is new of every flow is told.
 * @throws ShimError where the kernel refuses to be read
 */
export function scanForHandover(reader: Reader, table: FlowTable, clock: CaptureClock): void {
  while (drainEvents(reader, table, clock) > 0);
  reader.beginScan();
  table.beginHandover(clock);
  for (const _ of readSlices(reader, table, clock));
  table.endScan();
}

function* readSlices(reader: Reader, table: FlowTable, clock: CaptureClock): ScanSteps {
  const { reach } = table;
  for (let slice = reader.nextSlice(reach); slice !== undefined; slice = reader.nextSlice(reach)) {
    table.addSlice(slice);
    drainEvents(reader, table, clock);
    yield;
  }
}

function* takeEnded(reader: Reader, table: FlowTable, clock: CaptureClock): ScanSteps {
  const { keys, count } = table.takeEndedKeys();
  for (let first = 0; first < count; first += SLICE_ENTRIES) {
    const taken = reader.take(keys, first, Math.min(SLICE_ENTRIES, count - first), table.reach);
    table.settle(taken);
    drainEvents(reader, table, clock);
    yield;
  }
}
