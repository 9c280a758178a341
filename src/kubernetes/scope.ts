// What is known of one namespace: its labels, and what of it selects pods. Kept as long as anything of it is known.

import type { Known, Told, Versioned } from "./known.ts";
import type { LabelSelector } from "./object.ts";
import type { Kind } from "./objects.ts";
import { compilePolicy, type Policy } from "./policies.ts";
import { SelectorIndex } from "./selectors.ts";

/** Objects of kind `kind` tell their names on those of kind `to` that they select (`kubernetes.selector_relations`). */
export interface RelationRule {
  readonly kind: Kind;
  readonly to: Kind;
  /** The part of the selector that counts; one without such a part selects nothing. Of a NetworkPolicy all counts. */
  readonly reads: "all" | "labels" | "expressions";
}

/** Those that apply where none are configured. */
export const DEFAULT_RELATIONS: readonly RelationRule[] = [
  { kind: "Service", to: "Pod", reads: "all" },
  { kind: "NetworkPolicy", to: "Pod", reads: "all" },
];

/** One object's selector, by one rule. */
export interface Relation {
  readonly selector: LabelSelector;
  readonly known: Known;
  readonly to: Kind;
}

/** Versions are raised by what may change what is said of the namespace's objects. */
export class Scope {
  readonly name: string;
  readonly relations: SelectorIndex<Relation> = new SelectorIndex();
  readonly policies: SelectorIndex<Policy> = new SelectorIndex();
  /** Raised by every change of a relation. */
  readonly relationsVersion: Versioned = { version: 0 };
  /** Raised by every change of a policy. */
  readonly policiesVersion: Versioned = { version: 0 };
  /** Raised when an object arrives that others may have waited for: an owner, the namespace itself. */
  readonly arrivals: Versioned = { version: 0 };
  /** The Namespace object, once it arrived. */
  namespace: Known | undefined;
  readonly #rules: readonly RelationRule[];
  readonly #relationsOf: Map<Known, readonly Relation[]> = new Map();
  readonly #policyOf: Map<Known, Policy> = new Map();

  constructor(name: string, rules: readonly RelationRule[]) {
    this.name = name;
    this.#rules = rules;
  }

  /** Labels of the namespace; none before it arrived. */
  get labels(): ReadonlyMap<string, string> | undefined {
    return this.namespace?.told.object.labels;
  }

  /** Takes in an object of the namespace that is new, or has changed from `before`. */
  take(known: Known, before: Told | undefined): void {
    if (known.told.kind === "NetworkPolicy") {
      this.#takePolicy(known, compilePolicy(known.told.object));
      return;
    }
    const selector = selectorOf(known.told);
    if (before !== undefined && selectorOf(before) === selector) return;
    this.#dropRelations(known);
    if (selector === undefined) return;
    const relations = this.#rules.flatMap(({ kind, to, reads }) => {
      const read = kind === known.told.kind ? readPart(selector, reads) : undefined;
      return read === undefined ? [] : [{ selector: read, known, to }];
    });
    if (relations.length === 0) return;
    for (const relation of relations) this.relations.add(relation);
    this.#relationsOf.set(known, relations);
    this.relationsVersion.version++;
  }

  /** Takes an object of the namespace away. */
  drop(known: Known): void {
    this.#dropRelations(known);
    this.#takePolicy(known, undefined);
  }

  #takePolicy(known: Known, policy: Policy | undefined): void {
    const before = this.#policyOf.get(known);
    if (before === undefined && policy === undefined) return;
    if (before !== undefined) this.policies.delete(before);
    this.#policyOf.delete(known);
    this.policiesVersion.version++;
    if (policy === undefined || !this.#rules.some(({ kind, to }) => kind === "NetworkPolicy" && to === "Pod"))
      return;
    this.policies.add(policy);
    this.#policyOf.set(known, policy);
  }

  #dropRelations(known: Known): void {
    const relations = this.#relationsOf.get(known);
    if (relations === undefined) return;
    for (const relation of relations) this.relations.delete(relation);
    this.#relationsOf.delete(known);
    this.relationsVersion.version++;
  }
}

function readPart(
  { matchLabels, matchExpressions }: LabelSelector,
  reads: RelationRule["reads"],
): LabelSelector | undefined {
  switch (reads) {
    case "all":
      return { matchLabels, matchExpressions };
    case "labels":
      return matchLabels.size === 0 ? undefined : { matchLabels, matchExpressions: [] };
    case "expressions":
      return matchExpressions.length === 0 ? undefined : { matchLabels: new Map(), matchExpressions };
    default:
      return reads satisfies never;
  }
}

/** The selector an object has, by which it may be related to others; one identity as long as it says the same. */
function selectorOf(told: Told): LabelSelector | undefined {
  switch (told.kind) {
    case "Service":
    case "ReplicaSet":
    case "Deployment":
    case "StatefulSet":
    case "DaemonSet":
    case "Job":
    case "CronJob":
      return told.object.selector;
    default:
      return undefined;
  }
}
