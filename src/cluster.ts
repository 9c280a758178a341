// The cluster as the agent knows it: its watch, what the watch tells, and what that says of records. Runs on the export
// thread: what the cluster does never delays capture.

import type { Config } from "./config/schema.ts";
import { Extractor } from "./kubernetes/attributes-extract.ts";
import { Attribution } from "./kubernetes/attribution.ts";
import type { KubernetesConfig } from "./kubernetes/config.ts";
import { Directory } from "./kubernetes/directory.ts";
import { type OpenClusterOptions, openCluster } from "./kubernetes/open-cluster.ts";
import type { ClusterSnapshot } from "./telemetry/cluster-metrics.ts";

export interface Cluster extends AsyncDisposable {
  readonly attribution: Attribution;
  readonly snapshot: () => ClusterSnapshot;
}

/**
 * Begins to watch the cluster where the config wants it: what cannot be reached is tried again for ever, and flows are
 * told meanwhile.
 * @returns undefined where there is no cluster, or none is wanted
 * @throws Error, one line, where the kubeconfig or the service account cannot be used
 */
export function followCluster(
  { kubernetes, span }: Pick<Config, "kubernetes" | "span">,
  options: Pick<OpenClusterOptions, "environment" | "version" | "log">,
): Cluster | undefined {
  const directory = new Directory({
    graceMs: kubernetes.grace,
    // A flow's first record comes that late.
    keptMs: kubernetes.grace + span.max_record_interval,
    relations: kubernetes.selector_relations,
  });
  const watch = openCluster({
    ...options,
    config: kubernetes,
    accept: (events) => {
      const now = Date.now();
      for (const event of events) directory.apply(event, now);
    },
  });
  if (watch === undefined) return undefined;
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
