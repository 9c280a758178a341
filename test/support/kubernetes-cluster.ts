// A small cluster of objects in the API server, with the addresses that a test's namespaces have.

import type { ApiObject, KubernetesServer } from "./kubernetes-server.ts";
import { workload } from "./kubernetes-workloads.ts";

/** A Deployment and a ReplicaSet of it, named alike; the API server runs no controllers. @returns the ReplicaSet */
export async function makeReplicaSet(server: KubernetesServer, name: string): Promise<ApiObject> {
  const owner = await server.create(workload("Deployment", name));
  return await server.create(workload("ReplicaSet", name, { owner }));
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
