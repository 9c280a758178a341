// What a cluster says of records, as rows of the attribute table: for the reference page and for patterns. The values come
// ready with each record, beside its row.

import { conditional, type Requirement } from "./requirement.ts";

/** One attribute of those that are named beside a row. */
export interface ClusterAttribute {
  readonly name: string;
  readonly kind: "string" | "strings";
  readonly requirement: Requirement;
  readonly description: string;
}

const NAMED_KINDS = [
  ["deployment", "Deployment"],
  ["replicaset", "ReplicaSet"],
  ["statefulset", "StatefulSet"],
  ["daemonset", "DaemonSet"],
  ["job", "Job"],
  ["cronjob", "CronJob"],
  ["service", "Service"],
  ["ingress", "Ingress"],
  ["gateway", "Gateway"],
  ["endpointslice", "EndpointSlice"],
] as const;

/** The table. Extraction rules add names of their own. */
export const CLUSTER_ATTRIBUTES: readonly ClusterAttribute[] = [
  ...(["source", "destination"] as const).flatMap(ofSide),
  policy("ingress", "destination"),
  policy("egress", "source"),
];

/** Names a pattern may match: of the labels and annotations of every kind there are too many to list. */
export const CLUSTER_NAMES: readonly string[] = CLUSTER_ATTRIBUTES.map(({ name }) => name);

function ofSide(side: "source" | "destination"): readonly ClusterAttribute[] {
  const text = (name: string, when: string, description: string): ClusterAttribute => ({
    name: `${side}.${name}`,
    kind: "string",
    requirement: conditional(when),
    description,
  });
  const pod = `the ${side} is a pod`;
  const known = `the cluster knows the ${side}`;
  return [
    text("k8s.cluster.name", `${known}, and \`kubernetes.cluster_name\` is set`, "Name of the cluster."),
    text("k8s.cluster.uid", known, "Uid of the cluster: that of its namespace kube-system."),
    text("k8s.namespace.name", known, "Namespace; of several candidates, the one that they share."),
    text("k8s.node.name", `the ${side} is a node or runs on one`, "Name of the node."),
    text("k8s.node.uid", `the ${side} is a node or runs on one`, "Uid of the node."),
    text("k8s.pod.name", pod, "Name of the pod."),
    text("k8s.pod.uid", pod, "Uid of the pod."),
    text(
      "k8s.container.name",
      `${pod} with one container, or one that declares the port`,
      "Name of the container.",
    ),
    text(
      "container.image.name",
      `${pod} with one container, or one that declares the port`,
      "Its image, without tag and digest.",
    ),
    text("cloud.availability_zone", `the node has a zone`, "Label topology.kubernetes.io/zone of the node."),
    ...NAMED_KINDS.flatMap(([name, kind]) => [
      text(
        `k8s.${name}.name`,
        `the ${side} is one, or is owned by one`,
        `Name of the ${kind}; string[] of all that select the pod, where relations find it.`,
      ),
      text(`k8s.${name}.uid`, `the ${side} is one, or is owned by one`, `Uid of the ${kind}.`),
    ]),
    text("k8s.owner.kind", "an owner is of another kind", "Kind of that owner, a custom resource's for one."),
    text("k8s.owner.name", "an owner is of another kind", "Name of that owner."),
  ];
}

function policy(way: "ingress" | "egress", side: string): ClusterAttribute {
  return {
    name: `network.policy.${way}`,
    kind: "strings",
    requirement: conditional(`NetworkPolicies for ${way} select the ${side} pod and both ends are known`),
    description: `\`namespace/name\` of those that admit the flow; where surely none does, of all that select the pod, each with \` (deny)\` behind it.`,
  };
}
