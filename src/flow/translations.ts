// What is known of conversations that the node translates: two keys each, found by either. Bounded; the oldest go.
// Comes in: rows of capture. Goes out: entries by number. Decides nothing but which entry of a key is the present one.
//
//   entry   original key (12 words) | translated key (12) | octets | number of the listing that confirmed it
//   index   open addressing over both keys of all entries; a key that two entries have leads to the newer one

import { KEY_WORDS } from "../capture/record.ts";
import { TRANSLATION, TRANSLATION_BYTE } from "../capture/translation.ts";
import { hashKey } from "./key-hash.ts";

/** The two views of a conversation: as the initiator's packets arrive, and as they leave. */
export const VIEW = { original: 0, translated: 1 } as const;

const ENTRY_WORDS = 26;
const ENTRY_OCTETS = 24;
const ENTRY_LISTING = 25;
/** Fourth octet: the view that is told, counted from 1; 0 none yet. */
const TOLD_SHIFT = 24;
const FIRST_ENTRIES = 256;
/** 18 MB. A node that translates more at a time tells the oldest conversations as two. */
const MOST_ENTRIES = 131_072;
/** How long an entry outlives its connection: longer than the ring's and the scan's delay. */
const KEEP_NS = 10e9;
/** A key's tunnel with this bit is of a mirror session: its packets are copies, which nobody translates. */
const MIRRORED = 0x80000000;
const LIVING = 0;
const ENDED = 1;

export class Translations {
  /** {@link ENTRY_WORDS} a row. Replaced when it grows. */
  words: Uint32Array = new Uint32Array(0);
  size = 0;
  /** Entries let go for want of room. */
  evicted = 0;
  readonly #most: number;
  readonly #seed: number;
  readonly #key = new Uint32Array(KEY_WORDS);
  #listing = 0;
  #index = new Int32Array(0);
  #next = new Int32Array(0);
  #previous = new Int32Array(0);
  #endedNs = new Float64Array(0);
  /** First and last of the entries that live, and of those that have ended, in the order they came; −1 none. */
  readonly #first: [number, number] = [-1, -1];
  readonly #last: [number, number] = [-1, -1];
  #free = -1;
  #end = 0;

  /** @param seed makes the places of keys unforeseeable to whoever sends packets */
  constructor(seed: number, most: number = MOST_ENTRIES) {
    this.#seed = seed;
    this.#most = most;
  }

  /** Bytes held. */
  get bytes(): number {
    const rows = this.words.byteLength + this.#endedNs.byteLength;
    return rows + this.#next.byteLength * 2 + this.#index.byteLength;
  }

  /** Entry × 2 + view of the flow key at `at`, whatever its VLAN or tunnel; −1: not known to be translated. */
  find(keys: Uint32Array, at: number): number {
    if (this.size === 0 || ((keys[at + 10] as number) & MIRRORED) !== 0) return -1;
    const key = this.#key;
    for (let i = 0; i < KEY_WORDS; i++) key[i] = keys[at + i] as number;
    key[9] = (key[9] as number) & 0xffff;
    key[10] = 0;
    const place = this.#placeOf(key, 0);
    return place < 0 ? -1 : (this.#index[place] as number) - 1;
  }

  /** Word offset in {@link words} of an entry's key. */
  keyAt(entry: number, view: number): number {
    return entry * ENTRY_WORDS + view * KEY_WORDS;
  }

  /** The way in a view's key that leads from the initiator to the responder. */
  wayOf(entry: number, view: number): number {
    return ((this.words[entry * ENTRY_WORDS + ENTRY_OCTETS] as number) >>> (view * 8)) & 1;
  }

  /** The view that is told, −1 where that is not decided. */
  toldOf(entry: number): number {
    return ((this.words[entry * ENTRY_WORDS + ENTRY_OCTETS] as number) >>> TOLD_SHIFT) - 1;
  }

  setTold(entry: number, view: number): void {
    const at = entry * ENTRY_WORDS + ENTRY_OCTETS;
    this.words[at] = ((this.words[at] as number) & 0xffffff) | ((view + 1) << TOLD_SHIFT);
  }

  /** Takes in the row at `at` of a connection that lives; others with a key of its own have ended. Returns its entry. */
  add(rows: Uint32Array, at: number, nowNs: number): number {
    const known = this.#findRow(rows, at);
    if (known >= 0) {
      this.words[known * ENTRY_WORDS + ENTRY_LISTING] = this.#listing;
      return known;
    }
    this.#retireAt(rows, at + TRANSLATION.original, nowNs);
    this.#retireAt(rows, at + TRANSLATION.translated, nowNs);
    return this.#open(rows, at);
  }

  /** The connection of the row at `at` has ended: its entry stays for a while. */
  end(rows: Uint32Array, at: number, nowNs: number): void {
    const entry = this.#findRow(rows, at);
    if (entry >= 0) this.#retire(entry, nowNs);
  }

  /** A listing begins: what neither it nor an event confirms has ended unnoticed. */
  beginListing(): void {
    this.#listing++;
  }

  /** The listing was complete. */
  endListing(nowNs: number): void {
    for (let entry = this.#first[LIVING]; entry >= 0; ) {
      const next = this.#next[entry] as number;
      if (this.words[entry * ENTRY_WORDS + ENTRY_LISTING] !== this.#listing) this.#retire(entry, nowNs);
      entry = next;
    }
  }

  /** Forgets what ended some seconds ago. */
  expire(nowNs: number): void {
    for (let entry = this.#first[ENDED]; entry >= 0; entry = this.#first[ENDED]) {
      if (nowNs - (this.#endedNs[entry] as number) < KEEP_NS) return;
      this.#remove(entry);
    }
  }

  /** The entry of a row, where it lives; else −1. */
  #findRow(rows: Uint32Array, at: number): number {
    const found = this.find(rows, at + TRANSLATION.original);
    if (found < 0 || (found & 1) !== VIEW.original || this.#endedNs[found >>> 1] !== 0) return -1;
    const own = this.keyAt(found >>> 1, VIEW.translated);
    for (let i = 0; i < KEY_WORDS; i++)
      if (this.words[own + i] !== rows[at + TRANSLATION.translated + i]) return -1;
    return found >>> 1;
  }

  #open(rows: Uint32Array, at: number): number {
    if (this.size === this.#most) this.#evict();
    const entry = this.#take();
    const to = entry * ENTRY_WORDS;
    for (let i = 0; i < 2 * KEY_WORDS; i++) this.words[to + i] = rows[at + i] as number;
    const octets = rows[at + TRANSLATION.octets] as number;
    this.words[to + ENTRY_OCTETS] = octets & ((1 << (TRANSLATION_BYTE.isGone * 8)) - 1);
    this.words[to + ENTRY_LISTING] = this.#listing;
    this.#endedNs[entry] = 0;
    this.#append(entry, LIVING);
    this.size++;
    if (this.size * 8 > this.#index.length * 3) this.#growIndex();
    else for (let view = 0; view < 2; view++) this.#place(entry, view);
    return entry;
  }

  #evict(): void {
    this.evicted++;
    this.#remove(this.#first[ENDED] >= 0 ? this.#first[ENDED] : this.#first[LIVING]);
  }

  #retireAt(keys: Uint32Array, at: number, nowNs: number): void {
    const found = this.find(keys, at);
    if (found >= 0 && this.#endedNs[found >>> 1] === 0) this.#retire(found >>> 1, nowNs);
  }

  #retire(entry: number, nowNs: number): void {
    this.#unlink(entry, LIVING);
    this.#endedNs[entry] = nowNs;
    this.#append(entry, ENDED);
  }

  #remove(entry: number): void {
    this.#unlink(entry, this.#endedNs[entry] === 0 ? LIVING : ENDED);
    for (let view = 0; view < 2; view++) this.#displace(entry, view);
    this.#next[entry] = this.#free;
    this.#free = entry;
    this.size--;
  }

  #append(entry: number, list: 0 | 1): void {
    const last = this.#last[list];
    this.#previous[entry] = last;
    this.#next[entry] = -1;
    if (last < 0) this.#first[list] = entry;
    else this.#next[last] = entry;
    this.#last[list] = entry;
  }

  #unlink(entry: number, list: 0 | 1): void {
    const previous = this.#previous[entry] as number;
    const next = this.#next[entry] as number;
    if (previous < 0) this.#first[list] = next;
    else this.#next[previous] = next;
    if (next < 0) this.#last[list] = previous;
    else this.#previous[next] = previous;
  }

  #take(): number {
    const entry = this.#free;
    if (entry < 0) {
      if (this.#end * ENTRY_WORDS === this.words.length) this.#growRows();
      return this.#end++;
    }
    this.#free = this.#next[entry] as number;
    return entry;
  }

  #growRows(): void {
    const rows = Math.max(FIRST_ENTRIES, this.#end * 2);
    const words = new Uint32Array(rows * ENTRY_WORDS);
    words.set(this.words);
    this.words = words;
    this.#next = grown(this.#next, rows);
    this.#previous = grown(this.#previous, rows);
    const endedNs = new Float64Array(rows);
    endedNs.set(this.#endedNs);
    this.#endedNs = endedNs;
  }

  /** The place in the index of the key at `at`, −1 where it has none. */
  #placeOf(keys: Uint32Array, at: number): number {
    const mask = this.#index.length - 1;
    for (let place = hashKey(keys, at, this.#seed) & mask; ; place = (place + 1) & mask) {
      const found = (this.#index[place] as number) - 1;
      if (found < 0) return -1;
      if (this.#hasKey(this.keyAt(found >>> 1, found & 1), keys, at)) return place;
    }
  }

  #hasKey(own: number, keys: Uint32Array, at: number): boolean {
    for (let i = 0; i < KEY_WORDS; i++) if (this.words[own + i] !== keys[at + i]) return false;
    return true;
  }

  /** A key that an older entry has leads to this one from now on. */
  #place(entry: number, view: number): void {
    const at = this.keyAt(entry, view);
    const known = this.#placeOf(this.words, at);
    const mask = this.#index.length - 1;
    let place = known < 0 ? hashKey(this.words, at, this.#seed) & mask : known;
    if (known < 0) while (this.#index[place] !== 0) place = (place + 1) & mask;
    this.#index[place] = entry * 2 + view + 1;
  }

  /** Takes a key of an entry out of the index, unless it leads to a newer one. Those behind it move up. */
  #displace(entry: number, view: number): void {
    const index = this.#index;
    const mask = index.length - 1;
    let hole = this.#placeOf(this.words, this.keyAt(entry, view));
    if (hole < 0 || index[hole] !== entry * 2 + view + 1) return;
    for (let place = (hole + 1) & mask; index[place] !== 0; place = (place + 1) & mask) {
      const moved = (index[place] as number) - 1;
      const home = hashKey(this.words, this.keyAt(moved >>> 1, moved & 1), this.#seed) & mask;
      if (((place - home) & mask) < ((place - hole) & mask)) continue;
      index[hole] = moved + 1;
      hole = place;
    }
    index[hole] = 0;
  }

  /** The oldest first, so that the newest entry of a key is found. */
  #growIndex(): void {
    this.#index = new Int32Array(Math.max(FIRST_ENTRIES * 4, this.#index.length * 2));
    for (const list of [ENDED, LIVING] as const)
      for (let entry = this.#first[list]; entry >= 0; entry = this.#next[entry] as number)
        for (let view = 0; view < 2; view++) this.#place(entry, view);
  }
}

function grown(numbers: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(length);
  larger.set(numbers);
  return larger;
}
