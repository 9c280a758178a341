// What the flow table keeps of flows with details: the headers last seen, and what was told of their counts.
// Comes in: rows of FLOW_DETAILS and counts of events. Goes out: rows for detail-row.ts. Decides nothing.

import { DETAILS, DETAILS_WORDS, LAYER, LAYER_FLAG, LAYER_WORDS, number64 } from "../capture/record.ts";
import { SlotRows } from "./slot-rows.ts";

/** Counts of a flow's details: overhead as DETAILS.overheadBytes has it, then fragments. */
const DETAIL_COUNTS = 5;
/** Doubles of one row: {@link DETAIL_COUNTS} each as last seen, as told, as they were when the present life began. */
export const DETAIL_NUMBERS = 15;
export const DETAIL_NUMBER = { seen: 0, told: 5, base: 10 } as const;

const FIRST_ROWS = 16;

/** Rows of the few flows that have details, found by slot. Row 0 is none. Arrays are replaced when they grow. */
export class FlowDetails {
  /** {@link DETAILS_WORDS} a row; of the counts only those in {@link numbers} are true. */
  words: Uint32Array = new Uint32Array(0);
  numbers: Float64Array = new Float64Array(0);
  readonly #rows = new SlotRows();

  /** Bytes held. */
  get bytes(): number {
    return this.words.byteLength + this.numbers.byteLength + this.#rows.bytes;
  }

  /** Row of a slot, 0 where it has none. */
  rowOf(slot: number): number {
    return this.#rows.rowOf(slot);
  }

  /** Gives a slot without a row one, all zero. */
  open(slot: number): number {
    const row = this.#rows.open(slot);
    if ((row + 1) * DETAILS_WORDS > this.words.length) this.#grow(row);
    this.words.fill(0, row * DETAILS_WORDS, (row + 1) * DETAILS_WORDS);
    this.numbers.fill(0, row * DETAIL_NUMBERS, (row + 1) * DETAIL_NUMBERS);
    return row;
  }

  /** Frees the row of a slot. */
  close(slot: number): void {
    this.#rows.close(slot);
  }

  /** Whether the row says how packets of its flow's life were carried. */
  hasHeaders(row: number): boolean {
    return (this.#layerFlags(row, 0) & (LAYER_FLAG.seen * 3)) !== 0;
  }

  /** The words are of a later life than the row: what they still say of the one before is its own. */
  restoreOldLife(row: number): void {
    for (let layer = 0; layer < 2; layer++) {
      this.#setLayerFlags(row, layer, this.#layerFlags(row, layer) >>> LAYER_FLAG.oldLifeShift);
    }
  }

  /** Takes over the details at `at`, counts and all. */
  load(row: number, details: Uint32Array, at: number): void {
    const own = row * DETAILS_WORDS;
    for (let i = 0; i < DETAILS_WORDS; i++) this.words[own + i] = details[at + i] as number;
    this.setSeen(row, details, at + DETAILS.overheadBytes, at + DETAILS.fragments);
  }

  /** Sets the counts: four 64-bit overheads at `overhead`, one of fragments at `fragments`. */
  setSeen(row: number, words: Uint32Array, overhead: number, fragments: number): void {
    const seen = row * DETAIL_NUMBERS + DETAIL_NUMBER.seen;
    for (let i = 0; i < 4; i++) this.numbers[seen + i] = number64(words, overhead + i * 2);
    this.numbers[seen + 4] = number64(words, fragments);
  }

  /** What was seen is told now; what was told once is not taken back. */
  remember(row: number): void {
    const { numbers } = this;
    const at = row * DETAIL_NUMBERS;
    for (let i = at; i < at + DETAIL_COUNTS; i++) {
      const told = i + DETAIL_NUMBER.told;
      numbers[told] = Math.max(numbers[told] as number, numbers[i + DETAIL_NUMBER.seen] as number);
    }
  }

  /** A new life begins at what was seen, or at what was told, if a scan ran ahead of it. */
  beginLife(row: number): void {
    this.remember(row);
    this.#forgetHeaders(row);
    const told = row * DETAIL_NUMBERS + DETAIL_NUMBER.told;
    this.numbers.copyWithin(row * DETAIL_NUMBERS + DETAIL_NUMBER.base, told, told + DETAIL_COUNTS);
  }

  /** Of the packets of a life before: addresses, numbers, and the frame's source. */
  #forgetHeaders(row: number): void {
    for (let layer = 0; layer < 2; layer++) this.#setLayerFlags(row, layer, 0);
    const flags = row * DETAILS_WORDS + DETAILS.tunnelMac + 1;
    this.words[flags] = (this.words[flags] as number) & 0xffff;
  }

  #layerFlags(row: number, layer: number): number {
    return (this.words[this.#layerOctets(row, layer)] as number) >>> 24;
  }

  #setLayerFlags(row: number, layer: number, flags: number): void {
    const octets = this.#layerOctets(row, layer);
    this.words[octets] = ((this.words[octets] as number) & 0xffffff) | (flags << 24);
  }

  #layerOctets(row: number, layer: number): number {
    return row * DETAILS_WORDS + DETAILS.tunnel + layer * LAYER_WORDS + LAYER.octets;
  }

  #grow(row: number): void {
    const rows = Math.max(FIRST_ROWS, row * 2);
    const words = new Uint32Array(rows * DETAILS_WORDS);
    words.set(this.words);
    this.words = words;
    const numbers = new Float64Array(rows * DETAIL_NUMBERS);
    numbers.set(this.numbers);
    this.numbers = numbers;
  }
}
