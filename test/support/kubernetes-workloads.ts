// Objects of the API that tests' pods belong to, and pods in every form. Nothing runs them: no controller is there.

import type { ApiObject } from "./kubernetes-server.ts";
import { NODE_ADDRESSES } from "./namespace-cluster.ts";

/** Uid and name of an object as an owner. */
export function ownerReference({ apiVersion, kind, metadata }: ApiObject): object {
  return { apiVersion, kind, name: metadata.name, uid: metadata["uid"], controller: true };
}

export interface ContainerOptions {
  readonly name: string;
  readonly image: string;
  readonly ports?: readonly object[];
}

export interface PodOptions {
  readonly ips: readonly string[];
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly owner?: ApiObject;
  readonly node?: string;
  /** Default: one, `main`, with port 80 as `web`. */
  readonly containers?: readonly ContainerOptions[];
  readonly isHostNetwork?: boolean;
  /** Default: a minute ago. */
  readonly startMs?: number;
  /** Over what a running pod has. */
  readonly status?: object;
}

const MAIN: ContainerOptions = {
  name: "main",
  image: "registry.test/main:1",
  ports: [{ name: "web", containerPort: 80 }],
};

/** A pod that runs with these addresses. */
export function runningPod(name: string, options: PodOptions): ApiObject {
  const { ips, namespace = "shop", labels = {}, annotations = {}, owner, node = "node-a" } = options;
  const { containers = [MAIN], isHostNetwork = false, startMs = Date.now() - 60_000, status = {} } = options;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...{ name, namespace, labels, annotations },
      ...(owner === undefined ? {} : { ownerReferences: [ownerReference(owner)] }),
    },
    spec: { nodeName: node, hostNetwork: isHostNetwork, containers },
    status: {
      phase: "Running",
      startTime: apiTime(startMs),
      podIP: ips[0],
      podIPs: ips.map((ip) => ({ ip })),
      hostIP: node === "node-b" ? NODE_ADDRESSES.other[0] : NODE_ADDRESSES.own[0],
      ...status,
    },
  };
}

/** As the API writes times: in whole seconds, the rest cut off. */
export function apiTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+/, "");
}

export interface WorkloadOptions {
  readonly namespace?: string;
  readonly owner?: ApiObject;
  readonly labels?: Readonly<Record<string, string>>;
}

/** What pods belong to. */
export function workload(
  kind: "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" | "CronJob",
  name: string,
  { namespace = "shop", owner, labels = {} }: WorkloadOptions = {},
): ApiObject {
  const metadata = {
    ...{ name, namespace, labels },
    ...(owner === undefined ? {} : { ownerReferences: [ownerReference(owner)] }),
  };
  const pod = { restartPolicy: "Never", containers: [{ name: "main", image: "registry.test/main:1" }] };
  if (kind === "Job") return { apiVersion: "batch/v1", kind, metadata, spec: { template: { spec: pod } } };
  if (kind === "CronJob") {
    const jobTemplate = { spec: { template: { spec: pod } } };
    return { apiVersion: "batch/v1", kind, metadata, spec: { schedule: "@daily", jobTemplate } };
  }
  const matchLabels = { app: name };
  const template = { metadata: { labels: matchLabels }, spec: { containers: pod.containers } };
  const serviceName = kind === "StatefulSet" ? { serviceName: name } : {};
  return {
    apiVersion: "apps/v1",
    kind,
    metadata,
    spec: { selector: { matchLabels }, template, ...serviceName },
  };
}
