// Values that were asked for of late, by their keys.

/** Two generations: what is not asked for while one fills goes with it. */
export class Recent<Key, Value> {
  readonly #capacity: number;
  #young: Map<Key, Value> = new Map();
  #old: Map<Key, Value> = new Map();

  /** @param capacity values that are surely kept; at most twice as many are */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(key: Key): Value | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old === undefined) return undefined;
    this.#old.delete(key);
    this.set(key, old);
    return old;
  }

  set(key: Key, value: Value): void {
    if (this.#young.size >= this.#capacity) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}
