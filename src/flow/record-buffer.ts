// Rows of records, and of details, that wait to be handed over. A chunk goes out as it is, never copied.

import type { FlowRecordBatch } from "./flow.ts";
import { RECORD, RECORD_DETAIL_WORDS, RECORD_WORDS } from "./flow.ts";

/** Rows of one batch at most. */
export const BATCH_ROWS = 4096;
/** Rows of a new chunk: 64 KB. */
const FIRST_ROWS = 293;
const FIRST_DETAILS = 16;

/** Appends rows; hands them over in batches with buffers of their own. */
export class RecordBuffer {
  /** Chunk that {@link append} returned an offset into. */
  words: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  /** Detail rows of the same chunk; as long as it has none, empty. */
  details: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  #count = 0;
  #detailCount = 0;
  #full: FlowRecordBatch[] = [];

  /** Rows waiting. */
  get count(): number {
    return this.#full.length * BATCH_ROWS + this.#count;
  }

  /** Adds a zeroed row; returns its word offset in {@link words}, valid until the next call. */
  append(): number {
    if (this.#count === BATCH_ROWS) this.#full.push(this.#takeChunk());
    if ((this.#count + 1) * RECORD_WORDS > this.words.length) this.#grow();
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
    return this.#full.shift() ?? (this.#count === 0 ? undefined : this.#takeChunk());
  }

  #takeChunk(): FlowRecordBatch {
    const batch = { count: this.#count, words: this.words, details: this.details };
    this.words = new Uint32Array(0);
    this.details = new Uint32Array(0);
    this.#count = 0;
    this.#detailCount = 0;
    return batch;
  }

  #grow(): void {
    const rows = Math.min(Math.max(FIRST_ROWS, this.#count * 2), BATCH_ROWS);
    const words = new Uint32Array(rows * RECORD_WORDS);
    words.set(this.words);
    this.words = words;
  }

  #growDetails(): void {
    const rows = Math.min(Math.max(FIRST_DETAILS, this.#detailCount * 2), BATCH_ROWS);
    const details = new Uint32Array(rows * RECORD_DETAIL_WORDS);
    details.set(this.details);
    this.details = details;
  }
}
