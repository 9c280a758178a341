// JSON of the API server → what is kept of an object. Comes in: one parsed object, of any kind and form. Goes out: an
// object of objects.ts, or undefined where it has no name and uid.

import { tableAt, tablesOf, textOf, textsOf, timeOf } from "./json.ts";
import { type KubernetesObject, TEXT_LIMIT } from "./object.ts";
import type { Kind, ObjectEvent, ObjectsByKind } from "./objects.ts";
import { pruneEndpointSlice, pruneNetworkPolicy, pruneService } from "./resources-network.ts";
import { pruneNode, prunePod } from "./resources-workload.ts";
import { readLabels, readSelector } from "./selector.ts";

/** Whether an annotation of a kind is read by anything. */
export type AnnotationFilter = (kind: Kind, key: string) => boolean;

/** An object that is: all of it that is kept. */
export type ObjectChange = Extract<ObjectEvent, { readonly type: "added" | "modified" }>;

type Change = ObjectChange["type"];

const pruneWorkload = (json: unknown, base: KubernetesObject): ObjectsByKind["Deployment"] => {
  const selector = tableAt(json, "spec")["selector"];
  return { ...base, selector: selector === undefined ? undefined : readSelector(selector) };
};

const pruneIngress = (json: unknown, base: KubernetesObject): ObjectsByKind["Ingress"] => ({
  ...base,
  addresses: tablesOf(tableAt(json, "status", "loadBalancer")["ingress"]).flatMap(({ ip }) => textsOf([ip])),
});

const pruneGateway = (json: unknown, base: KubernetesObject): ObjectsByKind["Gateway"] => ({
  ...base,
  addresses: tablesOf(tableAt(json, "status")["addresses"])
    .filter(({ type }) => type === undefined || type === "IPAddress")
    .flatMap(({ value }) => textsOf([value])),
});

const PRUNE: { readonly [K in Kind]: (type: Change, json: unknown, base: KubernetesObject) => ObjectChange } =
  {
    Pod: (type, json, base) => ({ type, kind: "Pod", object: prunePod(json, base) }),
    Node: (type, json, base) => ({ type, kind: "Node", object: pruneNode(json, base) }),
    Namespace: (type, _json, base) => ({ type, kind: "Namespace", object: base }),
    Service: (type, json, base) => ({ type, kind: "Service", object: pruneService(json, base) }),
    EndpointSlice: (type, json, base) => ({
      type,
      kind: "EndpointSlice",
      object: pruneEndpointSlice(json, base),
    }),
    ReplicaSet: (type, json, base) => ({ type, kind: "ReplicaSet", object: pruneWorkload(json, base) }),
    Deployment: (type, json, base) => ({ type, kind: "Deployment", object: pruneWorkload(json, base) }),
    StatefulSet: (type, json, base) => ({ type, kind: "StatefulSet", object: pruneWorkload(json, base) }),
    DaemonSet: (type, json, base) => ({ type, kind: "DaemonSet", object: pruneWorkload(json, base) }),
    Job: (type, json, base) => ({ type, kind: "Job", object: pruneWorkload(json, base) }),
    CronJob: (type, json, base) => ({ type, kind: "CronJob", object: pruneWorkload(json, base) }),
    NetworkPolicy: (type, json, base) => ({
      type,
      kind: "NetworkPolicy",
      object: pruneNetworkPolicy(json, base),
    }),
    Ingress: (type, json, base) => ({ type, kind: "Ingress", object: pruneIngress(json, base) }),
    Gateway: (type, json, base) => ({ type, kind: "Gateway", object: pruneGateway(json, base) }),
  };

/** @returns undefined for what is no object: it has no uid or no name */
export function pruneObject(
  kind: Kind,
  json: unknown,
  { type, keepsAnnotation }: { readonly type: Change; readonly keepsAnnotation: AnnotationFilter },
): ObjectChange | undefined {
  const base = pruneMetadata(json, (key) => keepsAnnotation(kind, key));
  return base === undefined ? undefined : PRUNE[kind](type, json, base);
}

const NO_OWNERS: KubernetesObject["owners"] = [];

function pruneMetadata(
  json: unknown,
  keepsAnnotation: (key: string) => boolean,
): KubernetesObject | undefined {
  const metadata = tableAt(json, "metadata");
  const [uid, name] = [textOf(metadata["uid"]), textOf(metadata["name"])];
  if (uid === "" || name === "") return undefined;
  const owners = tablesOf(metadata["ownerReferences"]).map((owner) => ({
    uid: textOf(owner["uid"]),
    apiVersion: textOf(owner["apiVersion"]),
    kind: textOf(owner["kind"]),
    name: textOf(owner["name"]),
    isController: owner["controller"] === true,
  }));
  return {
    uid,
    name,
    namespace: textOf(metadata["namespace"]),
    createdTime: timeOf(metadata["creationTimestamp"]) ?? 0,
    labels: readLabels(metadata["labels"], isTellable),
    annotations: readLabels(
      metadata["annotations"],
      (key, value) => isTellable(key, value) && keepsAnnotation(key),
    ),
    owners: owners.length === 0 ? NO_OWNERS : owners,
  };
}

/** What is longer is told nowhere. */
function isTellable(key: string, value: string): boolean {
  return key.length <= TEXT_LIMIT && value.length <= TEXT_LIMIT;
}
