// Rows of records, and of details, that wait to be handed over. A chunk goes out as it is, never copied.
// Bounded where it is told to be: then the oldest rows are let go, counted.

import { type FlowRecordBatch, RECORD, RECORD_DETAIL_WORDS, RECORD_WORDS } from "./flow.ts";
import { BATCH_ROWS, RecordChunks } from "./record-chunks.ts";

const NONE: Uint32Array<ArrayBuffer> = new Uint32Array(0);

/** Appends rows; hands them over in batches with buffers of their own. */
export class RecordBuffer {
  /** Chunk that {@link append} returned an offset into. */
  words: Uint32Array<ArrayBuffer> = NONE;
  /** Detail rows of the same chunk. */
  details: Uint32Array<ArrayBuffer> = NONE;
  /** Where buffers come from; several may share them. */
  chunks: RecordChunks = new RecordChunks();
  /** Rows that may wait, to a batch: beyond it the oldest are let go. */
  mostRows: number = Number.POSITIVE_INFINITY;
  /** Rows let go for want of room. */
  refused = 0;
  /** Rows ever handed over or let go. */
  rowsGone = 0;
  #count = 0;
  #detailCount = 0;
  #full: FlowRecordBatch[] = [];

  /** Rows waiting. */
  get count(): number {
    return this.#full.length * BATCH_ROWS + this.#count;
  }

  /** Rows ever appended and not withdrawn. */
  get rowsMade(): number {
    return this.rowsGone + this.count;
  }

  /** Adds a zeroed row; returns its word offset in {@link words}, valid until the next call. */
  append(): number {
    if (this.#count === BATCH_ROWS) this.#beginChunk();
    if (this.words.length === 0) this.words = this.chunks.takeWords();
    return this.#count++ * RECORD_WORDS;
  }

  /** Gives the row appended last a zeroed detail row; returns its word offset in {@link details}. */
  appendDetail(): number {
    const at = this.#detailCount * RECORD_DETAIL_WORDS;
    if (at === this.details.length) this.#growDetails();
    this.#detailCount++;
    this.words[(this.#count - 1) * RECORD_WORDS + RECORD.detail] = this.#detailCount;
    return at;
  }

  /** Takes the row appended last away again; it has no detail row. */
  withdraw(): void {
    this.#count--;
    this.words.fill(0, this.#count * RECORD_WORDS, (this.#count + 1) * RECORD_WORDS);
  }

  /** Hands over the oldest rows, at most {@link BATCH_ROWS}; undefined where none wait. */
  take(): FlowRecordBatch | undefined {
    const batch = this.#full.shift() ?? (this.#count === 0 ? undefined : this.#takeChunk());
    this.rowsGone += batch?.count ?? 0;
    return batch;
  }

  #beginChunk(): void {
    this.#full.push(this.#takeChunk());
    while ((this.#full.length + 1) * BATCH_ROWS > this.mostRows) {
      const oldest = this.#full.shift();
      if (oldest === undefined) return;
      this.refused += oldest.count;
      this.rowsGone += oldest.count;
      this.chunks.giveBack(oldest);
    }
  }

  #takeChunk(): FlowRecordBatch {
    const batch = { count: this.#count, words: this.words, details: this.details };
    this.words = NONE;
    this.details = NONE;
    this.#count = 0;
    this.#detailCount = 0;
    return batch;
  }

  #growDetails(): void {
    if (this.#detailCount === 0) {
      this.details = this.chunks.takeDetails();
      return;
    }
    const rows = Math.min(this.#detailCount * 2, BATCH_ROWS);
    const details = new Uint32Array(rows * RECORD_DETAIL_WORDS);
    details.set(this.details);
    this.details = details;
  }
}
