// Buffers of record batches that are no longer needed: used again, so that telling makes no work for the collector.

import { type FlowRecordBatch, RECORD_DETAIL_WORDS, RECORD_WORDS } from "./flow.ts";

/** Rows of one batch at most: 224 KiB, or 420 where each has details. */
export const BATCH_ROWS = 1024;
/** Kept of either kind. */
const MOST_SPARE = 16;
const FIRST_DETAILS = 16;

/** What buffers are made for: words, and details where any record has some. */
export type RecordChunk = Pick<FlowRecordBatch, "words" | "details">;

/** Spare buffers; several RecordBuffers may share them. */
export class RecordChunks {
  readonly #words: Uint32Array<ArrayBuffer>[] = [];
  readonly #details: Uint32Array<ArrayBuffer>[] = [];

  /** Zeroed room for {@link BATCH_ROWS} rows. */
  takeWords(): Uint32Array<ArrayBuffer> {
    return this.#words.pop()?.fill(0) ?? new Uint32Array(BATCH_ROWS * RECORD_WORDS);
  }

  /** Zeroed room for some detail rows, {@link BATCH_ROWS} at most. */
  takeDetails(): Uint32Array<ArrayBuffer> {
    return this.#details.pop()?.fill(0) ?? new Uint32Array(FIRST_DETAILS * RECORD_DETAIL_WORDS);
  }

  /** Takes buffers back; nobody else may use them any more. Those of another size are left alone. */
  giveBack({ words, details }: RecordChunk): void {
    if (words.length === BATCH_ROWS * RECORD_WORDS) keep(this.#words, words);
    if (details.length > 0) keep(this.#details, details);
  }
}

/** What is not kept is freed at once: the collector, which sees no work here, would let it lie. */
function keep(spare: Uint32Array<ArrayBuffer>[], words: Uint32Array<ArrayBuffer>): void {
  if (spare.length < MOST_SPARE) spare.push(words);
  else words.buffer.transfer(0);
}
