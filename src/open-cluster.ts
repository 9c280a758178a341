// Where the agent decides whether it watches a cluster: the only way to what does, which is loaded only then.

import type { Cluster, ClusterOptions } from "./cluster.ts";
import { readClusterEnvironment, readOwnPod } from "./config/cluster-environment.ts";
import type { Config } from "./config/schema.ts";
import { hasCluster } from "./kubernetes/has-cluster.ts";
import { BUILD } from "./version.ts";

/**
 * Begins to watch the cluster where the config wants it: what cannot be reached is tried again for ever, and flows are
 * told meanwhile.
 * @returns undefined where there is no cluster, or none is wanted
 * @throws Error, one line, where the environment names no API server and the config no kubeconfig
 */
export async function openCluster(
  config: Pick<Config, "kubernetes" | "span">,
  options: Pick<ClusterOptions, "log" | "onOwnFacts" | "mayBeHostAddress">,
): Promise<Cluster | undefined> {
  const environment = readClusterEnvironment();
  const { enabled, kubeconfig_path: kubeconfigPath } = config.kubernetes;
  if (!(enabled === "auto" ? hasCluster({ kubeconfigPath, environment }) : enabled)) return undefined;
  const { followCluster } = await import("./cluster.ts");
  const { nodeName } = readOwnPod(environment);
  return followCluster(config, { ...options, environment, nodeName, version: BUILD.version });
}
