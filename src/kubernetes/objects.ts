// What is kept of the cluster's objects: what attribution reads, and nothing else. The watch prunes into these types as
// objects arrive; the directory takes what it needs of them and lets them go.

import type { KubernetesObject } from "./object.ts";
import type { EndpointSlice, Ingress, NetworkPolicy, Service } from "./objects-network.ts";
import type { Node, ToldPod, Workload } from "./objects-workload.ts";

/** What is told of an object, by its kind. Endpoints, where slices are not served, are told as EndpointSlice. */
export interface ObjectsByKind {
  readonly Pod: ToldPod;
  readonly Node: Node;
  readonly Namespace: KubernetesObject;
  readonly Service: Service;
  readonly EndpointSlice: EndpointSlice;
  readonly ReplicaSet: Workload;
  readonly Deployment: Workload;
  readonly StatefulSet: Workload;
  readonly DaemonSet: Workload;
  readonly Job: Workload;
  readonly CronJob: Workload;
  readonly NetworkPolicy: NetworkPolicy;
  readonly Ingress: Ingress;
  readonly Gateway: Ingress;
}

export type Kind = keyof ObjectsByKind;

/** An object that is no more: all that must be known of it. A whole object will do. */
export interface DeletedObject {
  readonly uid: string;
  /** Of a pod: as {@link ToldPod.endTime}, where its last state says it. */
  readonly endTime?: number | undefined;
}

/** One change of one object; "added" and "modified" are both told as the whole object and mean the same to a reader. */
export type ObjectEvent = {
  readonly [K in Kind]:
    | { readonly type: "added" | "modified"; readonly kind: K; readonly object: ObjectsByKind[K] }
    | { readonly type: "deleted"; readonly kind: K; readonly object: DeletedObject };
}[Kind];
