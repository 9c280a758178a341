// The memory of the flow table: rows by access pattern and an open-addressing index over their keys.
// A flow takes 48 (key) + 64 (words, one cache line) + 40 (numbers) + 4 (due) + 4 to 8 (index) bytes, one with details
// 376 more, one whose TCP segments have something to tell 84 more.
// Decides nothing.

import { KEY_WORDS } from "../capture/record.ts";
import { FlowDetails } from "./details.ts";
import { hashKey } from "./key-hash.ts";
import { SLOT, SLOT_NUMBERS, SLOT_WORDS, STATE } from "./slot-layout.ts";
import { TcpCounts } from "./tcp-counts.ts";

/** Keys that {@link FlowSlots.touch} takes at once: what it reads of them, 100 KB, stays in a processor's own cache. */
export const TOUCHED_KEYS = 256;

const FIRST_CAPACITY = 1024;
/** Rows grow by a quarter: at most that much of the memory lies idle. */
const GROWTH = 1.25;

/** Slots by key. Every array is replaced when it grows: read the field again after {@link FlowSlots.insert}. */
export class FlowSlots {
  keys: Uint32Array;
  words: Uint32Array;
  numbers: Float64Array;
  /** When there is something to do about a flow without a further packet, as due.ts counts; 0: not known, or free. */
  due: Uint32Array;
  /** Counts at the beginning of a later life: 4 doubles a row, packets then bytes by way. Row 0 is all zero. */
  bases: Float64Array = new Float64Array(4 * 16);
  /** Of slots whose state has `hasDetails`. */
  readonly details: FlowDetails = new FlowDetails();
  readonly tcp: TcpCounts = new TcpCounts();
  /** Live slots. */
  size = 0;
  /** Slots ever used: every live slot is below. */
  end = 0;
  #capacity: number;
  #free = -1;
  #index: Int32Array<ArrayBuffer>;
  #mask: number;
  #basesEnd = 1;
  #freeBase = 0;
  readonly #seed: number;
  readonly #places = new Int32Array(TOUCHED_KEYS);

  /** @param seed makes the places of keys unforeseeable to whoever sends packets */
  constructor(capacity: number = FIRST_CAPACITY, seed: number = 0) {
    this.#capacity = capacity;
    this.#seed = seed;
    this.keys = new Uint32Array(capacity * KEY_WORDS);
    this.words = new Uint32Array(capacity * SLOT_WORDS);
    this.numbers = new Float64Array(capacity * SLOT_NUMBERS);
    this.due = new Uint32Array(capacity);
    this.#index = new Int32Array(indexSize(Math.min(capacity, FIRST_CAPACITY)));
    this.#mask = this.#index.length - 1;
  }

  /** Bytes held. */
  get bytes(): number {
    const { keys, words, numbers, due } = this;
    const rows = keys.byteLength + words.byteLength + numbers.byteLength + due.byteLength;
    return rows + this.#index.byteLength + this.bases.byteLength + this.details.bytes + this.tcp.bytes;
  }

  /** Slot of the key of 12 words at `at`, or −1. */
  find(keys: Uint32Array, at: number): number {
    const hash = hashKey(keys, at, this.#seed);
    const index = this.#index;
    const mask = this.#mask;
    const words = this.words;
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const slot = (index[place] as number) - 1;
      if (slot < 0) return -1;
      if (((words[slot * SLOT_WORDS + SLOT.hash] as number) | 0) === hash && this.#hasKey(slot, keys, at))
        return slot;
    }
  }

  /**
   * Reads the rows of keys that are about to be looked for, `count` from the word offset `at` on, at most
   * {@link TOUCHED_KEYS}: the processor waits for all of them at once, not for one after the other (bench/spans.ts).
   */
  touch(keys: Uint32Array, at: number, count: number): void {
    const places = this.#places;
    const mask = this.#mask;
    for (let i = 0; i < count; i++) places[i] = hashKey(keys, at + i * KEY_WORDS, this.#seed) & mask;
    for (let i = 0; i < count; i++) places[i] = this.#index[places[i] as number] as number;
    for (let i = 0; i < count; i++) {
      const slot = (places[i] as number) - 1;
      if (slot < 0) continue;
      // Each row's first and last word: they may lie in two cache lines.
      const row = slot * SLOT_WORDS;
      const key = slot * KEY_WORDS;
      const told = slot * SLOT_NUMBERS;
      let seen = (this.words[row] as number) ^ (this.words[row + SLOT_WORDS - 1] as number);
      seen ^= (this.keys[key] as number) ^ (this.keys[key + KEY_WORDS - 1] as number);
      seen ^= (this.numbers[told] as number) ^ (this.numbers[told + SLOT_NUMBERS - 1] as number);
      // Written down, or the engine would leave the reads out.
      places[i] = seen;
    }
  }

  /** Adds a key that {@link find} does not know; its words and numbers are zero but for the live bit and the hash. */
  insert(keys: Uint32Array, at: number): number {
    if ((this.size + 1) * 4 > this.#index.length * 3) this.#growIndex();
    const slot = this.#takeSlot();
    const key = slot * KEY_WORDS;
    for (let i = 0; i < KEY_WORDS; i++) this.keys[key + i] = keys[at + i] as number;
    const row = slot * SLOT_WORDS;
    const told = slot * SLOT_NUMBERS;
    // By hand: of a few words `fill` is mostly its call (bench/spans.ts).
    for (let i = 0; i < SLOT_WORDS; i++) this.words[row + i] = 0;
    for (let i = 0; i < SLOT_NUMBERS; i++) this.numbers[told + i] = 0;
    const hash = hashKey(keys, at, this.#seed);
    this.words[row + SLOT.hash] = hash;
    this.words[row + SLOT.state] = STATE.live;
    this.#place(slot, hash);
    this.size++;
    return slot;
  }

  /** Frees a live slot, its base and its details. Entries behind it move up, so no mark stays. */
  remove(slot: number): void {
    const index = this.#index;
    const mask = this.#mask;
    const row = slot * SLOT_WORDS;
    let hole = (this.words[row + SLOT.hash] as number) & mask;
    while (index[hole] !== slot + 1) hole = (hole + 1) & mask;
    for (let place = (hole + 1) & mask; ; place = (place + 1) & mask) {
      const moved = index[place] as number;
      if (moved === 0) break;
      const home = (this.words[(moved - 1) * SLOT_WORDS + SLOT.hash] as number) & mask;
      if (((place - home) & mask) < ((place - hole) & mask)) continue;
      index[hole] = moved;
      hole = place;
    }
    index[hole] = 0;
    this.#dropBase(row);
    if (((this.words[row + SLOT.state] as number) & STATE.hasDetails) !== 0) this.details.close(slot);
    this.tcp.close(slot);
    this.words[row + SLOT.state] = 0;
    this.due[slot] = 0;
    this.words[row] = this.#free + 1;
    this.#free = slot;
    this.size--;
  }

  /** Sets where the present life of a slot began: the four counts at `at`, packets then bytes by way. */
  setBase(slot: number, counts: Float64Array, at: number): void {
    const row = slot * SLOT_WORDS + SLOT.base;
    if (this.words[row] === 0) this.words[row] = this.#takeBase();
    const base = (this.words[row] as number) * 4;
    for (let i = 0; i < 4; i++) this.bases[base + i] = counts[at + i] as number;
  }

  /** Row of a slot's details in {@link details}, 0 where it has none. */
  detailRow(slot: number): number {
    const state = this.words[slot * SLOT_WORDS + SLOT.state] as number;
    return (state & STATE.hasDetails) === 0 ? 0 : this.details.rowOf(slot);
  }

  /** Gives a slot without details a row for them; returns it. */
  openDetails(slot: number): number {
    const state = slot * SLOT_WORDS + SLOT.state;
    this.words[state] = (this.words[state] as number) | STATE.hasDetails;
    return this.details.open(slot);
  }

  #hasKey(slot: number, keys: Uint32Array, at: number): boolean {
    const own = this.keys;
    const start = slot * KEY_WORDS;
    for (let i = 0; i < KEY_WORDS; i++) if (own[start + i] !== keys[at + i]) return false;
    return true;
  }

  #place(slot: number, hash: number): void {
    let place = hash & this.#mask;
    while (this.#index[place] !== 0) place = (place + 1) & this.#mask;
    this.#index[place] = slot + 1;
  }

  #takeSlot(): number {
    const slot = this.#free;
    if (slot >= 0) {
      this.#free = (this.words[slot * SLOT_WORDS] as number) - 1;
      return slot;
    }
    if (this.end === this.#capacity) this.#growRows();
    return this.end++;
  }

  #growRows(): void {
    this.#capacity = Math.ceil(this.#capacity * GROWTH);
    const keys = new Uint32Array(this.#capacity * KEY_WORDS);
    keys.set(this.keys);
    this.keys = keys;
    const words = new Uint32Array(this.#capacity * SLOT_WORDS);
    words.set(this.words);
    this.words = words;
    const numbers = new Float64Array(this.#capacity * SLOT_NUMBERS);
    numbers.set(this.numbers);
    this.numbers = numbers;
    const due = new Uint32Array(this.#capacity);
    due.set(this.due);
    this.due = due;
  }

  #growIndex(): void {
    const { length, buffer } = this.#index;
    this.#index = new Int32Array(length * 2);
    // At once: the collector, which sees little work here, would let it lie.
    buffer.transfer(0);
    this.#mask = this.#index.length - 1;
    for (let slot = 0; slot < this.end; slot++) {
      const row = slot * SLOT_WORDS;
      if (((this.words[row + SLOT.state] as number) & STATE.live) !== 0)
        this.#place(slot, this.words[row + SLOT.hash] as number);
    }
  }

  #takeBase(): number {
    const base = this.#freeBase;
    if (base !== 0) {
      this.#freeBase = this.bases[base * 4] as number;
      return base;
    }
    if ((this.#basesEnd + 1) * 4 > this.bases.length) {
      const bases = new Float64Array(this.bases.length * 2);
      bases.set(this.bases);
      this.bases = bases;
    }
    return this.#basesEnd++;
  }

  #dropBase(row: number): void {
    const base = this.words[row + SLOT.base] as number;
    if (base === 0) return;
    this.bases[base * 4] = this.#freeBase;
    this.#freeBase = base;
  }
}

/** The smallest power of two that leaves the index at most three quarters full. */
function indexSize(capacity: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(capacity, 4) / 0.75));
}
