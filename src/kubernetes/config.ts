// [kubernetes]: whether the cluster is watched, what of it, and what is told of it. What stands in lists of tables is in
// config-rules.ts.

import * as v from "valibot";
import { pathSetting } from "../lib/secret.ts";
import {
  defaultedSection,
  durationSetting,
  integerSetting,
  type Section,
  textSetting,
  textsSetting,
} from "../lib/setting.ts";
import { type Switch, switchSetting } from "../lib/switch.ts";
import type { Milliseconds } from "../lib/time.ts";
import { type AssociationConfig, associationSection } from "./config-association.ts";
import {
  type ExtractRule,
  extractRules,
  type ObjectSelector,
  objectSelectors,
  type SelectorRelation,
  selectorRelations,
} from "./config-rules.ts";

export interface OwnerRelationsConfig {
  readonly max_depth: number;
  /** Kinds that are told; empty: all. */
  readonly include_kinds: readonly string[];
  readonly exclude_kinds: readonly string[];
}

export interface ExtractConfig {
  readonly labels: readonly ExtractRule[];
  readonly annotations: readonly ExtractRule[];
}

export interface KubernetesConfig {
  /** auto: where the agent runs in a cluster, or a kubeconfig is given. */
  readonly enabled: Switch;
  /** "": the service account of the pod that the agent runs in. */
  readonly kubeconfig_path: string;
  /** "": not told. */
  readonly cluster_name: string;
  /** Of the node; "": sockets are not asked whose they are. */
  readonly cgroup_root: string;
  readonly grace: Milliseconds;
  readonly owner_relations: OwnerRelationsConfig;
  readonly extract: ExtractConfig;
  readonly association: AssociationConfig;
  readonly selectors: readonly ObjectSelector[];
  readonly selector_relations: readonly SelectorRelation[];
}

const ownerRelationsSection: Section<OwnerRelationsConfig> = v.strictObject({
  max_depth: integerSetting(
    5,
    { minimum: 0, maximum: 16 },
    { description: "Owners walked from a pod on: Pod, ReplicaSet, Deployment are two." },
  ),
  include_kinds: kindNames("Kinds of owners that are told. Empty: all.", '["Deployment", "StatefulSet"]'),
  exclude_kinds: kindNames("Kinds of owners that are walked through and not told.", '["ReplicaSet"]'),
});

/** The section as it is written in TOML. */
export const kubernetesSchema: v.GenericSchema<unknown, KubernetesConfig> = v.pipe(
  v.strictObject({
    enabled: switchSetting("auto", {
      description:
        'Watch the cluster and tell on each flow whose addresses they are. "auto": where the agent runs in a pod with a service account, or `kubeconfig_path` is given.',
    }),
    kubeconfig_path: pathSetting({
      description:
        "A kubeconfig file, of which the current context is used. Empty: the service account of the agent's own pod.",
      example: '"/etc/mermin/kubeconfig"',
    }),
    cluster_name: textSetting(
      "",
      { allowed: "a name", problem: () => undefined },
      { description: "Told as `k8s.cluster.name`. Empty: not told.", example: '"production-eu"' },
    ),
    cgroup_root: textSetting(
      "/sys/fs/cgroup",
      {
        allowed: "a folder, or empty",
        problem: (text) => (text === "" || text.startsWith("/") ? undefined : "must begin with /"),
      },
      {
        description:
          "The node's cgroups (v2), which say in which pod a process listens on the host's network; in a pod a mount of the node's /sys/fs/cgroup. Empty: only declared ports say.",
        example: '"/host/sys/fs/cgroup"',
      },
    ),
    grace: durationSetting(
      "60s",
      { minimum: 0, maximum: 3_600_000 },
      {
        description:
          "How long the owner of an address is remembered after its end, for flows that began before it.",
      },
    ),
    owner_relations: defaultedSection(ownerRelationsSection),
    extract: defaultedSection(
      v.pipe(
        v.strictObject({ labels: extractRules("label"), annotations: extractRules("annotation") }),
        v.transform(({ labels = [], annotations = [] }): ExtractConfig => ({ labels, annotations })),
      ),
    ),
    association: defaultedSection(associationSection),
    selectors: objectSelectors,
    selector_relations: selectorRelations,
  }),
  v.transform(
    ({ selectors = [], selector_relations = DEFAULT_RELATIONS, ...config }): KubernetesConfig => ({
      ...config,
      selectors,
      selector_relations,
    }),
  ),
);

const DEFAULT_RELATIONS: readonly SelectorRelation[] = (["Service", "NetworkPolicy"] as const).map(
  (kind): SelectorRelation => ({
    kind,
    to: "Pod",
    selector_match_labels_field: "",
    selector_match_expressions_field: "",
  }),
);

function kindNames(description: string, example: string): v.GenericSchema<unknown, readonly string[]> {
  const problem = (text: string): string | undefined =>
    /^[A-Za-z][A-Za-z0-9]{0,62}$/.test(text) ? undefined : 'must be a kind such as "Deployment"';
  return textsSetting(
    { allowed: "names of kinds, those of custom resources too", problem },
    { description, example },
  );
}
