// From the config to a watched cluster, or to none.

import type { Logger } from "../lib/log.ts";
import { KubernetesClient } from "./client.ts";
import { ClusterWatch } from "./cluster-watch.ts";
import type { KubernetesConfig } from "./config.ts";
import { type AccessOptions, hasCluster, openAccess } from "./credentials.ts";
import type { ObjectEvent } from "./objects.ts";
import { planKinds, planSelection } from "./plan.ts";

export interface OpenClusterOptions {
  readonly config: KubernetesConfig;
  /** For KUBERNETES_SERVICE_HOST and _PORT. */
  readonly environment: AccessOptions["environment"];
  /** Of the agent. */
  readonly version: string;
  /** Takes batches of changes, from the first list on. */
  readonly accept: (events: readonly ObjectEvent[]) => void;
  readonly log: Logger;
}

/**
 * Begins to watch the cluster that the config says.
 * @returns undefined where it is off, or "auto" and there is none
 * @throws Error, one line, where it is asked for and its credentials cannot be used
 */
export function openCluster(options: OpenClusterOptions): ClusterWatch | undefined {
  const { config, environment, version, accept, log } = options;
  const where: AccessOptions = { kubeconfigPath: config.kubeconfig_path, environment };
  if (config.enabled === false || (config.enabled === "auto" && !hasCluster(where))) return undefined;
  const client = new KubernetesClient(openAccess(where), `mermin/${version}`);
  const kinds = planKinds(config);
  log.info("kubernetes: watching the cluster", { server: client.server, kinds: kinds.length });
  return new ClusterWatch({ client, kinds, selection: planSelection(config), accept, log });
}
