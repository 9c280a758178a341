// Finds entries of translations.ts by either of their keys. A key that several entries have leads to the newest, and
// from there to the others. Comes in: places in rows. Goes out: references (entry × 2 + view). Judges nothing.
//
//   index   open addressing over keys: reference + 1 of the newest entry that has it, 0 none
//   older   by reference: reference + 1 of the next older one with the same key, 0 none

import { KEY_WORDS } from "../capture/record.ts";
import { hashKey } from "./key-hash.ts";

/** Rows that begin with two keys. */
export interface KeyRows {
  readonly words: Uint32Array;
}

const FIRST_PLACES = 1024;

export class TranslationIndex {
  /** References that are behind a newer one. */
  shared = 0;
  readonly #rows: KeyRows;
  readonly #rowWords: number;
  readonly #seed: number;
  #index = new Int32Array(0);
  #older = new Int32Array(0);
  #keys = 0;

  constructor(rows: KeyRows, rowWords: number, seed: number) {
    this.#rows = rows;
    this.#rowWords = rowWords;
    this.#seed = seed;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#index.byteLength + this.#older.byteLength;
  }

  /** Word offset of a reference's key. */
  keyAt(reference: number): number {
    return (reference >>> 1) * this.#rowWords + (reference & 1) * KEY_WORDS;
  }

  /** The newest reference of the key at `at`, −1 where there is none. */
  newest(keys: Uint32Array, at: number): number {
    if (this.#keys === 0) return -1;
    const place = this.#placeOf(keys, at);
    return place < 0 ? -1 : (this.#index[place] as number) - 1;
  }

  /** The next older reference of the same key, −1 where there is none. */
  older(reference: number): number {
    return (this.#older[reference] as number) - 1;
  }

  /** Makes room for so many rows. */
  grow(rows: number): void {
    const older = new Int32Array(rows * 2);
    older.set(this.#older);
    this.#older = older;
  }

  /** A reference's key leads to it from now on. */
  add(reference: number): void {
    if ((this.#keys + 1) * 4 > this.#index.length * 3) this.#growIndex();
    const at = this.keyAt(reference);
    const place = this.#placeOf(this.#rows.words, at);
    if (place < 0) {
      this.#older[reference] = 0;
      this.#index[this.#freePlace(at)] = reference + 1;
      this.#keys++;
      return;
    }
    this.#older[reference] = this.#index[place] as number;
    this.#index[place] = reference + 1;
    this.shared++;
  }

  /** A reference is not to be found any more; nothing where it is not. */
  remove(reference: number): void {
    const place = this.#placeOf(this.#rows.words, this.keyAt(reference));
    if (place < 0) return;
    const newest = (this.#index[place] as number) - 1;
    if (newest === reference) {
      const older = this.#older[reference] as number;
      if (older === 0) this.#clear(place);
      else {
        this.#index[place] = older;
        this.shared--;
      }
      return;
    }
    for (let newer = newest, each = this.older(newer); each >= 0; newer = each, each = this.older(each)) {
      if (each !== reference) continue;
      this.#older[newer] = this.#older[reference] as number;
      this.shared--;
      return;
    }
  }

  #placeOf(keys: Uint32Array, at: number): number {
    const mask = this.#index.length - 1;
    for (let place = hashKey(keys, at, this.#seed) & mask; ; place = (place + 1) & mask) {
      const found = (this.#index[place] as number) - 1;
      if (found < 0) return -1;
      if (this.#hasKey(this.keyAt(found), keys, at)) return place;
    }
  }

  #hasKey(own: number, keys: Uint32Array, at: number): boolean {
    const { words } = this.#rows;
    for (let i = 0; i < KEY_WORDS; i++) if (words[own + i] !== keys[at + i]) return false;
    return true;
  }

  #freePlace(at: number): number {
    const mask = this.#index.length - 1;
    let place = hashKey(this.#rows.words, at, this.#seed) & mask;
    while (this.#index[place] !== 0) place = (place + 1) & mask;
    return place;
  }

  /** Takes a key out. Those behind it move up. */
  #clear(place: number): void {
    const index = this.#index;
    const mask = index.length - 1;
    let hole = place;
    for (let next = (hole + 1) & mask; index[next] !== 0; next = (next + 1) & mask) {
      const moved = (index[next] as number) - 1;
      const home = hashKey(this.#rows.words, this.keyAt(moved), this.#seed) & mask;
      if (((next - home) & mask) < ((next - hole) & mask)) continue;
      index[hole] = moved + 1;
      hole = next;
    }
    index[hole] = 0;
    this.#keys--;
  }

  #growIndex(): void {
    const before = this.#index;
    this.#index = new Int32Array(Math.max(FIRST_PLACES, before.length * 2));
    for (const found of before) if (found !== 0) this.#index[this.#freePlace(this.keyAt(found - 1))] = found;
  }
}
