// Rows of records that wait to be handed over. A chunk goes out as it is, never copied.

import type { FlowRecordBatch } from "./flow.ts";
import { RECORD_WORDS } from "./flow.ts";

/** Rows of one batch at most. */
export const BATCH_ROWS = 4096;
/** Rows of a new chunk: 64 KB. */
const FIRST_ROWS = 293;

/** Appends rows; hands them over in batches with a buffer of their own. */
export class RecordBuffer {
  /** Chunk that {@link append} returned an offset into. */
  words: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  #count = 0;
  #full: FlowRecordBatch[] = [];

  /** Rows waiting. */
  get count(): number {
    return this.#full.length * BATCH_ROWS + this.#count;
  }

  /** Adds a zeroed row; returns its word offset in {@link words}, valid until the next call. */
  append(): number {
    if (this.#count === BATCH_ROWS) {
      this.#full.push({ count: this.#count, words: this.words });
      this.words = new Uint32Array(0);
      this.#count = 0;
    }
    if ((this.#count + 1) * RECORD_WORDS > this.words.length) this.#grow();
    return this.#count++ * RECORD_WORDS;
  }

  /** Hands over the oldest rows, at most {@link BATCH_ROWS}; undefined where none wait. */
  take(): FlowRecordBatch | undefined {
    const batch = this.#full.shift();
    if (batch !== undefined) return batch;
    if (this.#count === 0) return undefined;
    const last = { count: this.#count, words: this.words };
    this.words = new Uint32Array(0);
    this.#count = 0;
    return last;
  }

  #grow(): void {
    const rows = Math.min(Math.max(FIRST_ROWS, this.#count * 2), BATCH_ROWS);
    const words = new Uint32Array(rows * RECORD_WORDS);
    words.set(this.words);
    this.words = words;
  }
}
