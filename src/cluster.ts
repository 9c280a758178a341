// The cluster as the agent knows it: its watch, what the watch tells, and what that says of records. Runs on the export
// thread: what the cluster does never delays capture.

import type { Config } from "./config/schema.ts";
import { Extractor } from "./kubernetes/attributes-extract.ts";
import { Attribution } from "./kubernetes/attribution.ts";
import { KubernetesClient } from "./kubernetes/client.ts";
import { ClusterWatch } from "./kubernetes/cluster-watch.ts";
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
  readonly log: Logger;
  readonly version: string;
  readonly environment: AccessOptions["environment"];
}

/**
 * Begins to watch the cluster where the config wants it: what cannot be reached is tried again for ever, and flows are
 * told meanwhile. undefined where there is no cluster, or none is wanted.
 * @throws Error, one line, where the kubeconfig or the service account cannot be used
 */
export function openCluster(
  { kubernetes, span }: Pick<Config, "kubernetes" | "span">,
  { log, version, environment }: ClusterOptions,
): Cluster | undefined {
  const access = { kubeconfigPath: kubernetes.kubeconfig_path, environment };
  const isWanted = kubernetes.enabled === "auto" ? hasCluster(access) : kubernetes.enabled;
  if (!isWanted) return undefined;
  const { grace, cluster_name, owner_relations, extract, selector_relations } = kubernetes;
  const directory = new Directory({
    graceMs: grace,
    // A flow's first record comes that late.
    keptMs: grace + span.max_record_interval,
    relations: selector_relations,
  });
  const attribution = new Attribution(directory, {
    clusterName: cluster_name === "" ? undefined : cluster_name,
    owners: {
      maxDepth: owner_relations.max_depth,
      includeKinds: owner_relations.include_kinds,
      excludeKinds: owner_relations.exclude_kinds,
    },
    extractor: new Extractor(extract),
  });
  const watch = new ClusterWatch({
    client: new KubernetesClient(openAccess(access), `mermin/${version}`),
    kinds: planKinds(kubernetes),
    selection: planSelection(kubernetes),
    accept: (events) => {
      const now = Date.now();
      for (const event of events) directory.apply(event, now);
    },
    log,
  });
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
