// What is known of one kind's objects: enough to tell what a new list changes. Comes in: JSON as the API server has it.
// Goes out: events, one for each real change.

import { tableAt, textOf } from "./json.ts";
import type { KubernetesObject } from "./object.ts";
import type { DeletedObject, Kind, ObjectEvent } from "./objects.ts";
import { type AnnotationFilter, type ObjectChange, pruneObject } from "./resources.ts";

/** What is cached and what of it is kept. */
export interface Selection {
  readonly keepsAnnotation: AnnotationFilter;
  /** Whether an object is wanted at all (`kubernetes.selectors`). */
  readonly isWanted: (kind: Kind, object: KubernetesObject) => boolean;
}

/** A resourceVersion, only ever compared: as a number, where it is one, it takes no memory of its own. */
type Version = string | number;

/** Objects of one kind. */
export class KindStore {
  readonly #kind: Kind;
  readonly #selection: Selection;
  /** By uid, of which the directory has the same text. */
  readonly #known: Map<string, Version> = new Map();
  /** What the list under way has had so far; undefined where none is. */
  #listed: Set<string> | undefined;

  constructor(kind: Kind, selection: Selection) {
    this.#kind = kind;
    this.#selection = selection;
  }

  get size(): number {
    return this.#known.size;
  }

  /** A list from the first page on. */
  beginList(): void {
    this.#listed = new Set();
  }

  /** An object that is, in a list or in a watch. @returns undefined where nothing changed */
  take(json: unknown): ObjectEvent | undefined {
    const metadata = tableAt(json, "metadata");
    const uid = textOf(metadata["uid"]);
    const version = versionOf(metadata["resourceVersion"]);
    const known = this.#known.get(uid);
    if (known !== undefined) this.#listed?.add(uid);
    if (known === version) return undefined;
    if (known !== undefined) this.#known.set(uid, version);
    const change = this.#prune(json, known === undefined ? "added" : "modified");
    if (change === undefined) return undefined;
    const { object } = change;
    if (!this.#selection.isWanted(this.#kind, object)) return this.#forget(object);
    if (known === undefined) {
      this.#known.set(object.uid, version);
      this.#listed?.add(object.uid);
    }
    return change;
  }

  /** An object that a watch says is gone. */
  remove(json: unknown): ObjectEvent | undefined {
    const change = this.#prune(json, "modified");
    return change === undefined ? undefined : this.#forget(change.object);
  }

  /** The list is complete: what it did not have is gone. */
  endList(): readonly ObjectEvent[] {
    const gone: ObjectEvent[] = [];
    for (const uid of this.#known.keys()) {
      if (this.#listed?.has(uid)) continue;
      this.#known.delete(uid);
      gone.push({ type: "deleted", kind: this.#kind, object: { uid } });
    }
    this.#listed = undefined;
    return gone;
  }

  /** Nothing of this kind is served any more. */
  clear(): readonly ObjectEvent[] {
    this.beginList();
    return this.endList();
  }

  #prune(json: unknown, type: ObjectChange["type"]): ObjectChange | undefined {
    return pruneObject(this.#kind, json, { type, keepsAnnotation: this.#selection.keepsAnnotation });
  }

  #forget(object: DeletedObject): ObjectEvent | undefined {
    if (!this.#known.delete(object.uid)) return undefined;
    return { type: "deleted", kind: this.#kind, object };
  }
}

function versionOf(value: unknown): Version {
  const text = textOf(value);
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : text;
}
