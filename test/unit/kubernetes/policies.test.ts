import { expect, test } from "bun:test";
import type { PolicyRule } from "../../../src/kubernetes/objects-network.ts";
import { clusterOf, NOW } from "./cluster.ts";
import { attribute, attributionOf, type Flow, saidOf } from "./judged.ts";
import { added, deleted, labelsOf, modified, selectorOf } from "./objects.ts";

const WEB = { name: "web", podIPs: ["10.1.0.1"], labels: labelsOf({ app: "web" }), nodeName: "node-a" };
const CLIENT = {
  name: "client",
  podIPs: ["10.1.0.2"],
  labels: labelsOf({ app: "client" }),
  nodeName: "node-b",
};
const CLUSTER = [
  added("Namespace", { name: "shop", labels: labelsOf({ team: "shop" }) }),
  added("Namespace", { name: "other", labels: labelsOf({ team: "other" }) }),
  added("Pod", WEB),
  added("Pod", CLIENT),
  added("Pod", { ...CLIENT, name: "far", namespace: "other", podIPs: ["10.1.0.3"] }),
  added("Node", { name: "node-a", addresses: ["192.0.2.1"] }),
  added("Node", { name: "node-b", addresses: ["192.0.2.2"] }),
  added("Service", { name: "front", clusterIPs: ["10.96.0.1"] }),
];
const TO_WEB: Flow = { source: "10.1.0.2", destination: "10.1.0.1" };

type Peer = PolicyRule["peers"][number];
type Port = PolicyRule["ports"][number];

function peer(given: Partial<Peer>): Peer {
  return { podSelector: undefined, namespaceSelector: undefined, ipBlock: undefined, ...given };
}

function port(given: Partial<Port>): Port {
  return { protocol: "TCP", port: undefined, endPort: undefined, ...given };
}

/** What one ingress rule of a policy named p for the web pod says of a flow. */
function ingress(rule: Partial<PolicyRule> | undefined, flow: Partial<Flow> = {}): unknown {
  const rules = rule === undefined ? [] : [{ peers: [], ports: [], ...rule }];
  const policy = added("NetworkPolicy", {
    name: "p",
    podSelector: selectorOf({ app: "web" }),
    ingress: rules,
  });
  const said = attribute(attributionOf(clusterOf([...CLUSTER, policy])), { ...TO_WEB, ...flow });
  return saidOf(said, "network.policy.ingress");
}

const ALLOWED = ["shop/p"];
const DENIED = ["shop/p (deny)"];

test("PolicyVerdict tells the policy whose rule admits all, and the one without rules that denies", () => {
  expect(ingress({})).toEqual(ALLOWED);
  expect(ingress(undefined)).toEqual(DENIED);
});

test("PolicyVerdict knows peers by pod, by namespace, by both and by address", () => {
  const client = selectorOf({ app: "client" });
  const other = selectorOf({ team: "other" });
  const far = { source: "10.1.0.3" };
  const outside = { source: "203.0.113.200" };
  expect(ingress({ peers: [peer({ podSelector: client })] })).toEqual(ALLOWED);
  expect(ingress({ peers: [peer({ podSelector: client })] }, far)).toEqual(DENIED);
  expect(ingress({ peers: [peer({ namespaceSelector: other })] }, far)).toEqual(ALLOWED);
  expect(ingress({ peers: [peer({ namespaceSelector: other })] })).toEqual(DENIED);
  const both = peer({ namespaceSelector: selectorOf({}), podSelector: selectorOf({ app: "web" }) });
  expect(ingress({ peers: [both] }, far)).toEqual(DENIED);
  const block = peer({ ipBlock: { cidr: "203.0.113.0/24", except: ["203.0.113.0/25"] } });
  expect(ingress({ peers: [block] }, outside)).toEqual(ALLOWED);
  expect(ingress({ peers: [block] }, { source: "203.0.113.100" })).toEqual(DENIED);
  expect(ingress({ peers: [peer({ ipBlock: { cidr: "::/0", except: [] } })] }, outside)).toEqual(DENIED);
});

test("PolicyVerdict knows ports by number, range, name and protocol", () => {
  expect(ingress({ ports: [port({ port: 80 })] })).toEqual(ALLOWED);
  expect(ingress({ ports: [port({ port: 81 })] })).toEqual(DENIED);
  expect(ingress({ ports: [port({ port: 70, endPort: 80 })] })).toEqual(ALLOWED);
  expect(ingress({ ports: [port({ port: 70, endPort: 79 })] })).toEqual(DENIED);
  expect(ingress({ ports: [port({})] })).toEqual(ALLOWED);
  expect(ingress({ ports: [port({ protocol: "UDP" })] })).toEqual(DENIED);
  expect(ingress({ ports: [port({ port: 80 })] }, { protocol: 17 })).toEqual(DENIED);
});

test("PolicyVerdict finds named ports in the destination pod, also for egress", () => {
  const ports = [{ name: "http", containerPort: 80, hostPort: undefined, protocol: "TCP" as const }];
  const named = { peers: [], ports: [port({ port: "http" })] };
  const directory = clusterOf([
    ...CLUSTER,
    modified("Pod", { ...WEB, containers: [{ name: "main", image: "x", ports }] }),
    added("NetworkPolicy", { name: "in", podSelector: selectorOf({ app: "web" }), ingress: [named] }),
    added("NetworkPolicy", {
      name: "out",
      podSelector: selectorOf({ app: "client" }),
      egress: [named],
      policyTypes: ["Egress"],
    }),
  ]);
  const attribution = attributionOf(directory);
  const said = attribute(attribution, TO_WEB);
  expect(saidOf(said, "network.policy.ingress")).toEqual(["shop/in"]);
  expect(saidOf(said, "network.policy.egress")).toEqual(["shop/out"]);
  const elsewhere = attribute(attribution, { ...TO_WEB, port: 81 });
  expect(saidOf(elsewhere, "network.policy.ingress")).toEqual(["shop/in (deny)"]);
  const outside = attribute(attribution, { ...TO_WEB, destination: "203.0.113.1" });
  expect(saidOf(outside, "network.policy.egress")).toEqual(["shop/out (deny)"]);
});

test("PolicyVerdict tells all that admit, and those that deny only where none does", () => {
  const select = { podSelector: selectorOf({ app: "web" }) };
  const open = [{ peers: [], ports: [] }];
  const directory = clusterOf([
    ...CLUSTER,
    added("NetworkPolicy", { name: "deny", ...select }),
    added("NetworkPolicy", { name: "b", ...select, ingress: open }),
    added("NetworkPolicy", { name: "a", ...select, ingress: open }),
    added("NetworkPolicy", { name: "away", ...select, ingress: open, namespace: "other" }),
  ]);
  const attribution = attributionOf(directory);
  let startMs = NOW;
  // Each flow begins after all changes.
  const names = (): unknown =>
    saidOf(attribute(attribution, { ...TO_WEB, startMs: startMs++ }), "network.policy.ingress");
  expect(names()).toEqual(["shop/a", "shop/b"]);
  directory.apply(deleted("NetworkPolicy", { name: "a" }), NOW);
  directory.apply(modified("NetworkPolicy", { name: "b", ...select }), NOW);
  expect(names()).toEqual(["shop/b (deny)", "shop/deny (deny)"]);
  directory.apply(modified("Pod", { ...WEB, labels: labelsOf({ app: "api" }) }), NOW);
  expect(names()).toBeUndefined();
});

test("PolicyVerdict takes a policy for one of egress alone where it says so, and by default where it has such rules", () => {
  const said = (fields: object): unknown[] => {
    const policy = added("NetworkPolicy", { name: "p", podSelector: selectorOf({}), ...fields });
    const all = attribute(attributionOf(clusterOf([...CLUSTER, policy])), TO_WEB);
    return [saidOf(all, "network.policy.ingress"), saidOf(all, "network.policy.egress")];
  };
  const egress = [{ peers: [], ports: [] }];
  expect(said({})).toEqual([DENIED, undefined]);
  expect(said({ egress })).toEqual([DENIED, ALLOWED]);
  expect(said({ policyTypes: ["Egress"] })).toEqual([undefined, DENIED]);
  expect(said({ policyTypes: ["Ingress"], egress })).toEqual([DENIED, undefined]);
});

test("PolicyVerdict denies nothing between a pod and itself or its own node", () => {
  expect(ingress(undefined, { source: "10.1.0.1" })).toBeUndefined();
  expect(ingress(undefined, { source: "192.0.2.1" })).toBeUndefined();
  expect(ingress(undefined, { source: "192.0.2.2" })).toEqual(DENIED);
});

test("PolicyVerdict says nothing where the other end stands for others or the protocol is none of the API's", () => {
  const policy = added("NetworkPolicy", {
    name: "p",
    podSelector: selectorOf({}),
    policyTypes: ["Ingress", "Egress"],
  });
  const attribution = attributionOf(clusterOf([...CLUSTER, policy]));
  const policies = (flow: Partial<Flow>, now?: number): unknown =>
    attribute(attribution, { ...TO_WEB, ...flow }, now).policies;
  expect(policies({})).toBeDefined();
  expect(policies({ destination: "10.96.0.1" })).toBeUndefined();
  expect(policies({ protocol: 1 })).toBeUndefined();
  expect(policies({ isInitiatorKnown: false })).toBeUndefined();
  expect(policies({ source: "203.0.113.1" }, NOW + 5000)).toBeUndefined();
  expect(policies({ source: "203.0.113.1" }, NOW + 5001)).toBeDefined();
});

test("PolicyVerdict says nothing of pods on the host's network", () => {
  const ports = [{ name: undefined, containerPort: 9100, hostPort: undefined, protocol: "TCP" as const }];
  const host = {
    isHostNetwork: true,
    hostIPs: ["192.0.2.1"],
    containers: [{ name: "main", image: "x", ports }],
  };
  const directory = clusterOf([
    ...CLUSTER,
    added("Pod", { name: "exporter", ...host }),
    added("NetworkPolicy", { name: "p", podSelector: selectorOf({}) }),
  ]);
  const said = attribute(attributionOf(directory), { ...TO_WEB, destination: "192.0.2.1", port: 9100 });
  expect(saidOf(said, "destination.k8s.pod.name")).toBe("exporter");
  expect(said.policies).toBeUndefined();
});
