// What of the cluster is watched, by the config: kinds that no option needs are not.

import type { KubernetesConfig } from "./config.ts";
import type { Selection } from "./kind-store.ts";
import { KIND_FACTS, KINDS } from "./kinds.ts";
import type { LabelSelector } from "./object.ts";
import type { Kind } from "./objects.ts";
import { compileExpression } from "./pattern.ts";
import type { RelationRule } from "./scope.ts";
import { matchesLabels } from "./selectors.ts";

export interface PlannedKind {
  readonly kind: Kind;
  /** Names, labels, annotations and owners are enough. */
  readonly isMetadataOnly: boolean;
}

/** What attribution reads, whatever is configured. */
const ALWAYS: readonly Kind[] = [
  "Pod",
  "Node",
  "Namespace",
  "Service",
  "EndpointSlice",
  "NetworkPolicy",
  "Ingress",
  "Gateway",
];
/** A pod names its owner itself; the owner's own owner is two steps away, and so on. */
const OWNERS_BY_DEPTH: readonly (readonly [depth: number, kinds: readonly Kind[]])[] = [
  [2, ["ReplicaSet", "StatefulSet", "DaemonSet", "Job"]],
  [3, ["Deployment", "CronJob"]],
];
const ONLY_METADATA: readonly Kind[] = [
  "Namespace",
  "ReplicaSet",
  "Deployment",
  "StatefulSet",
  "DaemonSet",
  "Job",
  "CronJob",
];

/** In the order in which they are best listed. */
export function planKinds(config: KubernetesConfig): readonly PlannedKind[] {
  const { extract, owner_relations, selector_relations } = config;
  const owners = OWNERS_BY_DEPTH.flatMap(([depth, kinds]) =>
    owner_relations.max_depth >= depth ? kinds : [],
  );
  const needed = new Set<Kind>([
    ...ALWAYS,
    ...owners,
    ...[...extract.labels, ...extract.annotations].map(({ from }) => from),
    ...selector_relations.flatMap(({ kind, to }) => [kind, to]),
  ]);
  const selecting = new Set(selector_relations.map(({ kind }) => kind));
  return KINDS.filter((kind) => needed.has(kind)).map((kind) => ({
    kind,
    isMetadataOnly:
      ONLY_METADATA.includes(kind) && !(selecting.has(kind) && KIND_FACTS[kind].selector !== undefined),
  }));
}

/** What of whose selector tells names on which objects. */
export function planRelations({ selector_relations }: KubernetesConfig): readonly RelationRule[] {
  return selector_relations.map((rule) => {
    const hasLabels = rule.selector_match_labels_field !== "";
    const hasExpressions = rule.selector_match_expressions_field !== "";
    const reads = hasLabels === hasExpressions ? "all" : hasLabels ? "labels" : "expressions";
    return { kind: rule.kind, to: rule.to, reads };
  });
}

/** What a flow is judged by, and who an end may be that policies say nothing of: a stranger is none of them. */
const JUDGED: readonly Kind[] = [
  "Pod",
  "Node",
  "Namespace",
  "NetworkPolicy",
  "Service",
  "Ingress",
  "Gateway",
];

/**
 * Kinds all of whose objects must be known before a flow is told as denied.
 * @returns undefined where the config leaves some out, or knows some by other than their addresses
 */
export function planDenial({ selectors, association }: KubernetesConfig): readonly Kind[] | undefined {
  if (selectors.some(({ kind }) => JUDGED.includes(kind))) return undefined;
  const isElsewhere = Object.values(association).some(({ sources }) => sources.length > 0);
  return isElsewhere ? undefined : JUDGED;
}

/** Which objects are kept, and which of their annotations. */
export function planSelection(config: KubernetesConfig): Selection {
  const rules = config.extract.annotations.map(({ from, key, key_regex }) => ({
    from,
    matches: key === "" ? matcherOf(key_regex) : (given: string) => given === key,
  }));
  const selectors = config.selectors.map(({ kind, namespaces, match_labels, match_expressions, include }) => {
    const labels: LabelSelector = {
      matchLabels: new Map(Object.entries(match_labels)),
      matchExpressions: match_expressions,
    };
    return { kind, namespaces, labels, include };
  });
  return {
    keepsAnnotation: (kind, key) => rules.some(({ from, matches }) => from === kind && matches(key)),
    isWanted: (kind, object) => {
      const own = selectors.filter((one) => one.kind === kind);
      const matching = own.filter(
        ({ namespaces, labels }) =>
          (namespaces.length === 0 || namespaces.includes(object.namespace)) &&
          matchesLabels(labels, object.labels),
      );
      if (matching.some(({ include }) => !include)) return false;
      return matching.length > 0 || own.every(({ include }) => !include);
    },
  };
}

function matcherOf(pattern: string): (key: string) => boolean {
  const match = compileExpression(pattern);
  return (key) => match(key) !== undefined;
}
