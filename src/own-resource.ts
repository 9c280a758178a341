// Who the agent is to those that get its spans: its host, and its pod where it runs in one.

import { readClusterEnvironment, readOwnPod } from "./config/cluster-environment.ts";
import type { Config } from "./config/schema.ts";
import { openResource, type Resource } from "./export/resource.ts";
import { BUILD } from "./version.ts";

/** The agent's resource, which learns the rest from the cluster. */
export function openOwnResource(config: Config): Resource {
  const { nodeName, namespace, name } = readOwnPod(readClusterEnvironment());
  const resource = openResource({ version: BUILD.version, configured: config.export.resource_attributes });
  resource.learn({
    "k8s.cluster.name": config.kubernetes.cluster_name,
    "k8s.node.name": nodeName,
    "k8s.namespace.name": namespace,
    "k8s.pod.name": name,
  });
  return resource;
}
