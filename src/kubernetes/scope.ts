// What is known of one namespace: its labels, and what of it selects pods. Kept as long as anything of it is known.

import type { Kept, Told } from "./kept.ts";
import type { Known, Versioned } from "./known.ts";
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

/** An object that is `told` at `now`, in ms since 1970: it is new, or was `before`. */
interface ScopeChange {
  readonly told: Told;
  readonly before: Kept | undefined;
  readonly now: number;
}

/**
 * Versions are raised by what may change what is said of the namespace's objects. Those of all scopes are from one clock:
 * a namespace that comes again is never taken for what it was.
 */
export class Scope {
  readonly relations: SelectorIndex<Relation> = new SelectorIndex();
  readonly policies: SelectorIndex<Policy> = new SelectorIndex();
  /** Raised by every change of a relation. */
  readonly relationsVersion: Versioned;
  /** Raised by every change of a policy. */
  readonly policiesVersion: Versioned;
  /** Until when what the policies say may have been something else, ms since 1970. */
  policiesMs = 0;
  /** Raised when an object arrives that others may have waited for: an owner, the namespace itself. */
  readonly arrivals: Versioned;
  /** Objects of the namespace that are known, itself included. */
  members = 0;
  readonly #rules: readonly RelationRule[];
  readonly #clock: Versioned;
  #namespace: Known | undefined;
  readonly #relationsOf: Map<Known, readonly Relation[]> = new Map();
  readonly #policyOf: Map<Known, Policy> = new Map();

  constructor(rules: readonly RelationRule[], clock: Versioned) {
    this.#rules = rules;
    this.#clock = clock;
    const version = ++clock.version;
    this.relationsVersion = { version };
    this.policiesVersion = { version };
    this.arrivals = { version };
  }

  /** The Namespace object, once it arrived. */
  get namespace(): Known | undefined {
    return this.#namespace;
  }

  set namespace(known: Known | undefined) {
    this.#namespace = known;
    this.raise(this.arrivals);
  }

  /** Labels of the namespace; none before it arrived. */
  get labels(): ReadonlyMap<string, string> | undefined {
    return this.#namespace?.told.object.labels;
  }

  /** Makes stale what was made from one of the versions. */
  raise(versioned: Versioned): void {
    versioned.version = ++this.#clock.version;
  }

  /** Makes stale all that was made from anything of the namespace. */
  raiseAll(): void {
    for (const versioned of [this.arrivals, this.relationsVersion, this.policiesVersion])
      this.raise(versioned);
  }

  /** Takes in an object of the namespace. */
  take(known: Known, { told, before, now }: ScopeChange): void {
    if (told.kind === "NetworkPolicy") {
      this.policiesMs = Math.max(this.policiesMs, now);
      this.#takePolicy(known, compilePolicy(told.object));
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
    this.raise(this.relationsVersion);
  }

  /** Takes an object of the namespace away. */
  drop(known: Known, now: number): void {
    this.#dropRelations(known);
    if (this.#policyOf.has(known)) this.policiesMs = Math.max(this.policiesMs, now);
    this.#takePolicy(known, undefined);
  }

  #takePolicy(known: Known, policy: Policy | undefined): void {
    const before = this.#policyOf.get(known);
    if (before === undefined && policy === undefined) return;
    if (before !== undefined) this.policies.delete(before);
    this.#policyOf.delete(known);
    this.raise(this.policiesVersion);
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
    this.raise(this.relationsVersion);
  }
}

function readPart(selector: LabelSelector, reads: RelationRule["reads"]): LabelSelector | undefined {
  const { matchLabels, matchExpressions } = selector;
  switch (reads) {
    case "all":
      return selector;
    case "labels":
      return matchLabels.size === 0 ? undefined : { matchLabels, matchExpressions: [] };
    case "expressions":
      return matchExpressions.length === 0 ? undefined : { matchLabels: new Map(), matchExpressions };
    default:
      return reads satisfies never;
  }
}

/** The selector an object has, by which it may be related to others; one identity as long as it says the same. */
function selectorOf(told: Kept): LabelSelector | undefined {
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
