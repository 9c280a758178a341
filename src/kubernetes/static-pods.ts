// Pods that the kubelet runs from files. The API server has a mirror of each under a uid of its own; cgroups have the
// kubelet's, which is the hash of the file.

import type { Known } from "./known.ts";

/** Mirrors by the kubelet's uid. */
export class StaticPods {
  readonly #mirrors: Map<string, readonly Known[]> = new Map();

  add(known: Known): void {
    const uid = staticUidOf(known);
    if (uid !== "") this.#mirrors.set(uid, [...(this.#mirrors.get(uid) ?? []), known]);
  }

  remove(known: Known): void {
    const uid = staticUidOf(known);
    const others = this.#mirrors.get(uid)?.filter((other) => other !== known) ?? [];
    if (others.length === 0) this.#mirrors.delete(uid);
    else this.#mirrors.set(uid, others);
  }

  /** The only mirror there is, or the only one that was; anybody who may make pods can claim a uid. */
  find(uid: string): Known | undefined {
    const all = this.#mirrors.get(uid) ?? [];
    const present = all.filter(({ isGone }) => !isGone);
    const [only, ...others] = present.length > 0 ? present : all;
    return others.length === 0 ? only : undefined;
  }
}

function staticUidOf({ told }: Known): string {
  return told.kind === "Pod" ? (told.object.host?.staticUid ?? "") : "";
}
