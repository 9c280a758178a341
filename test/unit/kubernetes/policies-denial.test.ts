import { expect, test } from "bun:test";
import type { ObjectEvent } from "../../../src/kubernetes/objects.ts";
import type { PolicyRule } from "../../../src/kubernetes/objects-network.ts";
import { clusterOf, NOW, SECOND } from "./cluster.ts";
import { attribute, attributionOf, type Flow, type Surroundings, saidOf } from "./judged.ts";
import { added, deleted, labelsOf, modified, selectorOf } from "./objects.ts";

const WEB = { name: "web", podIPs: ["10.1.0.10"], labels: labelsOf({ app: "web" }), nodeName: "node-a" };
const CLIENT = {
  name: "client",
  podIPs: ["10.1.1.10"],
  labels: labelsOf({ app: "client" }),
  nodeName: "node-b",
};
const PORTS = [{ name: undefined, containerPort: 9100, hostPort: undefined, protocol: "TCP" as const }];
const CLUSTER = [
  added("Namespace", { name: "shop", labels: labelsOf({ team: "shop" }) }),
  added("Pod", WEB),
  added("Pod", CLIENT),
  // Its namespace is not known.
  added("Pod", { ...CLIENT, name: "far", namespace: "other", podIPs: ["10.1.1.11"] }),
  added("Pod", {
    ...{ name: "exporter", labels: labelsOf({ app: "exporter" }), nodeName: "node-b" },
    ...{ isHostNetwork: true, hostIPs: ["192.0.2.2"], podIPs: ["192.0.2.2"] },
    containers: [{ name: "main", image: "x", ports: PORTS }],
  }),
  added("Node", { name: "node-a", addresses: ["192.0.2.1"], podCIDRs: ["10.1.0.0/24", "fd00:1::/64"] }),
  added("Node", { name: "node-b", addresses: ["192.0.2.2"], podCIDRs: ["10.1.1.0/24", "fd00:2::/64"] }),
  added("Service", {
    name: "api",
    clusterIPs: ["10.96.0.1"],
    ports: [{ port: 443, nodePort: 30_443, protocol: "TCP" }],
  }),
];

type Peer = PolicyRule["peers"][number];

const NONE: Peer = { podSelector: undefined, namespaceSelector: undefined, ipBlock: undefined };
const ANYBODY: readonly PolicyRule[] = [{ peers: [], ports: [] }];
const toPort = (port: number): PolicyRule["ports"] => [{ protocol: "TCP", port, endPort: undefined }];
const byPods = (app: string, ports: PolicyRule["ports"] = []): readonly PolicyRule[] => [
  { peers: [{ ...NONE, podSelector: selectorOf({ app }) }], ports },
];
const byNamespace = (labels: Readonly<Record<string, string>>): readonly PolicyRule[] => [
  { peers: [{ ...NONE, namespaceSelector: selectorOf(labels) }], ports: [] },
];
const byBlock = (cidr: string, ports: PolicyRule["ports"] = []): readonly PolicyRule[] => [
  { peers: [{ ...NONE, ipBlock: { cidr, except: [] } }], ports },
];

interface Judged extends Surroundings {
  readonly rules?: readonly PolicyRule[];
  /** What happens besides, after all is there. */
  readonly events?: readonly (ObjectEvent | readonly [number, ObjectEvent])[];
  readonly now?: number;
}

/** What policy `p`, for what comes to the web pod, says of a flow from `source`. */
function fromPeer(source: string, judged: Judged & Partial<Flow> = {}): unknown {
  const { rules = [], events = [], now, ...flow } = judged;
  const policy = added("NetworkPolicy", {
    name: "p",
    podSelector: selectorOf({ app: "web" }),
    ingress: rules,
  });
  const attribution = attributionOf(clusterOf([...CLUSTER, policy, ...events]), judged);
  const destination = source.includes(":") ? "fd00:1::10" : "10.1.0.10";
  return saidOf(attribute(attribution, { source, destination, ...flow }, now), "network.policy.ingress");
}

/** What policy `p`, for what leaves the web pod, says of a flow to `destination`. */
function toPeer(destination: string, judged: Judged & Partial<Flow> = {}): unknown {
  const { rules = [], events = [], now, ...flow } = judged;
  const policy = added("NetworkPolicy", {
    ...{ name: "p", podSelector: selectorOf({ app: "web" }), policyTypes: ["Egress"], egress: rules },
  });
  const attribution = attributionOf(clusterOf([...CLUSTER, policy, ...events]), judged);
  return saidOf(
    attribute(attribution, { source: "10.1.0.10", destination, ...flow }, now),
    "network.policy.egress",
  );
}

const ALLOWED = ["shop/p"];
const DENIED = ["shop/p (deny)"];
const STRANGER = "203.0.113.1";

test.each([
  ["a bridge of its own node", "10.1.0.1"],
  ["a tunnel of another node", "10.1.1.0"],
  ["a link's own address", "169.254.1.1"],
  ["loopback", "127.0.0.1"],
  ["nobody yet", "0.0.0.0"],
  ["a group", "224.0.0.251"],
  ["everybody", "255.255.255.255"],
  ["its own node, as it is named", "192.0.2.1"],
  ["itself", "10.1.0.10"],
])("PolicyVerdict denies nothing between a pod and %s", (_, address) => {
  expect(fromPeer(address)).toBeUndefined();
  expect(toPeer(address)).toBeUndefined();
  expect(fromPeer(address, { rules: byBlock(`${address}/32`) })).toEqual(ALLOWED);
});

test("PolicyVerdict denies nothing by an IPv6 address of a node's pods, or of one link", () => {
  const events = [modified("Pod", { ...WEB, podIPs: ["10.1.0.10", "fd00:1::10"] })];
  const denied = (source: string): unknown => fromPeer(source, { events });
  expect(denied("fd00:1::1")).toBeUndefined();
  expect(denied("fd00:2::1")).toBeUndefined();
  expect(denied("fe80::1")).toBeUndefined();
  expect(denied("fd00:3::1")).toEqual(DENIED);
});

test("PolicyVerdict denies nothing by an address of this host, which no object names", () => {
  expect(fromPeer(STRANGER)).toEqual(DENIED);
  expect(fromPeer(STRANGER, { hostAddresses: [STRANGER] })).toBeUndefined();
  expect(toPeer(STRANGER)).toEqual(DENIED);
  expect(toPeer(STRANGER, { hostAddresses: [STRANGER] })).toBeUndefined();
});

test("PolicyVerdict follows the networks of nodes as they change and go", () => {
  const node = { name: "node-b", addresses: ["192.0.2.2"] };
  const source = "10.1.1.1";
  expect(fromPeer(source, { events: [modified("Node", { ...node, podCIDRs: ["10.9.0.0/24"] })] })).toEqual(
    DENIED,
  );
  const gone = deleted("Node", node);
  expect(fromPeer(source, { events: [gone] })).toBeUndefined();
  const later = NOW + 121 * SECOND;
  const events = [gone, [later, added("Namespace", { name: "late" })]] as const;
  expect(fromPeer(source, { events, startMs: later + 1 })).toEqual(DENIED);
});

test("PolicyVerdict takes another node for whoever it may send for", () => {
  const node = "192.0.2.2";
  expect(fromPeer(node)).toEqual(DENIED);
  expect(fromPeer(node, { rules: ANYBODY })).toEqual(ALLOWED);
  expect(fromPeer(node, { rules: byBlock("192.0.2.0/24") })).toEqual(ALLOWED);
  for (const rules of [byBlock("203.0.113.0/24"), byPods("client"), byNamespace({})]) {
    expect(fromPeer(node, { rules })).toBeUndefined();
  }
  // By no port of the rule, nobody at all.
  expect(fromPeer(node, { rules: byPods("client", toPort(81)) })).toEqual(DENIED);
  expect(fromPeer(node, { rules: byPods("client", toPort(80)) })).toBeUndefined();
});

test("PolicyVerdict judges what goes to a node by its address, and leaves open what selectors say of it", () => {
  const node = "192.0.2.2";
  expect(toPeer(node, { rules: byBlock("192.0.2.2/32") })).toEqual(ALLOWED);
  expect(toPeer(node, { rules: byBlock("203.0.113.0/24") })).toEqual(DENIED);
  expect(toPeer(node, { rules: byNamespace({}) })).toBeUndefined();
  const exporter = { port: 9100 };
  expect(toPeer(node, { ...exporter, rules: byPods("exporter") })).toBeUndefined();
  expect(toPeer(node, { ...exporter, rules: byPods("client") })).toEqual(DENIED);
  expect(toPeer(node, { ...exporter, rules: byBlock("192.0.2.2/32") })).toEqual(ALLOWED);
});

test("PolicyVerdict says of masqueraded peers only what holds for all", () => {
  const masked = { isSourceTranslated: true };
  for (const source of ["10.1.1.10", STRANGER, "192.0.2.2"]) {
    expect(fromPeer(source, masked)).toBeUndefined();
    expect(fromPeer(source, { ...masked, rules: byPods("client") })).toBeUndefined();
    expect(fromPeer(source, { ...masked, rules: byBlock("0.0.0.0/0") })).toBeUndefined();
    expect(fromPeer(source, { ...masked, rules: ANYBODY })).toEqual(ALLOWED);
  }
  // Where it goes is another matter.
  expect(toPeer("10.1.1.10", masked)).toEqual(DENIED);
  expect(toPeer("10.1.1.10", { ...masked, rules: byPods("client") })).toEqual(ALLOWED);
});

test("PolicyVerdict judges by the node or host's pod that answers for a Service", () => {
  const called = { address: "10.96.0.1", port: 443 };
  for (const port of [6443, 9100]) {
    const answer = { called, port };
    expect(toPeer("192.0.2.2", answer)).toEqual(DENIED);
    expect(toPeer("192.0.2.2", { ...answer, rules: byBlock("192.0.2.2/32", toPort(port)) })).toEqual(ALLOWED);
    expect(toPeer("192.0.2.2", { ...answer, rules: byPods("client", toPort(80)) })).toEqual(DENIED);
    // Whether it is asked before or after the translation is not defined.
    expect(toPeer("192.0.2.2", { ...answer, rules: byBlock("10.96.0.0/16", toPort(443)) })).toBeUndefined();
    expect(toPeer("192.0.2.1", answer)).toBeUndefined();
  }
  expect(toPeer("192.0.2.2", { port: 30_443 })).toBeUndefined();
});

test("PolicyVerdict judges by the pod or stranger that answers for a Service or a node port", () => {
  const called = { address: "10.96.0.1", port: 443 };
  expect(toPeer("10.1.1.10", { called, port: 8443 })).toEqual(DENIED);
  expect(toPeer("10.1.1.10", { called, port: 8443, rules: byPods("client", toPort(8443)) })).toEqual(ALLOWED);
  expect(toPeer("10.1.1.10", { called, port: 8443, rules: byBlock("10.96.0.0/16") })).toBeUndefined();
  expect(toPeer(STRANGER, { called, rules: byBlock("203.0.113.0/24") })).toEqual(ALLOWED);
  expect(toPeer(STRANGER, { called })).toEqual(DENIED);
  const ofHost = { called: { address: "192.0.2.1", port: 30_443 }, hostAddresses: ["192.0.2.1"] };
  expect(toPeer("10.1.1.10", ofHost)).toBeUndefined();
  expect(toPeer("10.1.1.10", { ...ofHost, rules: byPods("client") })).toEqual(ALLOWED);
});

test("PolicyVerdict says nothing of a pod that is reached by a port of its node, but by its own address", () => {
  const ports = [{ name: "http", containerPort: 80, hostPort: 8080, protocol: "TCP" as const }];
  const containers = [{ name: "main", image: "x", ports }];
  const node = { hostIPs: ["192.0.2.2"], containers };
  const toNode = {
    port: 8080,
    rules: byPods("client", toPort(80)),
    events: [modified("Pod", { ...CLIENT, ...node })],
  };
  expect(toPeer("192.0.2.2", toNode)).toBeUndefined();
  expect(toPeer("10.1.1.10", { ...toNode, port: 80 })).toEqual(ALLOWED);
  expect(toPeer("10.1.1.10", toNode)).toEqual(DENIED);
});

test("PolicyVerdict denies nothing while something is missing, and tells who admits", () => {
  expect(fromPeer("10.1.1.10", { isWhole: false })).toBeUndefined();
  expect(fromPeer("10.1.1.10", { isWhole: false, rules: byPods("client") })).toEqual(ALLOWED);
});

test("PolicyVerdict leaves open what depends on labels of a namespace that is not known", () => {
  const far = "10.1.1.11";
  expect(fromPeer(far, { rules: byNamespace({ team: "other" }) })).toBeUndefined();
  expect(fromPeer(far, { rules: byNamespace({}) })).toEqual(ALLOWED);
  expect(fromPeer(far, { rules: byPods("client") })).toEqual(DENIED);
});

test("PolicyVerdict leaves open what it cannot read of a rule", () => {
  expect(fromPeer(STRANGER, { rules: byBlock("203.0.113.0/33") })).toBeUndefined();
  expect(fromPeer(STRANGER, { rules: [{ peers: [NONE], ports: [] }] })).toBeUndefined();
  expect(fromPeer(STRANGER, { rules: [...byBlock("x"), ...byBlock(`${STRANGER}/32`)] })).toEqual(ALLOWED);
});

test("PolicyVerdict denies nothing that began before policies or labels changed", () => {
  const select = { podSelector: selectorOf({ app: "web" }) };
  const later = NOW + 10 * SECOND;
  const other = { name: "q", ...select, createdTime: NOW - 3600 * SECOND };
  for (const change of [
    added("NetworkPolicy", { ...other, createdTime: later }),
    modified("NetworkPolicy", { name: "p", ...select }),
    deleted("NetworkPolicy", other),
    modified("Pod", { ...WEB, labels: labelsOf({ app: "web", role: "primary" }) }),
    modified("Pod", { ...CLIENT, labels: labelsOf({ app: "other" }) }),
    modified("Namespace", { name: "shop", labels: labelsOf({ team: "new" }) }),
  ]) {
    const events = [added("NetworkPolicy", other), [later, change]] as const;
    const denied = (startMs: number): unknown => fromPeer("10.1.1.10", { events, startMs });
    expect(denied(later)).toBeUndefined();
    expect(denied(later + 2 * SECOND)).toContain(DENIED[0]);
  }
  // A change that says nothing else of the pod is none.
  const events = [[later, modified("Pod", { ...CLIENT, endTime: undefined })]] as const;
  expect(fromPeer("10.1.1.10", { events, startMs: NOW + 1 })).toEqual(DENIED);
});

test("PolicyVerdict says nothing of who had ended before the flow began", () => {
  const gone = { ...CLIENT, endTime: NOW - 2 * SECOND };
  const events = [modified("Pod", gone)];
  expect(fromPeer("10.1.1.10", { events })).toBeUndefined();
  expect(fromPeer("10.1.1.10", { events, rules: ANYBODY })).toBeUndefined();
});

test("PolicyVerdict judges the policies of a pod that has very many", () => {
  const many = (ingress: readonly PolicyRule[]): readonly ObjectEvent[] =>
    Array.from({ length: 40 }, (_, i) =>
      added("NetworkPolicy", {
        name: `q${i}`,
        podSelector: selectorOf({}),
        ingress: i === 39 ? ingress : [],
      }),
    );
  expect(fromPeer(STRANGER, { events: many([]) })).toBeArrayOfSize(41);
  expect(fromPeer(STRANGER, { events: many(byBlock("x")) })).toBeUndefined();
  expect(fromPeer(STRANGER, { events: many(ANYBODY) })).toEqual(["shop/q39"]);
});

test("PolicyVerdict denies nothing where who began the flow is a guess, and lists who admits it", () => {
  expect(fromPeer("10.1.1.10", { isInitiatorSure: false })).toBeUndefined();
  expect(toPeer("10.1.1.10", { isInitiatorSure: false })).toBeUndefined();
  expect(fromPeer("10.1.1.10", { isInitiatorSure: false, rules: byPods("client") })).toEqual(ALLOWED);
  expect(fromPeer("10.1.1.10")).toEqual(DENIED);
});

test("PolicyVerdict denies nothing at a node's port by a name that one of its pods may have", () => {
  const rules = (port: string, peers: readonly Peer[]): readonly PolicyRule[] => [
    { peers, ports: [{ protocol: "TCP", port, endPort: undefined }] },
  ];
  const anyPod = [{ ...NONE, namespaceSelector: selectorOf({}) }];
  for (const peers of [anyPod, [], [{ ...NONE, ipBlock: { cidr: "192.0.2.0/24", except: [] } }]]) {
    expect(toPeer("192.0.2.2", { port: 9100, rules: rules("metrics", peers) })).toBeUndefined();
    expect(toPeer("192.0.2.2", { port: 9200, rules: rules("metrics", peers) })).toBeUndefined();
  }
  expect(toPeer("192.0.2.2", { port: 9100, rules: toAnotherNode("metrics") })).toEqual(DENIED);
  expect(toPeer(STRANGER, { port: 9100, rules: rules("metrics", []) })).toEqual(DENIED);
  expect(toPeer("10.1.1.10", { port: 9100, rules: rules("metrics", []) })).toEqual(DENIED);
});

const toAnotherNode = (port: string): readonly PolicyRule[] => [
  {
    peers: [{ ...NONE, ipBlock: { cidr: "203.0.113.0/24", except: [] } }],
    ports: [{ protocol: "TCP", port, endPort: undefined }],
  },
];

test("PolicyVerdict goes by when it heard of a policy, whatever the API server's clock says", () => {
  const later = NOW + 10 * SECOND;
  const policy = { name: "q", podSelector: selectorOf({ app: "web" }), createdTime: later - 8 * SECOND };
  const events = [[later, added("NetworkPolicy", policy)]] as const;
  expect(fromPeer(STRANGER, { events, startMs: later - SECOND })).toBeUndefined();
  expect(fromPeer(STRANGER, { events, startMs: later + 1 })).toEqual(["shop/p (deny)", "shop/q (deny)"]);
});

test("PolicyVerdict judges a pod by the address that it got after its node's", () => {
  const ports = [{ name: undefined, containerPort: 80, hostPort: 8080, protocol: "TCP" as const }];
  const pod = {
    ...WEB,
    name: "front",
    containers: [{ name: "main", image: "x", ports }],
    hostIPs: ["192.0.2.1"],
  };
  const directory = clusterOf([
    ...CLUSTER,
    added("NetworkPolicy", { name: "p", podSelector: selectorOf({ app: "web" }) }),
    added("Pod", { ...pod, podIPs: [] }),
  ]);
  const attribution = attributionOf(directory);
  const ingress = (destination: string, port: number, id: number): unknown =>
    saidOf(attribute(attribution, { source: STRANGER, destination, port, id }), "network.policy.ingress");
  expect(ingress("192.0.2.1", 8080, 1)).toBeUndefined();
  directory.apply(modified("Pod", { ...pod, podIPs: ["10.1.0.99"] }), NOW);
  expect(ingress("10.1.0.99", 80, 2)).toEqual(DENIED);
});
