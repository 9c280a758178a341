// Conversations in the town of kubernetes-town.ts, and what their spans should say of the cluster.

import type { Said, Told } from "./kubernetes-said.ts";
import { ADDRESS, HOST_PORT, NODE_PORT, POD, PORT, SERVICE } from "./kubernetes-town.ts";
import { NODE_ADDRESSES } from "./namespace-cluster.ts";

/** One conversation. */
export interface Case {
  readonly name: string;
  /** In whose namespace it begins, and from which address. */
  readonly by: string;
  readonly from: string;
  readonly to: string;
  /** Default {@link PORT}. */
  readonly port?: number;
  /** Default udp. */
  readonly protocol?: "tcp" | "udp";
  readonly source: (told: Told) => Said;
  readonly destination: (told: Told) => Said;
  /** `network.policy.*`; default none. */
  readonly policies?: Said | undefined;
}

const [node] = NODE_ADDRESSES.own;
const [otherNode] = NODE_ADDRESSES.other;

const client = (told: Told): Said => told.pod("client", { "k8s.pod.annotation.contact": "ann" });
const nobody = (): Said => ({});
const web = (told: Told): Said =>
  told.pod("web", {
    "k8s.container.name": "app",
    "container.image.name": "registry.test:5000/shop/web",
    "k8s.service.name": ["web"],
    "k8s.deployment.label.release": "v7",
  });
/** Reached by way of its Service: that one is told, not all that select it. */
const webByService = (told: Told): Said => ({ ...web(told), ...told.named("web") });
const webAsClient = (told: Told): Said => {
  const { "k8s.container.name": _, "container.image.name": __, ...others } = web(told);
  return others;
};

const fromClient = { by: "client", from: POD.client[0], source: client } as const;
const fromOutside = { by: "outside", source: nobody } as const;
const fromStranger = { ...fromOutside, from: ADDRESS.stranger } as const;

export const CASES: readonly Case[] = [
  { ...fromClient, name: "pod to pod", to: POD.web[0], destination: web },
  { ...fromClient, name: "pod to pod by TCP", to: POD.web[0], protocol: "tcp", destination: web },
  { ...fromClient, name: "pod to pod in IPv6", from: POD.client[1], to: POD.web[1], destination: web },
  {
    ...fromClient,
    name: "pod to a pod's second container",
    to: POD.web[0],
    port: 9090,
    destination: (told) => ({
      ...web(told),
      "k8s.container.name": "sidecar",
      "container.image.name": "registry.test/sidecar",
    }),
  },
  { ...fromClient, name: "pod to Service", to: SERVICE.web, port: 80, destination: webByService },
  {
    ...fromClient,
    name: "pod to Service in IPv6",
    from: POD.client[1],
    to: SERVICE.web6,
    port: 80,
    destination: webByService,
  },
  {
    ...fromClient,
    name: "pod to Service before what is no pod, masqueraded",
    to: SERVICE.legacy,
    port: 80,
    destination: (told) => ({ ...told.object("slice"), ...told.named("legacy") }),
  },
  {
    ...fromClient,
    name: "pod to what is no pod behind an EndpointSlice",
    to: ADDRESS.backend,
    destination: (told) => ({ ...told.object("slice"), "k8s.service.name": "legacy" }),
  },
  { ...fromClient, name: "pod to StatefulSet", to: POD.db[0], destination: (told) => told.pod("db") },
  {
    ...fromClient,
    name: "pod to a pod of another node",
    to: POD.far[0],
    destination: (told) => told.pod("far", {}, "node-b"),
  },
  {
    ...fromClient,
    name: "pod to a pod on the host's network",
    to: node,
    port: NODE_PORT.proxy,
    destination: (told) => told.pod("proxy"),
  },
  {
    ...fromClient,
    name: "pod to its node",
    to: node,
    port: NODE_PORT.other,
    destination: (told) => told.node("node-a"),
  },
  {
    ...fromClient,
    name: "pod to another node's node port",
    to: otherNode,
    port: SERVICE.nodePort,
    destination: (told) => ({ ...told.node("node-b"), ...told.object("web") }),
  },
  {
    ...fromClient,
    name: "pod to Ingress",
    to: ADDRESS.ingress,
    destination: (told) => told.object("ingress"),
  },
  {
    ...fromClient,
    name: "pod to Gateway",
    to: ADDRESS.gateway,
    destination: (told) => told.object("gateway"),
  },
  {
    ...fromClient,
    name: "pod to external address of a Service",
    to: ADDRESS.external,
    port: 80,
    destination: (told) => told.object("web"),
  },
  {
    ...fromClient,
    name: "pod to load balancer of a Service",
    to: ADDRESS.balancer,
    port: 80,
    destination: (told) => told.object("web"),
  },
  {
    ...fromClient,
    name: "pod to a port that the Service does not have",
    to: ADDRESS.external,
    port: 81,
    destination: nobody,
  },
  { ...fromClient, name: "pod to who is not of the cluster", to: ADDRESS.stranger, destination: nobody },
  {
    ...fromClient,
    name: "pod to an address that two pods have",
    to: POD.twins[0],
    destination: (told) => told.namespace("shop"),
  },
  ...(["logger", "job", "cron"] as const).map(
    (name): Case => ({
      name: `${name} to pod`,
      ...{ by: name, from: POD[name][0], to: POD.web[0] },
      source: (told) => told.pod(name),
      destination: web,
    }),
  ),
  {
    name: "pod of a custom resource to pod",
    ...{ by: "widget", from: POD.widget[0], to: POD.web[0] },
    source: (told) => told.pod("widget", { "k8s.owner.kind": "Widget", "k8s.owner.name": "cog" }),
    destination: web,
  },
  {
    name: "pod with several containers to pod",
    ...{ by: "web", from: POD.web[0], to: POD.db[0] },
    source: webAsClient,
    destination: (told) => told.pod("db"),
  },
  {
    name: "node to pod",
    ...{ by: "node", from: node, to: POD.web[0] },
    source: (told) => told.node("node-a"),
    destination: web,
  },
  {
    name: "a pod of another node to pod",
    ...{ by: "outside", from: POD.far[0], to: POD.web[0] },
    source: (told) => told.pod("far", {}, "node-b"),
    destination: web,
  },
  { ...fromStranger, name: "who is not of the cluster to pod", to: POD.web[0], destination: web },
  {
    ...fromStranger,
    name: "who is not of the cluster to node port",
    to: node,
    port: SERVICE.nodePort,
    destination: webByService,
  },
  {
    ...fromClient,
    name: "pod to host port of a pod of another node",
    to: otherNode,
    port: HOST_PORT,
    destination: (told) => told.pod("far", {}, "node-b"),
  },
  {
    ...fromStranger,
    name: "who is not of the cluster to host port of a pod here",
    to: node,
    port: HOST_PORT,
    destination: (told) => told.pod("logger"),
  },
  {
    ...fromOutside,
    name: "another node to node port",
    from: otherNode,
    source: (told) => told.node("node-b"),
    to: node,
    port: SERVICE.nodePort,
    destination: webByService,
  },
];
