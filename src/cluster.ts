// The cluster as the agent knows it: its watch, what the watch tells, and what that says of records. Runs on the export
// thread: what the cluster does never delays capture.

import type { Config } from "./config/schema.ts";
import { Extractor } from "./kubernetes/attributes-extract.ts";
import type { FactOptions } from "./kubernetes/attributes-facts.ts";
import { Attribution } from "./kubernetes/attribution.ts";
import { KubernetesClient } from "./kubernetes/client.ts";
import { ClusterWatch } from "./kubernetes/cluster-watch.ts";
import type { KubernetesConfig } from "./kubernetes/config.ts";
import { openAccess } from "./kubernetes/credentials.ts";
import { Directory } from "./kubernetes/directory.ts";
import type { AccessOptions } from "./kubernetes/has-cluster.ts";
import { planDenial, planKinds, planRelations, planSelection } from "./kubernetes/plan.ts";
import type { PolicySurroundings } from "./kubernetes/policies-denial.ts";
import { SocketHolders } from "./kubernetes/socket-holders.ts";
import type { WatchStats } from "./kubernetes/watch.ts";
import type { Logger } from "./lib/log.ts";
import { SocketFeed } from "./socket-feed.ts";
import type { ClusterSnapshot } from "./telemetry/cluster-metrics.ts";

export interface Cluster extends AsyncDisposable {
  readonly attribution: Attribution;
  /** undefined where sockets are not asked whose they are. */
  readonly sockets: SocketFeed | undefined;
  readonly snapshot: () => ClusterSnapshot;
}

export interface ClusterOptions {
  /** Where a pod finds its API server. */
  readonly environment: AccessOptions["environment"];
  /** Of the agent. */
  readonly version: string;
  readonly log: Logger;
  /** Name of the node that the agent runs on; undefined or "" where it is not known. */
  readonly nodeName?: string;
  /** Whether an address (four words in memory order) is of an interface of this host, or nobody knows. */
  readonly mayBeHostAddress: (words: Uint32Array, at: number) => boolean;
  /** Told what the cluster says of the agent itself, as attributes of its resource, whenever that is another. */
  readonly onOwnFacts?: (facts: OwnFacts) => void;
}

/** By name; undefined where it is not known yet. */
export type OwnFacts = Readonly<Record<"k8s.cluster.uid" | "k8s.node.uid", string | undefined>>;

/**
 * Begins to watch the cluster, and never ends trying.
 * @throws Error, one line, where the environment names no API server and the config no kubeconfig
 */
export function followCluster(
  { kubernetes, span }: Pick<Config, "kubernetes" | "span">,
  options: ClusterOptions,
): Cluster {
  const { environment, version, log } = options;
  const access = openAccess({ kubeconfigPath: kubernetes.kubeconfig_path, environment });
  const client = new KubernetesClient(access, `mermin/${version}`);
  const kinds = planKinds(kubernetes);
  log.info("kubernetes: watching the cluster", { from: access.origin, kinds: kinds.length });
  const directory = new Directory({
    graceMs: kubernetes.grace,
    // A flow's first record comes that late.
    keptMs: kubernetes.grace + span.max_record_interval,
    relations: planRelations(kubernetes),
    association: kubernetes.association,
  });
  const tellOwnFacts = createOwnFacts(directory, options);
  const watch = new ClusterWatch({
    client,
    kinds,
    selection: planSelection(kubernetes),
    log,
    accept: (events) => {
      const now = Date.now();
      for (const event of events) directory.apply(event, now);
      tellOwnFacts();
    },
  });
  const attribution = createAttribution(directory, kubernetes, {
    isWhole: knowsAll(kubernetes, watch),
    mayBeHostAddress: options.mayBeHostAddress,
  });
  return {
    attribution,
    sockets: createSocketFeed(directory, kubernetes, log),
    snapshot: () => ({
      isSynced: watch.isSynced,
      outcomes: attribution.outcomes,
      kinds: [...watch.stats].map(([kind, stats]) => ({ ...stats, kind })),
    }),
    [Symbol.asyncDispose]: () => watch[Symbol.asyncDispose](),
  };
}

function createAttribution(
  directory: Directory,
  config: KubernetesConfig,
  surroundings: PolicySurroundings,
): Attribution {
  const { cluster_name, owner_relations, extract } = config;
  const options: FactOptions = {
    clusterName: cluster_name === "" ? undefined : cluster_name,
    owners: {
      maxDepth: owner_relations.max_depth,
      includeKinds: owner_relations.include_kinds,
      excludeKinds: owner_relations.exclude_kinds,
    },
    extractor: new Extractor(extract),
  };
  return new Attribution(directory, options, surroundings);
}

/** Whether all that a flow may be admitted by is known since it began: lists were complete, and no watch fails. */
function knowsAll(config: KubernetesConfig, watch: ClusterWatch): PolicySurroundings["isWhole"] {
  const kinds = planDenial(config);
  const stats = kinds?.map((kind) => watch.stats.get(kind)) ?? [undefined];
  return (startMs) =>
    stats.every((each) => each?.state === "absent" || (each !== undefined && knowsSince(each, startMs)));
}

function knowsSince({ state, failure, listedMs }: WatchStats, startMs: number): boolean {
  return state === "synced" && failure === "" && listedMs < startMs;
}

/** Rules of one's own for pods stand in the place of those that sockets decide. */
function createSocketFeed(
  { readings }: Directory,
  { cgroup_root: root, association }: KubernetesConfig,
  log: Logger,
): SocketFeed | undefined {
  if (root === "" || association.pod.sources.length > 0) return undefined;
  return new SocketFeed(readings, new SocketHolders({ root, log }));
}

/** Tells on each call what has changed since the last: a node may be deleted and come again under its name. */
function createOwnFacts(
  directory: Directory,
  { nodeName = "", onOwnFacts }: Pick<ClusterOptions, "nodeName" | "onOwnFacts">,
): () => void {
  let [clusterUid, nodeUid]: (string | undefined)[] = [];
  return () => {
    const cluster = directory.scope("kube-system").namespace?.told.object.uid;
    const node = directory.findNode(nodeName)?.told.object.uid;
    if (cluster === clusterUid && node === nodeUid) return;
    [clusterUid, nodeUid] = [cluster, node];
    onOwnFacts?.({ "k8s.cluster.uid": cluster, "k8s.node.uid": node });
  };
}
