// Rows of lives that ended before any scan saw their hooks: what is missing in them is known later.

import { RECORD, RECORD_DETAIL_WORDS, RECORD_WORDS } from "./flow.ts";
import type { RecordBuffer } from "./record-buffer.ts";

const FIRST_ROWS = 64;

/** Rows with their owners, in the order of their lives' ends. */
export class HeldRows {
  /** {@link RECORD_WORDS} a row. */
  words: Uint32Array = new Uint32Array(0);
  /** {@link RECORD_DETAIL_WORDS} a row, by the row's own number; as long as no row has details, empty. */
  details: Uint32Array = new Uint32Array(0);
  /** Of each row: slot × 16 + orientation. */
  readonly #owners: number[] = [];

  get count(): number {
    return this.#owners.length;
  }

  slotOf(row: number): number {
    return Math.floor((this.#owners[row] as number) / 16);
  }

  orientationOf(row: number): number {
    return (this.#owners[row] as number) % 16;
  }

  /** Adds a zeroed row; returns its word offset in {@link words}. */
  append(slot: number, orientation: number): number {
    const row = this.#owners.push(slot * 16 + orientation) - 1;
    const at = row * RECORD_WORDS;
    if (at === this.words.length) this.words = grown(this.words, FIRST_ROWS * RECORD_WORDS);
    this.words.fill(0, at, at + RECORD_WORDS);
    return at;
  }

  /** Gives the row appended last a zeroed detail row; returns its word offset in {@link details}. */
  appendDetail(): number {
    const row = this.#owners.length - 1;
    const at = row * RECORD_DETAIL_WORDS;
    while (at >= this.details.length) this.details = grown(this.details, FIRST_ROWS * RECORD_DETAIL_WORDS);
    this.details.fill(0, at, at + RECORD_DETAIL_WORDS);
    this.words[row * RECORD_WORDS + RECORD.detail] = 1;
    return at;
  }

  /** Appends a row to `records`, its details to follow; returns its word offset there. */
  copyTo(records: RecordBuffer, row: number): number {
    const at = records.append();
    const out = records.words;
    const from = row * RECORD_WORDS;
    for (let i = 0; i < RECORD_WORDS; i++) out[at + i] = this.words[from + i] as number;
    return at;
  }

  /** Gives the row appended last to `records` the details of `row`, if it has any. */
  copyDetailTo(records: RecordBuffer, row: number): void {
    if (this.words[row * RECORD_WORDS + RECORD.detail] === 0) return;
    const at = records.appendDetail();
    const from = row * RECORD_DETAIL_WORDS;
    for (let i = 0; i < RECORD_DETAIL_WORDS; i++) records.details[at + i] = this.details[from + i] as number;
  }

  /** Moves a row down to the place `to`. */
  move(row: number, to: number): void {
    if (row === to) return;
    this.words.copyWithin(to * RECORD_WORDS, row * RECORD_WORDS, (row + 1) * RECORD_WORDS);
    this.details.copyWithin(
      to * RECORD_DETAIL_WORDS,
      row * RECORD_DETAIL_WORDS,
      (row + 1) * RECORD_DETAIL_WORDS,
    );
    this.#owners[to] = this.#owners[row] as number;
  }

  /** Forgets all but the first `count` rows. */
  truncate(count: number): void {
    this.#owners.length = count;
  }
}

function grown(words: Uint32Array, least: number): Uint32Array {
  const larger = new Uint32Array(Math.max(least, words.length * 2));
  larger.set(words);
  return larger;
}
