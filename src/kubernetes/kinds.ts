// The kinds that are watched, as the API server names them.

import type { Kind } from "./objects.ts";

/** Where the API server serves a kind, and what of it selects other objects. */
export interface KindFacts {
  /** "" for the core group. */
  readonly group: string;
  readonly version: string;
  /** Plural, as in paths and in RBAC rules. */
  readonly resource: string;
  readonly isNamespaced: boolean;
  /** An API server may serve none: of a custom resource, or of a version that is younger than those of the others. */
  readonly isOptional: boolean;
  /** Fields of its selector of pods; undefined: it has none. */
  readonly selector: SelectorFields | undefined;
}

/** A Service's selector is a map of labels alone. */
export interface SelectorFields {
  readonly matchLabels: string;
  readonly matchExpressions: string | undefined;
}

const WORKLOAD_SELECTOR: SelectorFields = {
  matchLabels: "spec.selector.matchLabels",
  matchExpressions: "spec.selector.matchExpressions",
};
const POLICY_SELECTOR: SelectorFields = {
  matchLabels: "spec.podSelector.matchLabels",
  matchExpressions: "spec.podSelector.matchExpressions",
};
const SERVICE_SELECTOR: SelectorFields = { matchLabels: "spec.selector", matchExpressions: undefined };

const namespaced = (
  group: string,
  resource: string,
  more: Partial<Pick<KindFacts, "selector" | "isOptional">> = {},
): KindFacts => ({
  group,
  version: "v1",
  resource,
  isNamespaced: true,
  isOptional: false,
  selector: undefined,
  ...more,
});

const clusterWide = (resource: string): KindFacts => ({ ...namespaced("", resource), isNamespaced: false });

/** In the order in which they are listed first: what names a flow's ends before what says more of them. */
export const KIND_FACTS: { readonly [K in Kind]: KindFacts } = {
  Pod: namespaced("", "pods"),
  Node: clusterWide("nodes"),
  Namespace: clusterWide("namespaces"),
  Service: namespaced("", "services", { selector: SERVICE_SELECTOR }),
  EndpointSlice: namespaced("discovery.k8s.io", "endpointslices"),
  ReplicaSet: namespaced("apps", "replicasets", { selector: WORKLOAD_SELECTOR }),
  Deployment: namespaced("apps", "deployments", { selector: WORKLOAD_SELECTOR }),
  StatefulSet: namespaced("apps", "statefulsets", { selector: WORKLOAD_SELECTOR }),
  DaemonSet: namespaced("apps", "daemonsets", { selector: WORKLOAD_SELECTOR }),
  Job: namespaced("batch", "jobs", { selector: WORKLOAD_SELECTOR }),
  CronJob: namespaced("batch", "cronjobs", { isOptional: true }),
  NetworkPolicy: namespaced("networking.k8s.io", "networkpolicies", { selector: POLICY_SELECTOR }),
  Ingress: namespaced("networking.k8s.io", "ingresses", { isOptional: true }),
  Gateway: namespaced("gateway.networking.k8s.io", "gateways", { isOptional: true }),
};

/** Endpoints stand in for slices where the API server has none of those. */
export const ENDPOINTS_FACTS: KindFacts = namespaced("", "endpoints");

export const KINDS: readonly Kind[] = Object.keys(KIND_FACTS).filter(isKind);

/** Whether a text names a kind that is watched. */
export function isKind(text: string): text is Kind {
  return Object.hasOwn(KIND_FACTS, text);
}
