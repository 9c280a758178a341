// Objects that tests make in their cluster.

import type { ApiObject, KubernetesServer } from "./kubernetes-server.ts";

/** A pod of namespace `shop` that nothing runs. */
export function podOf(name: string, labels: Readonly<Record<string, string>> = {}): ApiObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "shop", labels },
    spec: { containers: [{ name: "main", image: "registry.test/main:1" }] },
  };
}

/** Many objects, some at once. */
export async function createAll(server: KubernetesServer, objects: readonly ApiObject[]): Promise<void> {
  for (let from = 0; from < objects.length; from += 50) {
    await Promise.all(objects.slice(from, from + 50).map((object) => server.create(object)));
  }
}

/** A definition of Gateway that takes anything. */
export function gatewayDefinition(): ApiObject {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: "gateways.gateway.networking.k8s.io",
      annotations: { "api-approved.kubernetes.io": "unapproved, experimental-only" },
    },
    spec: {
      group: "gateway.networking.k8s.io",
      scope: "Namespaced",
      names: { kind: "Gateway", plural: "gateways" },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
          subresources: { status: {} },
        },
      ],
    },
  };
}
