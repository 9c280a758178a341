// One copy of what many objects say alike: labels, containers, owners, names. What is shared is compared by identity, too.

import type { KubernetesObject, LabelSelector } from "./object.ts";
import type { Pod } from "./objects-workload.ts";

/** Different values a pool remembers before it starts over: sharing is lost then, nothing else. */
const POOL_SIZE = 4096;

const NOTHING: ReadonlyMap<string, string> = new Map();

/** Gives equal values one identity, as long as they are asked for often enough. */
export class Pool {
  readonly #values: Map<string, unknown> = new Map();

  /** `object` with one copy of what other objects say too. */
  share<T extends KubernetesObject>(object: T): T {
    return {
      ...object,
      namespace: this.#text(object.namespace),
      labels: this.#pairs(object.labels),
      annotations: this.#pairs(object.annotations),
      owners: this.#list(object.owners),
    };
  }

  /** As {@link Pool.share}, with a pod's own lists. */
  sharePod(pod: Pod): Pod {
    return {
      ...this.share(pod),
      nodeName: this.#text(pod.nodeName),
      hostIPs: this.#list(pod.hostIPs),
      containers: this.#list(pod.containers),
    };
  }

  /** As {@link Pool.share}, with the object's selector. */
  shareSelecting<T extends KubernetesObject & { readonly selector: LabelSelector | undefined }>(
    object: T,
  ): T {
    const { selector } = object;
    return { ...this.share(object), selector: selector && this.#selector(selector) };
  }

  #selector(selector: LabelSelector): LabelSelector {
    const { matchLabels, matchExpressions } = selector;
    return this.#same(`selector ${JSON.stringify([[...matchLabels], matchExpressions])}`, selector);
  }

  #text(text: string): string {
    return this.#same(`text ${text}`, text);
  }

  #pairs(pairs: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    return pairs.size === 0 ? NOTHING : this.#same(`pairs ${JSON.stringify([...pairs])}`, pairs);
  }

  #list<T>(list: readonly T[]): readonly T[] {
    return this.#same(`list ${JSON.stringify(list)}`, list);
  }

  /** @param key says the type, too: equal keys have values of one type */
  #same<T>(key: string, value: T): T {
    const known = this.#values.get(key);
    if (known !== undefined) return known as T;
    if (this.#values.size >= POOL_SIZE) this.#values.clear();
    this.#values.set(key, value);
    return value;
  }
}
