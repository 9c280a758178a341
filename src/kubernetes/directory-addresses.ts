// A hash table by address and port. Keys are words in one array, not objects or text (bench/kubernetes.ts).

/** Words of a key: four of an address (or any other identifier), and one more. */
const KEY_WORDS = 5;

const INITIAL_SLOTS = 64;

/** Values by address and one more word, such as a port: open addressing with linear probing, at most three quarters full. */
export class AddressMap<Value> {
  #keys: Uint32Array = new Uint32Array(INITIAL_SLOTS * KEY_WORDS);
  #values: (Value | undefined)[] = new Array<Value | undefined>(INITIAL_SLOTS).fill(undefined);
  #size = 0;
  /** Makes the places of keys unforeseeable: who may make Services chooses addresses. */
  readonly #seed: number = crypto.getRandomValues(new Int32Array(1))[0] as number;

  get size(): number {
    return this.#size;
  }

  /**
   * @param words four words of the key at `at`
   * @param last the fifth, unsigned
   */
  get(words: Uint32Array, at: number, last: number): Value | undefined {
    return this.#values[this.#find(words, at, last)];
  }

  set(words: Uint32Array, at: number, last: number, value: Value): void {
    const slot = this.#find(words, at, last);
    const isNew = this.#values[slot] === undefined;
    this.#values[slot] = value;
    if (!isNew) return;
    const key = slot * KEY_WORDS;
    for (let i = 0; i < 4; i++) this.#keys[key + i] = words[at + i] as number;
    this.#keys[key + 4] = last;
    if (++this.#size * 4 > this.#values.length * 3) this.#grow();
  }

  delete(words: Uint32Array, at: number, last: number): void {
    let hole = this.#find(words, at, last);
    if (this.#values[hole] === undefined) return;
    this.#size--;
    const mask = this.#values.length - 1;
    // What stands behind moves up, if the hole is on its way: no marks of the deleted are needed.
    for (let slot = (hole + 1) & mask; this.#values[slot] !== undefined; slot = (slot + 1) & mask) {
      const key = slot * KEY_WORDS;
      const home = hashKey(this.#keys, key, (this.#keys[key + 4] as number) ^ this.#seed) & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      this.#values[hole] = this.#values[slot];
      this.#keys.copyWithin(hole * KEY_WORDS, key, key + KEY_WORDS);
      hole = slot;
    }
    this.#values[hole] = undefined;
  }

  /** The slot that has the key, or the empty one where it belongs. */
  #find(words: Uint32Array, at: number, last: number): number {
    const keys = this.#keys;
    const values = this.#values;
    const mask = values.length - 1;
    let slot = hashKey(words, at, last ^ this.#seed) & mask;
    while (values[slot] !== undefined) {
      const key = slot * KEY_WORDS;
      if (
        keys[key] === words[at] &&
        keys[key + 1] === words[at + 1] &&
        keys[key + 2] === words[at + 2] &&
        keys[key + 3] === words[at + 3] &&
        keys[key + 4] === last
      ) {
        return slot;
      }
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #grow(): void {
    const keys = this.#keys;
    const values = this.#values;
    this.#keys = new Uint32Array(keys.length * 2);
    this.#values = new Array<Value | undefined>(values.length * 2).fill(undefined);
    for (const [old, value] of values.entries()) {
      if (value === undefined) continue;
      const slot = this.#find(keys, old * KEY_WORDS, keys[old * KEY_WORDS + 4] as number);
      this.#values[slot] = value;
      this.#keys.set(keys.subarray(old * KEY_WORDS, (old + 1) * KEY_WORDS), slot * KEY_WORDS);
    }
  }
}

/** @param begin the last word, seeded */
function hashKey(words: Uint32Array, at: number, begin: number): number {
  let hash = begin;
  for (let i = 0; i < 4; i++) {
    hash = Math.imul(hash ^ (hash >>> 15) ^ (words[at + i] as number), 0x85ebca6b);
  }
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
