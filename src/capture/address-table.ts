// Values by 16-byte address, found by its four words (memory order) without making a string.

interface Entry<Value> {
  readonly words: Uint32Array;
  readonly value: Value;
}

/** An address may have several values. */
export class AddressTable<Value> {
  readonly #buckets: Map<number, readonly Entry<Value>[]> = new Map();

  /** Adds the address of four words at `at`; twice is once. */
  add(words: Uint32Array, at: number, value: Value): void {
    const hash = hashAddress(words, at);
    const others = this.#without(hash, words, at, value);
    this.#buckets.set(hash, [...others, { words: words.slice(at, at + 4), value }]);
  }

  /** Takes an address away from a value; others keep it. */
  remove(words: Uint32Array, at: number, value: Value): void {
    const hash = hashAddress(words, at);
    const others = this.#without(hash, words, at, value);
    if (others.length === 0) this.#buckets.delete(hash);
    else this.#buckets.set(hash, others);
  }

  /** Whether anyone has the address. */
  has(words: Uint32Array, at: number): boolean {
    const bucket = this.#buckets.get(hashAddress(words, at));
    if (bucket === undefined) return false;
    for (const entry of bucket) if (isSame(entry.words, words, at)) return true;
    return false;
  }

  /** Who alone has the address; undefined where nobody or several have it. */
  ownerOf(words: Uint32Array, at: number): Value | undefined {
    const bucket = this.#buckets.get(hashAddress(words, at));
    if (bucket === undefined) return undefined;
    let owner: Value | undefined;
    for (const entry of bucket) {
      if (!isSame(entry.words, words, at)) continue;
      if (owner !== undefined) return undefined;
      owner = entry.value;
    }
    return owner;
  }

  #without(hash: number, words: Uint32Array, at: number, value: Value): readonly Entry<Value>[] {
    const bucket = this.#buckets.get(hash) ?? [];
    return bucket.filter((entry) => entry.value !== value || !isSame(entry.words, words, at));
  }
}

function isSame(own: Uint32Array, words: Uint32Array, at: number): boolean {
  return (
    own[0] === words[at] && own[1] === words[at + 1] && own[2] === words[at + 2] && own[3] === words[at + 3]
  );
}

function hashAddress(words: Uint32Array, at: number): number {
  const a = words[at] as number;
  const b = Math.imul(words[at + 1] as number, 0x9e3779b1);
  const c = Math.imul(words[at + 2] as number, 0x85ebca6b);
  return (a ^ b ^ c ^ Math.imul(words[at + 3] as number, 0xc2b2ae35)) >>> 0;
}
