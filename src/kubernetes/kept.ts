// What is kept of an object for as long as it is known, which is less than what is told of it.

import type { KubernetesObject, LabelSelector } from "./object.ts";
import type { Kind, ObjectsByKind } from "./objects.ts";
import type { Pod } from "./objects-workload.ts";
import type { Pool } from "./pool.ts";

/** An object with its kind, as it is told. */
export type Told = { readonly [K in Kind]: { readonly kind: K; readonly object: ObjectsByKind[K] } }[Kind];

/** Kinds whose own selector may relate them to others. */
type SelectingKind =
  | "Service"
  | "ReplicaSet"
  | "Deployment"
  | "StatefulSet"
  | "DaemonSet"
  | "Job"
  | "CronJob";

interface Selecting extends KubernetesObject {
  readonly selector: LabelSelector | undefined;
}

interface Slice extends KubernetesObject {
  readonly serviceName: string;
}

/**
 * What is kept of an object for as long as it is known: addresses and times are in its claims, a policy's rules are
 * compiled in its namespace.
 */
export type Kept =
  | { readonly kind: "Pod"; readonly object: Pod }
  | { readonly kind: SelectingKind; readonly object: Selecting }
  | { readonly kind: "EndpointSlice"; readonly object: Slice }
  | {
      readonly kind: Exclude<Kind, SelectingKind | "Pod" | "EndpointSlice">;
      readonly object: KubernetesObject;
    };

/** What is kept of what was told, with one copy of what others say too. */
export function keep(told: Told, pool: Pool): Kept {
  // Plain literals, each with all its fields: what is spread takes twice the memory (bench/kubernetes.ts).
  const { uid, name, createdTime } = told.object;
  const namespace = pool.text(told.object.namespace);
  const labels = pool.pairs(told.object.labels);
  const annotations = pool.pairs(told.object.annotations);
  const owners = pool.owners(told.object.owners);
  switch (told.kind) {
    case "Pod": {
      const { isHostNetwork, host } = told.object;
      const nodeName = pool.text(told.object.nodeName);
      const containers = pool.list(told.object.containers);
      const object = {
        uid,
        name,
        namespace,
        createdTime,
        labels,
        annotations,
        owners,
        nodeName,
        isHostNetwork,
        containers,
        host,
      };
      return { kind: told.kind, object };
    }
    case "Service":
    case "ReplicaSet":
    case "Deployment":
    case "StatefulSet":
    case "DaemonSet":
    case "Job":
    case "CronJob": {
      const selector = pool.selector(told.object.selector);
      const object = { uid, name, namespace, createdTime, labels, annotations, owners, selector };
      return { kind: told.kind, object };
    }
    case "EndpointSlice": {
      const { serviceName } = told.object;
      const object = { uid, name, namespace, createdTime, labels, annotations, owners, serviceName };
      return { kind: told.kind, object };
    }
    default: {
      const object = { uid, name, namespace, createdTime, labels, annotations, owners };
      return { kind: told.kind, object };
    }
  }
}

/** Whether attribution can say nothing else of `after` than of `before`: both are from the same pool. */
export function saysTheSame(before: Kept, after: Kept): boolean {
  const [left, right] = [before.object, after.object];
  if (left.labels !== right.labels || left.annotations !== right.annotations) return false;
  if (left.owners !== right.owners) return false;
  if (before.kind !== "Pod" || after.kind !== "Pod") return true;
  const [was, is] = [before.object, after.object];
  return was.nodeName === is.nodeName && was.containers === is.containers;
}
