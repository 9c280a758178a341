import { expect, test } from "bun:test";
import { HolderAttributes } from "../../../src/kubernetes/attributes.ts";
import { Extractor } from "../../../src/kubernetes/attributes-extract.ts";
import type { FactOptions } from "../../../src/kubernetes/attributes-facts.ts";
import { newResolution } from "../../../src/kubernetes/directory-resolve.ts";
import { clusterOf, NOW, resolve, SECOND } from "./cluster.ts";
import { added, deleted, labelsOf, modified } from "./objects.ts";

const OPTIONS: FactOptions = {
  clusterName: undefined,
  owners: { maxDepth: 5, includeKinds: [], excludeKinds: [] },
  extractor: new Extractor({ labels: [], annotations: [] }),
};
const WEB = { name: "web", podIPs: ["10.1.0.5"] };
const TEAM = {
  from: "Namespace" as const,
  key: "team",
  key_regex: "",
  value_regex: "",
  attribute: "",
  attribute_value: "",
};

test("HolderAttributes keep what is in use among any number of variants, and no more than 8,192", () => {
  const names = Array.from({ length: 200 }, (_, number) => `${number}`);
  const directory = clusterOf(names.flatMap((name) => [added("Node", { name }), added("Service", { name })]));
  const attributes = new HolderAttributes(directory, OPTIONS);
  const find = (node: string, service: string): unknown => {
    const holder = directory.findNode(node);
    const through = directory.findObject("Service", `Service-shop-${service}`);
    const found = { ...newResolution(), holder, service: through };
    return attributes.find("source", found, { port: 1, protocol: 6 });
  };
  const used = find("0", "0");
  for (const node of names) {
    for (const service of names) find(node, service);
    expect(find("0", "0")).toBe(used);
    expect(attributes.size).toBeLessThanOrEqual(8192);
  }
  expect(attributes.size).toBeGreaterThan(4096);
  expect(find("1", "1")).not.toBe(used);
});

test("HolderAttributes tell of a namespace what it is now, once it was gone, and the cluster's uid too", () => {
  const directory = clusterOf([added("Pod", WEB)]);
  const extractor = new Extractor({ labels: [TEAM], annotations: [] });
  const attributes = new HolderAttributes(directory, { ...OPTIONS, extractor });
  const told = (name: string): unknown => {
    const found = attributes.find("source", resolve(directory, "10.1.0.5"), { port: 80, protocol: 6 });
    return Object.fromEntries(found?.entries ?? [])[`source.${name}`];
  };
  const tell = (): unknown[] => [told("k8s.cluster.uid"), told("k8s.namespace.label.team")];
  const shop = (team: string): Parameters<typeof added<"Namespace">>[1] => ({
    ...{ name: "shop", uid: `shop of ${team}` },
    labels: labelsOf({ team }),
  });
  const system = (uid: string): Parameters<typeof added<"Namespace">>[1] => ({ name: "kube-system", uid });
  expect(tell()).toEqual([undefined, undefined]);
  directory.apply(added("Namespace", system("first")), NOW);
  expect(tell()).toEqual(["first", undefined]);
  directory.apply(added("Namespace", shop("a")), NOW);
  expect(tell()).toEqual(["first", "a"]);
  directory.apply(modified("Namespace", { ...shop("a"), labels: labelsOf({ team: "b" }) }), NOW);
  expect(tell()).toEqual(["first", "b"]);
  directory.apply(deleted("Namespace", system("first")), NOW);
  directory.apply(deleted("Namespace", shop("a")), NOW);
  directory.expire(NOW + 400 * SECOND);
  expect(tell()).toEqual([undefined, undefined]);
  const dns = { name: "dns", namespace: "kube-system" };
  directory.apply(added("Pod", dns), NOW + 500 * SECOND);
  expect(tell()).toEqual([undefined, undefined]);
  directory.apply(deleted("Pod", dns), NOW + 500 * SECOND);
  directory.expire(NOW + 1000 * SECOND);
  directory.apply(added("Namespace", system("second")), NOW + 1000 * SECOND);
  expect(tell()).toEqual(["second", undefined]);
  directory.apply(added("Namespace", shop("c")), NOW + 1000 * SECOND);
  expect(tell()).toEqual(["second", "c"]);
});
