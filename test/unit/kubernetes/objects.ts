// Objects of a cluster for tests: what is not said is as plain as it can be.

import type { KubernetesObject, LabelSelector } from "../../../src/kubernetes/object.ts";
import type { DeletedObject, Kind, ObjectEvent, ObjectsByKind } from "../../../src/kubernetes/objects.ts";
import { parseAddress } from "../../../src/lib/parse-address.ts";

/** Fields of an object beside those of every object. */
type Own<K extends Kind> = Omit<ObjectsByKind[K], keyof KubernetesObject>;

type Fields<K extends Kind> = Partial<ObjectsByKind[K]> & { readonly name: string };

export const NO_LABELS: ReadonlyMap<string, string> = new Map();

/** 2026-01-01 in ms: when everything that does not say so began. */
export const BEGAN: number = Date.UTC(2026, 0, 1);

const PLAIN: { readonly [K in Kind]: Own<K> } = {
  Pod: {
    nodeName: "node-a",
    isHostNetwork: false,
    podIPs: [],
    hostIPs: [],
    containers: [{ name: "main", image: "registry:5000/team/app:1.2@sha256:0", ports: [] }],
    host: undefined,
    startTime: BEGAN,
    endTime: undefined,
  },
  Node: { addresses: [], podCIDRs: [] },
  Namespace: {},
  Service: {
    clusterIPs: [],
    externalIPs: [],
    loadBalancerIPs: [],
    ports: [{ port: 80, nodePort: undefined, protocol: "TCP" }],
    selector: undefined,
  },
  EndpointSlice: { serviceName: "", addresses: [], ports: [{ port: undefined, protocol: "TCP" }] },
  ReplicaSet: { selector: undefined },
  Deployment: { selector: undefined },
  StatefulSet: { selector: undefined },
  DaemonSet: { selector: undefined },
  Job: { selector: undefined },
  CronJob: { selector: undefined },
  NetworkPolicy: {
    podSelector: { matchLabels: NO_LABELS, matchExpressions: [] },
    policyTypes: undefined,
    ingress: [],
    egress: [],
  },
  Ingress: { addresses: [] },
  Gateway: { addresses: [] },
};

const CLUSTER_WIDE: ReadonlySet<Kind> = new Set<Kind>(["Node", "Namespace"]);

/** An object of `kind`; its uid is made of kind and name. */
export function objectOf<K extends Kind>(kind: K, fields: Fields<K>): ObjectsByKind[K] {
  const namespace = CLUSTER_WIDE.has(kind) ? "" : "shop";
  const metadata: KubernetesObject = {
    uid: `${kind}-${fields.namespace ?? namespace}-${fields.name}`,
    name: fields.name,
    namespace,
    createdTime: BEGAN,
    labels: NO_LABELS,
    annotations: NO_LABELS,
    owners: [],
  };
  return { ...metadata, ...PLAIN[kind], ...fields } as ObjectsByKind[K];
}

export function added<K extends Kind>(kind: K, fields: Fields<K>): ObjectEvent {
  return { type: "added", kind, object: objectOf(kind, fields) } as ObjectEvent;
}

export function modified<K extends Kind>(kind: K, fields: Fields<K>): ObjectEvent {
  return { type: "modified", kind, object: objectOf(kind, fields) } as ObjectEvent;
}

export function deleted<K extends Kind>(kind: K, fields: Fields<K> & Partial<DeletedObject>): ObjectEvent {
  return { type: "deleted", kind, object: objectOf(kind, fields) } as ObjectEvent;
}

export function labelsOf(labels: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(labels));
}

export function selectorOf(
  matchLabels: Readonly<Record<string, string>>,
  matchExpressions: LabelSelector["matchExpressions"] = [],
): LabelSelector {
  return { matchLabels: labelsOf(matchLabels), matchExpressions };
}

/** The four words of an address. @throws TypeError for a text that is none */
export function wordsOf(address: string): Uint32Array {
  const octets = parseAddress(address);
  if (octets === undefined) throw new TypeError(`Not an address: ${address}`);
  return new Uint32Array(octets.buffer);
}
