// A few keys with their values, in one list.

/** Beyond that a table finds faster. */
const MOST_PAIRS = 16;

/** `pairs`, in less memory where they are few: a table of the language takes half a kilobyte however little is in it. */
export function packPairs(
  pairs: ReadonlyMap<string, string>,
  share: (key: string) => string,
): ReadonlyMap<string, string> {
  if (pairs.size > MOST_PAIRS || pairs instanceof Pairs) return pairs;
  const list: string[] = [];
  for (const [key, value] of pairs) list.push(share(key), value);
  return new Pairs(list);
}

/** Reads as the Map it was made of. */
class Pairs implements ReadonlyMap<string, string> {
  /** Key, value, key, value. */
  readonly list: readonly string[];

  constructor(list: readonly string[]) {
    this.list = list;
  }

  get size(): number {
    return this.list.length / 2;
  }

  get(key: string): string | undefined {
    const { list } = this;
    for (let i = 0; i < list.length; i += 2) if (list[i] === key) return list[i + 1];
    return undefined;
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  forEach(run: (value: string, key: string, map: ReadonlyMap<string, string>) => void): void {
    for (const [key, value] of this) run(value, key, this);
  }

  *entries(): MapIterator<[string, string]> {
    for (let i = 0; i < this.list.length; i += 2) yield [this.list[i] as string, this.list[i + 1] as string];
  }

  *keys(): MapIterator<string> {
    for (const [key] of this) yield key;
  }

  *values(): MapIterator<string> {
    for (const [, value] of this) yield value;
  }

  [Symbol.iterator](): MapIterator<[string, string]> {
    return this.entries();
  }
}
