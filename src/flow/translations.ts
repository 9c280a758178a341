// What is known of conversations that the node translates: two keys each, found by either. Bounded; the oldest go.
// Comes in: rows of capture. Goes out: entries by number. Decides nothing but which entry of a key is the present one.
//
//   entry   original key (12 words) | translated key (12) | octets | zones | number of the listing that confirmed it
//
// In a zone of conntrack's a key is of one connection at a time: the newest. Zones know nothing of each other: where
// they translate a key in different ways nobody can tell which packets of the flow are whose, and it is contested.

import { KEY_WORDS } from "../capture/record.ts";
import { TRANSLATION, TRANSLATION_BYTE } from "../capture/translation.ts";
import { TranslationIndex } from "./translation-index.ts";

/** The two views of a conversation: as the initiator's packets arrive, and as they leave. */
export const VIEW = { original: 0, translated: 1 } as const;

/** What {@link Translations.find} says of a key, or of one whose other key, zones translate in different ways. */
export const CONTESTED = -2;

const ENTRY_WORDS = 27;
const ENTRY_OCTETS = 24;
const ENTRY_ZONES = 25;
const ENTRY_LISTING = 26;
/** Fourth octet: the view that is told, counted from 1; 0 none yet. */
const TOLD_SHIFT = 24;
const FIRST_ENTRIES = 256;
/** 19 MB. A node that translates more at a time tells the oldest conversations as two. */
const MOST_ENTRIES = 131_072;
/** How long an entry outlives its connection: longer than the ring's and the scan's delay. */
const KEEP_NS = 10e9;
/** Of one call of {@link Translations.expire}: 1.5 ms where all ended at once (bun, 131,072 entries). */
const MOST_EXPIRED = 4096;
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
  readonly #index: TranslationIndex;
  readonly #key = new Uint32Array(KEY_WORDS);
  #listing = 0;
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
    this.#index = new TranslationIndex(this, ENTRY_WORDS, seed);
    this.#most = most;
  }

  /** Bytes held. */
  get bytes(): number {
    const rows = this.words.byteLength + this.#endedNs.byteLength;
    return rows + this.#next.byteLength * 2 + this.#index.bytes;
  }

  /** Whether zones share any key at all: only then can one be contested. */
  get hasShared(): boolean {
    return this.#index.shared > 0;
  }

  /**
   * Entry × 2 + view of the flow key at `at`, whatever its VLAN or tunnel; −1: not known to be translated;
   * {@link CONTESTED}.
   */
  find(keys: Uint32Array, at: number): number {
    if (this.size === 0 || ((keys[at + 10] as number) & MIRRORED) !== 0) return -1;
    const key = this.#key;
    for (let i = 0; i < KEY_WORDS; i++) key[i] = keys[at + i] as number;
    key[9] = (key[9] as number) & 0xffff;
    key[10] = 0;
    const found = this.#present(key, 0);
    if (found < 0 || !this.hasShared) return found;
    return this.#present(this.words, this.#index.keyAt(found ^ 1)) === CONTESTED ? CONTESTED : found;
  }

  /** Word offset in {@link words} of an entry's key. */
  keyAt(entry: number, view: number): number {
    return this.#index.keyAt(entry * 2 + view);
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

  /**
   * Takes in the row at `at` of a connection that lives; others with a key of its own in the same zone have ended.
   * Returns its entry.
   */
  add(rows: Uint32Array, at: number, nowNs: number): number {
    const known = this.#findRow(rows, at);
    if (known >= 0) {
      this.words[known * ENTRY_WORDS + ENTRY_LISTING] = this.#listing;
      return known;
    }
    const zones = rows[at + TRANSLATION.zones] as number;
    this.#supersede(rows, at + TRANSLATION.original, zones & 0xffff, nowNs);
    this.#supersede(rows, at + TRANSLATION.translated, zones >>> 16, nowNs);
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

  /** Nobody tells of ends any more: all that lives counts as ended. */
  endAll(nowNs: number): void {
    for (let entry = this.#first[LIVING]; entry >= 0; entry = this.#first[LIVING]) this.#retire(entry, nowNs);
  }

  /** Forgets what ended some seconds ago: the oldest first, a slice a call. */
  expire(nowNs: number): void {
    for (let count = 0; count < MOST_EXPIRED; count++) {
      const entry = this.#first[ENDED];
      if (entry < 0 || nowNs - (this.#endedNs[entry] as number) < KEEP_NS) return;
      this.#remove(entry);
    }
  }

  /** The reference that a key leads to: the newest living one, else the newest. */
  #present(keys: Uint32Array, at: number): number {
    const newest = this.#index.newest(keys, at);
    if (newest < 0) return -1;
    let present = newest;
    for (let each = this.#index.older(newest); each >= 0; each = this.#index.older(each)) {
      if (!this.#hasKey(newest ^ 1, this.words, this.#index.keyAt(each ^ 1))) return CONTESTED;
      if (!this.#isLiving(present) && this.#isLiving(each)) present = each;
    }
    return present;
  }

  /** The entry of a row, where it lives; else −1. */
  #findRow(rows: Uint32Array, at: number): number {
    const zones = rows[at + TRANSLATION.zones];
    const newest = this.#index.newest(rows, at + TRANSLATION.original);
    for (let each = newest; each >= 0; each = this.#index.older(each)) {
      const entry = each >>> 1;
      if ((each & 1) !== VIEW.original || !this.#isLiving(each)) continue;
      if (this.words[entry * ENTRY_WORDS + ENTRY_ZONES] !== zones) continue;
      if (this.#hasKey(each ^ 1, rows, at + TRANSLATION.translated)) return entry;
    }
    return -1;
  }

  /** Whatever has the key at `at` in the same zone has ended, and is not found by it any more. */
  #supersede(keys: Uint32Array, at: number, zone: number, nowNs: number): void {
    for (let each = this.#index.newest(keys, at); each >= 0; ) {
      const older = this.#index.older(each);
      if (this.#zoneOf(each) === zone) {
        if (this.#isLiving(each)) this.#retire(each >>> 1, nowNs);
        this.#index.remove(each);
      }
      each = older;
    }
  }

  #zoneOf(reference: number): number {
    const zones = this.words[(reference >>> 1) * ENTRY_WORDS + ENTRY_ZONES] as number;
    return (reference & 1) === VIEW.original ? zones & 0xffff : zones >>> 16;
  }

  #isLiving(reference: number): boolean {
    return this.#endedNs[reference >>> 1] === 0;
  }

  #hasKey(reference: number, keys: Uint32Array, at: number): boolean {
    const own = this.#index.keyAt(reference);
    for (let i = 0; i < KEY_WORDS; i++) if (this.words[own + i] !== keys[at + i]) return false;
    return true;
  }

  #open(rows: Uint32Array, at: number): number {
    if (this.size === this.#most) this.#evict();
    const entry = this.#take();
    const to = entry * ENTRY_WORDS;
    for (let i = 0; i < 2 * KEY_WORDS; i++) this.words[to + i] = rows[at + i] as number;
    const octets = rows[at + TRANSLATION.octets] as number;
    this.words[to + ENTRY_OCTETS] = octets & ((1 << (TRANSLATION_BYTE.isGone * 8)) - 1);
    this.words[to + ENTRY_ZONES] = rows[at + TRANSLATION.zones] as number;
    this.words[to + ENTRY_LISTING] = this.#listing;
    this.#endedNs[entry] = 0;
    this.#append(entry, LIVING);
    this.size++;
    for (let view = 0; view < 2; view++) this.#index.add(entry * 2 + view);
    return entry;
  }

  #evict(): void {
    this.evicted++;
    this.#remove(this.#first[ENDED] >= 0 ? this.#first[ENDED] : this.#first[LIVING]);
  }

  #retire(entry: number, nowNs: number): void {
    this.#unlink(entry, LIVING);
    this.#endedNs[entry] = nowNs;
    this.#append(entry, ENDED);
  }

  #remove(entry: number): void {
    this.#unlink(entry, this.#endedNs[entry] === 0 ? LIVING : ENDED);
    for (let view = 0; view < 2; view++) this.#index.remove(entry * 2 + view);
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
    this.#index.grow(rows);
    this.#next = grown(this.#next, rows);
    this.#previous = grown(this.#previous, rows);
    const endedNs = new Float64Array(rows);
    endedNs.set(this.#endedNs);
    this.#endedNs = endedNs;
  }
}

function grown(numbers: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(length);
  larger.set(numbers);
  return larger;
}
