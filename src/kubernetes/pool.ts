// One copy of what many objects say alike: labels, containers, owners, names. What is shared is compared by identity, too.

import type { LabelSelector, OwnerReference } from "./object.ts";
import { packPairs } from "./pairs.ts";
import { Recent } from "./recent.ts";

/** Different values in each of two generations: those not asked for any more go, and sharing with them, nothing else. */
const GENERATION = 8192;

const NOTHING: ReadonlyMap<string, string> = new Map();
const NONE: readonly never[] = [];

/** Gives equal values one identity, as long as they are asked for often enough. */
export class Pool {
  readonly #texts: Recent<string, string> = new Recent(GENERATION);
  /** By a hash of what they say. */
  readonly #lists: Recent<number, object> = new Recent(GENERATION);

  text(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    this.#texts.set(text, text);
    return text;
  }

  pairs(pairs: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    if (pairs.size === 0) return NOTHING;
    return this.#same(JSON.stringify([...pairs]), packPairs(pairs, this.#shareText));
  }

  list<T extends object>(list: readonly T[]): readonly T[] {
    return list.length === 0 ? NONE : this.#same(JSON.stringify(list), list);
  }

  owners(owners: readonly OwnerReference[]): readonly OwnerReference[] {
    if (owners.length === 0) return NONE;
    return this.list(
      owners.map(({ uid, apiVersion, kind, name, isController }) => ({
        uid,
        apiVersion: this.text(apiVersion),
        kind: this.text(kind),
        name,
        isController,
      })),
    );
  }

  selector(selector: LabelSelector | undefined): LabelSelector | undefined {
    if (selector === undefined) return undefined;
    const { matchLabels, matchExpressions } = selector;
    const text = JSON.stringify([[...matchLabels], matchExpressions]);
    return this.#same(text, { matchLabels: this.pairs(matchLabels), matchExpressions });
  }

  readonly #shareText = (text: string): string => this.text(text);

  /** @param text what the value says: it is not kept, but for a hash of it */
  #same<T extends object>(text: string, value: T): T {
    const hash = Bun.hash.xxHash32(text);
    const known = this.#lists.get(hash);
    // Others may have the same hash.
    if (known !== undefined && Bun.deepEquals(known, value, true)) return known as T;
    this.#lists.set(hash, value);
    return value;
  }
}
