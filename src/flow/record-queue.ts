// All records that wait to be handed over: those of flows in the kernel's table first, behind them those of flows that
// found no room there. Each kind has its own bound, so that a flood of the second never costs a record of the first.

import type { FlowRecordBatch } from "./flow.ts";
import type { RecordBuffer } from "./record-buffer.ts";
import type { RecordChunk } from "./record-chunks.ts";

/** Of the bound, for flows without room in the kernel's table: by far the most in a flood. */
const OVERFLOW_SHARE = 0.25;

/** Two buffers, made to share their spare chunks. */
export class RecordQueue {
  readonly #table: RecordBuffer;
  readonly #overflow: RecordBuffer;

  /**
   * @param table of flows in the kernel's table
   * @param overflow of flows that found no room there
   */
  constructor(table: RecordBuffer, overflow: RecordBuffer) {
    this.#table = table;
    this.#overflow = overflow;
    overflow.chunks = table.chunks;
  }

  /** Records let go for want of room. */
  get refused(): number {
    return this.#table.refused + this.#overflow.refused;
  }

  /** Rows of flows in the kernel's table that were handed over or let go, ever. */
  get rowsGone(): number {
    return this.#table.rowsGone;
  }

  /** Lets no more than `most` records wait from now on, unbounded at first: beyond it the oldest are let go. */
  bound(most: number): void {
    this.#table.mostRows = most * (1 - OVERFLOW_SHARE);
    this.#overflow.mostRows = most * OVERFLOW_SHARE;
  }

  /** Hands over the oldest records; undefined where none wait. */
  take(): FlowRecordBatch | undefined {
    return this.#table.take() ?? this.#overflow.take();
  }

  /** Takes back the buffers of a batch, which nobody else may use any more. */
  giveBack(chunk: RecordChunk): void {
    this.#table.chunks.giveBack(chunk);
  }
}
