// Conversations with pods that NetworkPolicies select, and which policies their spans should name.

import type { Case } from "./kubernetes-cases.ts";
import { addressOf } from "./kubernetes-policies.ts";
import type { Said, Told } from "./kubernetes-said.ts";
import { ADDRESS, NODE_OWN, POD, SERVICE } from "./kubernetes-town.ts";
import { NODE_ADDRESSES } from "./namespace-cluster.ts";

type Peer = "client" | "db" | "logger" | "friend" | "stranger" | "otherStranger" | "node" | OwnPeer;
/** Of nodes; no object has the address. */
type OwnPeer = "bridge" | "tunnel" | "otherBridge" | "otherNode";

const PEERS: Readonly<Record<Peer, Pick<Case, "by" | "from" | "source">>> = {
  client: { by: "client", from: POD.client[0], source: clientSaid },
  db: { by: "db", from: POD.db[0], source: (told) => told.pod("db") },
  logger: { by: "logger", from: POD.logger[0], source: (told) => told.pod("logger") },
  friend: { by: "friend", from: POD.friend[0], source: (told) => told.pod("friend") },
  stranger: { by: "outside", from: ADDRESS.stranger, source: () => ({}) },
  otherStranger: { by: "outside", from: ADDRESS.otherStranger, source: () => ({}) },
  node: { by: "node", from: NODE_ADDRESSES.own[0], source: (told) => told.node("node-a") },
  bridge: { by: "node", from: NODE_OWN.bridge, source: () => ({}) },
  tunnel: { by: "node", from: NODE_OWN.tunnel, source: () => ({}) },
  otherBridge: { by: "outside", from: ADDRESS.otherBridge, source: () => ({}) },
  otherNode: { by: "outside", from: NODE_ADDRESSES.other[0], source: (told) => told.node("node-b") },
};

/** What the span says of policies for ingress; undefined: nothing. */
type Verdict = readonly string[] | undefined;

/** A conversation from each of the peers to the pod of a rule. */
function toPod(
  pod: string,
  verdicts: readonly (readonly [peer: Peer, port: number, verdict: Verdict])[],
  protocol: "tcp" | "udp" = "udp",
): readonly Case[] {
  return verdicts.map(([peer, port, verdict]) => ({
    ...PEERS[peer],
    name: `${peer} to ${pod} by ${protocol} ${port}: ${verdict ?? "nothing said"}`,
    to: addressOf(pod),
    port,
    protocol,
    destination: (told) => told.pod(pod),
    policies: verdict && { "network.policy.ingress": verdict },
  }));
}

const fromPod = (name: string): Pick<Case, "by" | "from" | "source"> => ({
  ...{ by: name === "leaving" ? name : "guard", from: addressOf(name) },
  source: (told) => told.pod(name),
});

export const POLICY_CASES: readonly Case[] = [
  ...toPod("pods", [
    ["friend", 7100, ["guard/pods"]],
    ["client", 7100, ["guard/pods (deny)"]],
    ["stranger", 7100, ["guard/pods (deny)"]],
    // It may send for a pod that the rule admits.
    ["otherNode", 7100, undefined],
  ]),
  ...toPod("namespaces", [
    ["client", 7100, ["guard/namespaces"]],
    ["db", 7100, ["guard/namespaces (deny)"]],
  ]),
  ...toPod("both", [
    ["client", 7100, ["guard/both"]],
    ["logger", 7100, ["guard/both (deny)"]],
    ["friend", 7100, ["guard/both (deny)"]],
  ]),
  ...toPod("either", [
    ["db", 7100, ["guard/either"]],
    ["friend", 7100, ["guard/either"]],
    ["client", 7100, ["guard/either (deny)"]],
  ]),
  ...toPod("block", [
    ["stranger", 7100, ["guard/block"]],
    ["otherStranger", 7100, ["guard/block (deny)"]],
    ["client", 7100, ["guard/block (deny)"]],
  ]),
  ...toPod("range", [
    ["client", 7105, ["guard/range"]],
    ["client", 7111, ["guard/range (deny)"]],
  ]),
  ...toPod("named", [
    ["client", 7100, ["guard/named"]],
    ["client", 7105, ["guard/named (deny)"]],
  ]),
  ...toPod("protocol", [["client", 7100, ["guard/protocol"]]], "tcp"),
  ...toPod("protocol", [["client", 7100, ["guard/protocol (deny)"]]]),
  ...toPod("closed", [
    ["friend", 7100, ["guard/closed (deny)"]],
    ["stranger", 7100, ["guard/closed (deny)"]],
    ["otherNode", 7100, ["guard/closed (deny)"]],
    // No policy keeps a node from its own pods, by whatever address.
    ["node", 7100, undefined],
    ["bridge", 7100, undefined],
    ["tunnel", 7100, undefined],
    ["otherBridge", 7100, undefined],
  ]),
  ...toPod("open", [["stranger", 7111, ["guard/open"]]]),
  ...toPod("several", [
    ["friend", 7100, ["guard/several.some"]],
    ["client", 7100, ["guard/several.none (deny)", "guard/several.some (deny)"]],
  ]),
  // It speaks of egress alone.
  ...toPod("leaving", [["client", 7100, undefined]]),
  ...toPod("untyped", [["client", 7100, ["guard/untyped (deny)"]]]),
  {
    ...fromPod("untyped"),
    name: "egress by a policy that does not say its types",
    to: ADDRESS.stranger,
    destination: () => ({}),
    policies: { "network.policy.egress": ["guard/untyped"] },
  },
  {
    ...fromPod("leaving"),
    name: "egress to a block",
    to: ADDRESS.backend,
    destination: (told) => ({ ...told.object("slice"), "k8s.service.name": "legacy" }),
    policies: { "network.policy.egress": ["guard/leaving"] },
  },
  {
    ...fromPod("leaving"),
    name: "egress to a pod, which has policies of its own",
    to: addressOf("open"),
    destination: (told) => told.pod("open"),
    policies: {
      "network.policy.egress": ["guard/leaving.open"],
      "network.policy.ingress": ["guard/open"],
    },
  },
  {
    ...fromPod("leaving"),
    name: "egress to where no rule lets it",
    to: POD.db[0],
    destination: (told) => told.pod("db"),
    policies: { "network.policy.egress": ["guard/leaving (deny)", "guard/leaving.open (deny)"] },
  },
  {
    ...fromPod("leaving"),
    name: "egress to where no rule lets it, but who began is guessed by the ports: nothing said",
    to: ADDRESS.stranger,
    destination: () => ({}),
  },
  {
    ...fromPod("closed"),
    name: "a policy for ingress says nothing of egress",
    to: POD.db[0],
    destination: (told) => told.pod("db"),
  },
  {
    ...PEERS.client,
    name: "client to served by its Service: judged by the port behind it",
    to: SERVICE.guarded,
    port: 80,
    destination: (told) => ({ ...told.pod("served"), ...told.named("guarded") }),
    policies: { "network.policy.ingress": ["guard/served"] },
  },
  {
    ...fromPod("leaving"),
    name: "egress to a Service before another node",
    to: SERVICE.api,
    port: 443,
    destination: (told) => ({ ...told.node("node-b"), ...told.object("api") }),
    policies: { "network.policy.egress": ["guard/leaving"] },
  },
  {
    ...PEERS.client,
    name: "client to closed, masqueraded as the node: nothing said",
    to: SERVICE.closed,
    port: 80,
    destination: (told) => told.pod("closed"),
  },
  {
    ...PEERS.bridge,
    ...{ by: "outside", from: ADDRESS.stranger },
    name: "stranger to closed by a node port, masqueraded as the node's bridge: nothing said",
    to: NODE_ADDRESSES.own[0],
    port: SERVICE.closedNodePort,
    destination: (told) => told.pod("closed"),
  },
];

function clientSaid(told: Told): Said {
  return told.pod("client", { "k8s.pod.annotation.contact": "ann" });
}
