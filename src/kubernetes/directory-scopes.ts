// Namespaces of which anything is known. Reading makes none: of any other the same is said, which is nothing, until one
// begins.

import type { Kept, Told } from "./kept.ts";
import type { Versioned } from "./known.ts";
import { type RelationRule, Scope } from "./scope.ts";

/** Scopes by the namespace's name; "" is that of objects of the whole cluster. */
export class Scopes {
  readonly #rules: readonly RelationRule[];
  readonly #clock: Versioned = { version: 0 };
  readonly #scopes: Map<string, Scope> = new Map();
  /** Of all that nothing is known of. */
  readonly #unknown: Scope;

  constructor(rules: readonly RelationRule[]) {
    this.#rules = rules;
    this.#unknown = new Scope(rules, this.#clock);
  }

  get size(): number {
    return this.#scopes.size;
  }

  find(name: string): Scope {
    return this.#scopes.get(name) ?? this.#unknown;
  }

  /** Counts an object in, and begins its namespace where it is the first one of it. */
  join(kept: Kept): Scope {
    const name = scopeName(kept);
    let scope = this.#scopes.get(name);
    if (scope === undefined) {
      scope = new Scope(this.#rules, this.#clock);
      this.#scopes.set(name, scope);
      this.#unknown.raiseAll();
    }
    scope.members++;
    return scope;
  }

  /** Counts an object out; its namespace goes with the last one. */
  leave(kept: Kept): void {
    const name = scopeName(kept);
    const scope = this.#scopes.get(name);
    if (scope === undefined || --scope.members > 0) return;
    this.#scopes.delete(name);
    scope.raiseAll();
  }
}

/** The namespace that an object is of: a Namespace is of its own. */
export function scopeName({ kind, object }: Kept | Told): string {
  return kind === "Namespace" ? object.name : object.namespace;
}
