import { expect, test } from "bun:test";
import * as v from "valibot";
import { HolderAttributes } from "../../../src/kubernetes/attributes.ts";
import { Extractor } from "../../../src/kubernetes/attributes-extract.ts";
import type { FactOptions } from "../../../src/kubernetes/attributes-facts.ts";
import { kubernetesSchema } from "../../../src/kubernetes/config.ts";
import type { ExtractRule } from "../../../src/kubernetes/config-rules.ts";
import type { Directory } from "../../../src/kubernetes/directory.ts";
import type { LabelSelector, OwnerReference } from "../../../src/kubernetes/object.ts";
import type { OwnerOptions } from "../../../src/kubernetes/owners.ts";
import { planRelations } from "../../../src/kubernetes/plan.ts";
import { clusterOf, NOW, resolve } from "./cluster.ts";
import { added, deleted, labelsOf, modified, selectorOf } from "./objects.ts";

const NO_RULES = { labels: [], annotations: [] };
const EVERY: OwnerOptions = { maxDepth: 5, includeKinds: [], excludeKinds: [] };
const POD = { name: "web-1-x", podIPs: ["10.1.0.5"], labels: labelsOf({ app: "web" }) };

function ownerOf(kind: string, name: string, apiVersion = "apps/v1"): readonly OwnerReference[] {
  return [{ apiVersion, kind, name, uid: `${kind}-shop-${name}`, isController: true }];
}

function options(more: Partial<FactOptions> = {}): FactOptions {
  return { clusterName: undefined, owners: EVERY, extractor: new Extractor(NO_RULES), ...more };
}

/** Attributes of the destination with that address. */
function said(
  directory: Directory,
  more: Partial<FactOptions> = {},
  [address, port]: [string, number] = ["10.1.0.5", 80],
): Record<string, unknown> {
  const attributes = new HolderAttributes(directory, options(more));
  const found = attributes.find("destination", resolve(directory, address, { port }), { port, protocol: 6 });
  return Object.fromEntries(found?.entries ?? []);
}

test("HolderAttributes tell a pod, its container, node and owners", () => {
  const directory = clusterOf([
    added("Pod", { ...POD, owners: ownerOf("ReplicaSet", "web-1") }),
    added("ReplicaSet", { name: "web-1", owners: ownerOf("Deployment", "web") }),
    added("Deployment", { name: "web" }),
    added("Node", { name: "node-a", labels: labelsOf({ "topology.kubernetes.io/zone": "eu-1a" }) }),
    added("Namespace", { name: "kube-system" }),
  ]);
  expect(said(directory, { clusterName: "prod" })).toEqual({
    "destination.k8s.cluster.name": "prod",
    "destination.k8s.cluster.uid": "Namespace--kube-system",
    "destination.k8s.namespace.name": "shop",
    "destination.k8s.node.name": "node-a",
    "destination.k8s.node.uid": "Node--node-a",
    "destination.cloud.availability_zone": "eu-1a",
    "destination.k8s.pod.name": "web-1-x",
    "destination.k8s.pod.uid": "Pod-shop-web-1-x",
    "destination.k8s.container.name": "main",
    "destination.container.image.name": "registry:5000/team/app",
    "destination.k8s.replicaset.name": "web-1",
    "destination.k8s.replicaset.uid": "ReplicaSet-shop-web-1",
    "destination.k8s.deployment.name": "web",
    "destination.k8s.deployment.uid": "Deployment-shop-web",
  });
});

test("HolderAttributes tell owners that arrive after the pod, and those of other groups as such", () => {
  const directory = clusterOf([added("Pod", { ...POD, owners: ownerOf("Job", "load-1", "batch/v1") })]);
  const attributes = new HolderAttributes(directory, options());
  const find = (): Record<string, unknown> => {
    const found = attributes.find("source", resolve(directory, "10.1.0.5"), { port: 80, protocol: 6 });
    return Object.fromEntries(found?.entries ?? []);
  };
  expect(find()["source.k8s.job.name"]).toBe("load-1");
  expect(find()["source.k8s.cronjob.name"]).toBeUndefined();
  directory.apply(added("Job", { name: "load-1", owners: ownerOf("CronJob", "load", "batch/v1") }), NOW);
  expect(find()["source.k8s.cronjob.name"]).toBe("load");
  expect(find()["source.k8s.cronjob.uid"]).toBe("CronJob-shop-load");
  const foreign = clusterOf([
    added("Pod", { ...POD, owners: ownerOf("Job", "mpi", "batch.example.org/v1") }),
  ]);
  expect(said(foreign)).toMatchObject({
    "destination.k8s.owner.kind": "Job",
    "destination.k8s.owner.name": "mpi",
  });
  expect(said(foreign)["destination.k8s.job.name"]).toBeUndefined();
});

test("HolderAttributes walk owners as deep as they may, and tell the kinds they may", () => {
  const directory = clusterOf([
    added("Pod", { ...POD, owners: ownerOf("ReplicaSet", "web-1") }),
    added("ReplicaSet", { name: "web-1", owners: ownerOf("Deployment", "web") }),
    added("Deployment", { name: "web", owners: ownerOf("App", "shop", "example.org/v1") }),
  ]);
  const told = (
    owners: Partial<typeof EVERY> & { includeKinds?: string[]; excludeKinds?: string[] },
  ): string[] =>
    Object.entries(said(directory, { owners: { ...EVERY, ...owners } })).flatMap(([name, value]) =>
      /(replicaset|deployment|owner)\.name$/.test(name) ? [String(value)] : [],
    );
  expect(told({})).toEqual(["web-1", "web", "shop"]);
  expect(told({ maxDepth: 1 })).toEqual(["web-1"]);
  expect(told({ maxDepth: 0 })).toEqual([]);
  expect(told({ includeKinds: ["deployment"] })).toEqual(["web"]);
  expect(told({ excludeKinds: ["ReplicaSet", "App"] })).toEqual(["web"]);
});

test("HolderAttributes do not choose among owners of which none manages the object", () => {
  const [one, two] = ["a", "b"]
    .flatMap((name) => ownerOf("ReplicaSet", name))
    .map((owner) => ({
      ...owner,
      isController: false,
    }));
  if (one === undefined || two === undefined) throw new TypeError("Two owners were made");
  expect(said(clusterOf([added("Pod", { ...POD, owners: [one] })]))["destination.k8s.replicaset.name"]).toBe(
    "a",
  );
  const several = said(clusterOf([added("Pod", { ...POD, owners: [one, two] })]));
  expect(several["destination.k8s.replicaset.name"]).toBeUndefined();
});

test("HolderAttributes name the Services that select a pod, as they come, change and go", () => {
  const service = { name: "web", selector: selectorOf({ app: "web" }) };
  const directory = clusterOf([added("Pod", POD), added("Service", service)]);
  const attributes = new HolderAttributes(directory, options());
  const names = (): unknown => {
    const found = attributes.find("source", resolve(directory, "10.1.0.5"), { port: 80, protocol: 6 });
    return Object.fromEntries(found?.entries ?? [])["source.k8s.service.name"];
  };
  expect(names()).toEqual(["web"]);
  directory.apply(added("Service", { ...service, name: "all" }), NOW);
  directory.apply(added("Service", { ...service, name: "far", namespace: "other" }), NOW);
  expect(names()).toEqual(["all", "web"]);
  directory.apply(modified("Service", { ...service, selector: selectorOf({ app: "api" }) }), NOW);
  expect(names()).toEqual(["all"]);
  directory.apply(deleted("Service", { name: "all" }), NOW);
  expect(names()).toBeUndefined();
  directory.apply(added("Pod", { ...POD, labels: labelsOf({ app: "api" }) }), NOW);
  expect(names()).toEqual(["web"]);
});

test("HolderAttributes are the same object until what they say changes", () => {
  const directory = clusterOf([added("Pod", POD), added("Node", { name: "node-a" })]);
  const attributes = new HolderAttributes(directory, options());
  const find = (): unknown =>
    attributes.find("source", resolve(directory, "10.1.0.5"), { port: 1, protocol: 6 });
  const before = find();
  expect(before).toBeDefined();
  directory.apply(modified("Pod", { ...POD, hostIPs: ["192.0.2.1"] }), NOW);
  directory.apply(modified("Node", { name: "node-a", addresses: ["192.0.2.1"] }), NOW);
  directory.apply(added("Pod", { name: "another", podIPs: ["10.1.0.6"] }), NOW);
  expect(find()).toBe(before);
  directory.apply(
    added("Node", { name: "node-a", labels: labelsOf({ "topology.kubernetes.io/zone": "b" }) }),
    NOW,
  );
  expect(find()).not.toBe(before);
});

test("HolderAttributes name the container that a port is of, or none", () => {
  const port = (containerPort: number): object => ({ containerPort, protocol: "TCP" });
  const containers = [
    { name: "one", image: "one:1", ports: [port(80), port(90)] },
    { name: "two", image: "two@sha256:0", ports: [port(81), port(90)] },
  ] as never;
  const directory = clusterOf([added("Pod", { ...POD, containers })]);
  const container = (at: number): unknown =>
    said(directory, {}, ["10.1.0.5", at])["destination.k8s.container.name"];
  expect([80, 81, 82, 90].map(container)).toEqual(["one", "two", undefined, undefined]);
});

test("HolderAttributes read of a selector what the relation's fields name, and nothing where it lacks that", () => {
  const kind = "Deployment";
  const both: LabelSelector = {
    matchLabels: new Map([["app", "web"]]),
    matchExpressions: [{ key: "tier", operator: "In", values: ["front"] }],
  };
  const labels = { ...both, matchExpressions: [] };
  const expressions = { ...both, matchLabels: new Map<string, string>() };
  const toldBy = (selector: LabelSelector, fields: object, tier: string): unknown => {
    const config = v.parse(kubernetesSchema, { selector_relations: [{ kind, ...fields }] });
    const pod = added("Pod", { ...POD, labels: labelsOf({ app: "web", tier }) });
    const events = [pod, added(kind, { name: "cart", selector })];
    return said(clusterOf(events, { relations: planRelations(config) }))["destination.k8s.deployment.name"];
  };
  const byLabels = { selector_match_labels_field: "spec.selector.matchLabels" };
  const byExpressions = { selector_match_expressions_field: "spec.selector.matchExpressions" };
  for (const fields of [{}, { ...byLabels, ...byExpressions }]) {
    expect(toldBy(both, fields, "front")).toEqual(["cart"]);
    expect(toldBy(both, fields, "back")).toBeUndefined();
  }
  expect(toldBy(both, byLabels, "back")).toEqual(["cart"]);
  expect(toldBy(expressions, byLabels, "front")).toBeUndefined();
  expect(toldBy(both, byExpressions, "back")).toBeUndefined();
  expect(toldBy(both, byExpressions, "front")).toEqual(["cart"]);
  expect(toldBy(labels, byExpressions, "front")).toBeUndefined();
});

test("HolderAttributes tell a Service behind a node port beside the node", () => {
  const ports = [{ port: 80, nodePort: 30080, protocol: "TCP" as const }];
  const directory = clusterOf([
    added("Node", { name: "node-a", addresses: ["192.0.2.1"] }),
    added("Service", { name: "web", ports }),
  ]);
  expect(said(directory, {}, ["192.0.2.1", 30080])).toEqual({
    "destination.k8s.node.name": "node-a",
    "destination.k8s.node.uid": "Node--node-a",
    "destination.k8s.namespace.name": "shop",
    "destination.k8s.service.name": "web",
    "destination.k8s.service.uid": "Service-shop-web",
  });
  expect(said(directory, {}, ["192.0.2.1", 80])["destination.k8s.service.name"]).toBeUndefined();
});

test("HolderAttributes tell a slice's Service, and of equals the namespace alone", () => {
  const slice = { name: "db-x", addresses: ["203.0.113.7"], serviceName: "db" };
  const directory = clusterOf([
    added("EndpointSlice", slice),
    added("Pod", { name: "one", podIPs: ["10.1.0.9"] }),
    added("Pod", { name: "two", podIPs: ["10.1.0.9"] }),
  ]);
  expect(said(directory, {}, ["203.0.113.7", 5432])).toEqual({
    "destination.k8s.namespace.name": "shop",
    "destination.k8s.endpointslice.name": "db-x",
    "destination.k8s.endpointslice.uid": "EndpointSlice-shop-db-x",
    "destination.k8s.service.name": "db",
  });
  expect(said(directory, {}, ["10.1.0.9", 1])).toEqual({ "destination.k8s.namespace.name": "shop" });
  expect(said(directory, {}, ["10.1.0.10", 1])).toEqual({});
});

const RULE: ExtractRule = {
  from: "Pod",
  key: "",
  key_regex: "",
  value_regex: "",
  attribute: "",
  attribute_value: "",
};

type RuleOf = Partial<ExtractRule> & { readonly field?: "annotations" };

test.each<[string, RuleOf, Record<string, string>]>([
  ["a key", { key: "app" }, { "k8s.pod.label.app": "web" }],
  ["a key that is not there", { key: "zone" }, {}],
  ["keys by pattern, whole", { key_regex: "team/.*" }, { "k8s.pod.label.team/owner": "ops-7" }],
  ["a pattern that matches a part", { key_regex: "team" }, {}],
  ["a name from the key", { key_regex: "team/(.*)", attribute: "team.$1" }, { "team.owner": "ops-7" }],
  [
    "a value from the value",
    { key: "team/owner", value_regex: "(\\w+)-(\\d)", attribute: "team", attribute_value: "$2/$1" },
    { team: "7/ops" },
  ],
  ["a value that does not fit", { key: "app", value_regex: "api" }, {}],
  ["an annotation", { field: "annotations", key: "note" }, { "k8s.pod.annotation.note": "read me" }],
  ["an annotation that is too long", { field: "annotations", key: "long" }, {}],
  ["the namespace's labels", { from: "Namespace", key: "env" }, { "k8s.namespace.label.env": "test" }],
  ["the node's", { from: "Node", key: "rack" }, { "k8s.node.label.rack": "r1" }],
  ["an owner's", { from: "DaemonSet", key: "of" }, { "k8s.daemonset.label.of": "agents" }],
])("Extractor reads %s", (_, { field = "labels", ...rule }, expected) => {
  const directory = clusterOf([
    added("Pod", {
      ...POD,
      labels: labelsOf({ app: "web", "team/owner": "ops-7" }),
      annotations: labelsOf({ note: "read me", long: "x".repeat(1025) }),
      owners: ownerOf("DaemonSet", "agents"),
    }),
    added("DaemonSet", { name: "agents", labels: labelsOf({ of: "agents" }) }),
    added("Namespace", { name: "shop", labels: labelsOf({ env: "test" }) }),
    added("Node", { name: "node-a", labels: labelsOf({ rack: "r1" }) }),
  ]);
  const plain = said(directory);
  const all = said(directory, { extractor: new Extractor({ ...NO_RULES, [field]: [{ ...RULE, ...rule }] }) });
  const more = Object.entries(all).filter(([name]) => !(name in plain));
  expect(Object.fromEntries(more)).toEqual(
    Object.fromEntries(Object.entries(expected).map(([name, value]) => [`destination.${name}`, value])),
  );
});
