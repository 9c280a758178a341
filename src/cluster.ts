// The cluster as the agent knows it: its watch, what the watch tells, and what that says of records. Runs on the export
// thread: what the cluster does never delays capture.

import type { Config } from "./config/schema.ts";
import { Extractor } from "./kubernetes/attributes-extract.ts";
import { Attribution } from "./kubernetes/attribution.ts";
import { KubernetesClient } from "./kubernetes/client.ts";
import { ClusterWatch } from "./kubernetes/cluster-watch.ts";
import type { KubernetesConfig } from "./kubernetes/config.ts";
import { type AccessOptions, hasCluster, openAccess } from "./kubernetes/credentials.ts";
import { Directory } from "./kubernetes/directory.ts";
import { planKinds, planSelection } from "./kubernetes/plan.ts";
import type { Logger } from "./lib/log.ts";
import type { ClusterSnapshot } from "./telemetry/cluster-metrics.ts";

export interface Cluster extends AsyncDisposable {
  readonly attribution: Attribution;
  readonly snapshot: () => ClusterSnapshot;
}

export interface ClusterOptions {
  /** Where a pod finds its API server. */
  readonly environment: AccessOptions["environment"];
  /** Of the agent. */
  readonly version: string;
  readonly log: Logger;
}

/**
 * Begins to watch the cluster where the config wants it: what cannot be reached is tried again for ever, and flows are
 * told meanwhile.
 * @returns undefined where there is no cluster, or none is wanted
 * @throws Error, one line, where the kubeconfig or the service account cannot be used
 */
export function followCluster(
  { kubernetes, span }: Pick<Config, "kubernetes" | "span">,
  { environment, version, log }: ClusterOptions,
): Cluster | undefined {
  const access: AccessOptions = { kubeconfigPath: kubernetes.kubeconfig_path, environment };
  const isWanted = kubernetes.enabled === "auto" ? hasCluster(access) : kubernetes.enabled;
  if (!isWanted) return undefined;
  const client = new KubernetesClient(openAccess(access), `mermin/${version}`);
  const kinds = planKinds(kubernetes);
  log.info("kubernetes: watching the cluster", { server: client.server, kinds: kinds.length });
  const directory = new Directory({
    graceMs: kubernetes.grace,
    // A flow's first record comes that late.
    keptMs: kubernetes.grace + span.max_record_interval,
    relations: kubernetes.selector_relations,
    association: kubernetes.association,
  });
  const watch = new ClusterWatch({
    client,
    kinds,
    selection: planSelection(kubernetes),
    log,
    accept: (events) => {
      const now = Date.now();
      for (const event of events) directory.apply(event, now);
    },
  });
  const attribution = createAttribution(directory, kubernetes);
  return {
    attribution,
    snapshot: () => ({
      isSynced: watch.isSynced,
      outcomes: attribution.outcomes,
      kinds: [...watch.stats].map(([kind, { objects, events }]) => ({ kind, objects, events })),
    }),
    [Symbol.asyncDispose]: () => watch[Symbol.asyncDispose](),
  };
}

function createAttribution(directory: Directory, config: KubernetesConfig): Attribution {
  const { cluster_name, owner_relations, extract } = config;
  return new Attribution(directory, {
    clusterName: cluster_name === "" ? undefined : cluster_name,
    owners: {
      maxDepth: owner_relations.max_depth,
      includeKinds: owner_relations.include_kinds,
      excludeKinds: owner_relations.exclude_kinds,
    },
    extractor: new Extractor(extract),
  });
}
