// A small cluster of objects in the API server, with the addresses that a test's namespaces have.

import type { ApiObject, KubernetesServer } from "./kubernetes-server.ts";

/** Uid and name of an object as an owner. */
export function ownerReference({ apiVersion, kind, metadata }: ApiObject): object {
  return { apiVersion, kind, name: metadata.name, uid: metadata["uid"], controller: true };
}

/** A running pod with these addresses, since a minute ago. */
export function runningPod(
  name: string,
  options: {
    readonly ips: readonly string[];
    readonly labels?: Readonly<Record<string, string>>;
    readonly owner?: ApiObject;
    readonly namespace?: string;
  },
): ApiObject {
  const { ips, labels = {}, owner, namespace = "shop" } = options;
  const startTime = new Date(Date.now() - 60_000).toISOString().replace(/\.\d+/, "");
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace,
      labels,
      ...(owner === undefined ? {} : { ownerReferences: [ownerReference(owner)] }),
    },
    spec: {
      nodeName: "node-a",
      containers: [
        { name: "main", image: "registry.test/main:1", ports: [{ name: "web", containerPort: 80 }] },
      ],
    },
    status: {
      phase: "Running",
      startTime,
      podIP: ips[0],
      podIPs: ips.map((ip) => ({ ip })),
      hostIP: "192.0.2.10",
    },
  };
}

/** A Deployment and a ReplicaSet of it, named alike; the API server runs no controllers. @returns the ReplicaSet */
export async function makeReplicaSet(server: KubernetesServer, name: string): Promise<ApiObject> {
  const labels = { app: name };
  const spec = {
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: { containers: [{ name: "main", image: "registry.test/main:1" }] },
    },
  };
  const metadata = { name, namespace: "shop" };
  const deployment = await server.create({ apiVersion: "apps/v1", kind: "Deployment", metadata, spec });
  const owned = { ...metadata, ownerReferences: [ownerReference(deployment)] };
  return await server.create({ apiVersion: "apps/v1", kind: "ReplicaSet", metadata: owned, spec });
}

/** A policy of namespace `shop` for pods with those labels. */
export function policyOf(name: string, app: string, ingress: readonly object[]): ApiObject {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name, namespace: "shop" },
    spec: { podSelector: { matchLabels: { app } }, policyTypes: ["Ingress"], ingress },
  };
}

/** A Service of namespace `shop` for pods of that app. */
export function serviceOf(name: string, clusterIP: string): ApiObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "shop" },
    spec: { clusterIP, selector: { app: name }, ports: [{ port: 80, protocol: "TCP" }] },
  };
}
