// What is kept of the objects that run: pods, their nodes, and what made them.

import type { KubernetesObject, LabelSelector, TransportProtocol } from "./object.ts";

/** One entry of a container's `ports`. */
export interface ContainerPort {
  readonly name: string | undefined;
  readonly containerPort: number;
  readonly hostPort: number | undefined;
  readonly protocol: TransportProtocol;
}

/** A container that runs as long as the pod: of `containers`, or of `initContainers` with restartPolicy Always. */
export interface Container {
  readonly name: string;
  readonly image: string;
  readonly ports: readonly ContainerPort[];
}

/** A container as the node's runtime knows it. */
export interface ContainerId {
  /** The first 12 hexadecimal digits: enough to tell the containers of one pod apart. */
  readonly id: string;
  readonly name: string;
}

/** What sockets of the node are held against: of a pod on its network. */
export interface HostPod {
  /** `status.startTime`, or when it was created, in ms. */
  readonly startMs: number;
  /** When it ended, in ms; Infinity while it runs. */
  readonly endMs: number;
  /** Containers that run, and those that ran before them. */
  readonly containerIds: readonly ContainerId[];
  /** Of the mirror of a static pod the uid that the kubelet knows it by; else "". */
  readonly staticUid: string;
}

/** What is kept of a pod as long as it is known. */
export interface Pod extends KubernetesObject {
  /** "" as long as it is not scheduled. */
  readonly nodeName: string;
  readonly isHostNetwork: boolean;
  readonly containers: readonly Container[];
  /** undefined where it has a network of its own. */
  readonly host: HostPod | undefined;
}

/** A pod as it is told: what it has, and since when, becomes claims. */
export interface ToldPod extends Pod {
  /** All of `status.podIPs`, else `podIP`. */
  readonly podIPs: readonly string[];
  /** All of `status.hostIPs`, else `hostIP`. */
  readonly hostIPs: readonly string[];
  /** `status.startTime` in ms; undefined before the kubelet has seen it. */
  readonly startTime: number | undefined;
  /** The last container's `finishedAt` in ms, of a pod that is Succeeded or Failed; undefined while it runs. */
  readonly endTime: number | undefined;
}

export interface Node extends KubernetesObject {
  /** `status.addresses` of the types InternalIP and ExternalIP, and others that are an IP address. */
  readonly addresses: readonly string[];
  /** All of `spec.podCIDRs`, else `podCIDR`: networks of addresses for its pods, and often of its own bridge or tunnel. */
  readonly podCIDRs: readonly string[];
}

/** ReplicaSet, Deployment, StatefulSet, DaemonSet, Job, CronJob. */
export interface Workload extends KubernetesObject {
  /** Where a selector relation reads it, else undefined. */
  readonly selector: LabelSelector | undefined;
}
