// What the next agent will know: each flow's entry is written to the kernel once the record that told it is
// acknowledged, and counters once they are shown. Comes in: the table's log, what the export thread acknowledged and showed.
// On the capture thread.

import type { OwnCounters } from "./capture/counters.ts";
import type { Pins } from "./capture/pins.ts";
import type { Reader } from "./capture/reader.ts";
import type { CaptureClock } from "./capture/record.ts";
import type { ExportThread } from "./export-thread.ts";
import type { ExportedLog } from "./flow/exported-log.ts";
import type { FlowTable } from "./flow/table.ts";

/** A turn takes about 4 ms at most. */
const ENTRIES_A_TURN = 1536;

/** Parts of a handover; all belong to the agent. */
export interface HandoverParts {
  readonly log: ExportedLog;
  readonly counters: OwnCounters;
  readonly pins: Pins;
  readonly reader: Reader;
  readonly table: FlowTable;
  readonly thread: ExportThread;
}

/** From one agent to the next: takes over once, then keeps the kernel's account of what was told. */
export class Handover {
  readonly #parts: HandoverParts;
  /** Rows of the table that were gone when each batch, not acknowledged yet, was sent. */
  readonly #marks: number[] = [];
  #batches = 0;
  #acknowledgedBatches = 0;
  #acknowledgedRows = 0;

  constructor(parts: HandoverParts) {
    this.#parts = parts;
  }

  /** Makes the table know what was told before: to be called once, before anything else is read. */
  takeOver(clock: CaptureClock): void {
    const { pins, table, counters } = this.#parts;
    table.beginScan(clock);
    for (const batch of pins.taken()) {
      table.adopt({ ...batch, values: batch.told });
      table.settle(batch);
    }
    // After those: a flow that lives may have the key of one that was taken.
    for (const batch of pins.exported()) table.adopt(batch);
    counters.leaveOutShown(this.#settled());
  }

  /**
   * Packets accounted before that are no business of this agent's: they were told, or lost. The account says how many,
   * but for a batch at whose writing an agent was killed, and but for losses; what the flows count beyond their last
   * records says it too, but for the packets that come meanwhile. Between the two sums it is exact.
   */
  #settled(): number {
    const { pins, table, reader } = this.#parts;
    const told = pins.resume();
    const before = accountedBy(reader);
    let untold = 0;
    reader.rescan();
    for (let slice = reader.nextSlice(); slice !== undefined; slice = reader.nextSlice())
      untold += table.untoldIn(slice);
    const after = accountedBy(reader);
    const stats = table.stats();
    const made = stats.packetsTold + stats.packetsFiltered + stats.packetsTranslated;
    const taken = made - stats.packetsSettled + stats.packetsPending;
    return Math.min(Math.max(told, before - untold - taken), after - untold - taken);
  }

  /** A batch was taken from the table, and sent if there was room. */
  noteSent(): void {
    const { thread, table } = this.#parts;
    if (thread.sentBatches === this.#batches) return;
    this.#batches = thread.sentBatches;
    this.#marks.push(table.records.rowsGone);
  }

  /** To be called before records are sent: writes what must be known of their flows by then. */
  prepare(): void {
    const { log, pins } = this.#parts;
    const { words, first, count } = log.takeBegun();
    if (count > 0) pins.write(words, first, count);
  }

  /** Writes some of what may be written. Returns whether there may be more. */
  turn(): boolean {
    const { log, counters, pins, thread } = this.#parts;
    const shown = thread.takeShown();
    if (shown !== undefined) counters.noteShown(shown);
    for (; this.#acknowledgedBatches < thread.acknowledgedBatches; this.#acknowledgedBatches++)
      this.#acknowledgedRows = this.#marks.shift() ?? this.#acknowledgedRows;
    const { words, first, count } = log.take(this.#acknowledgedRows, ENTRIES_A_TURN);
    if (count > 0) pins.write(words, first, count);
    return count === ENTRIES_A_TURN;
  }
}

/** Packets accounted, by whatever agents. */
function accountedBy(reader: Reader): number {
  return reader.counters()[0]?.packets ?? 0;
}
