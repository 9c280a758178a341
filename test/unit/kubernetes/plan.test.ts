import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { type KubernetesConfig, kubernetesSchema } from "../../../src/kubernetes/config.ts";
import { KIND_FACTS, KINDS } from "../../../src/kubernetes/kinds.ts";
import type { KubernetesObject } from "../../../src/kubernetes/object.ts";
import { planDenial, planKinds, planSelection } from "../../../src/kubernetes/plan.ts";
import { readShippedRole } from "../../support/kubernetes-access.ts";

describe("planKinds", () => {
  test("watches all kinds by default, of owners and namespaces the metadata", () => {
    const plan = planKinds(config({}));
    expect(plan.map(({ kind }) => kind)).toEqual([...KINDS]);
    expect(plan.filter(({ isMetadataOnly }) => isMetadataOnly).map(({ kind }) => kind)).toEqual([
      "Namespace",
      "ReplicaSet",
      "Deployment",
      "StatefulSet",
      "DaemonSet",
      "Job",
      "CronJob",
    ]);
  });

  test("watches owners as deep as they are walked, unless something else reads them", () => {
    const kinds = (given: object): readonly string[] => planKinds(config(given)).map(({ kind }) => kind);
    expect(kinds({ owner_relations: { max_depth: 1 } })).not.toContain("ReplicaSet");
    expect(kinds({ owner_relations: { max_depth: 2 } })).toContain("ReplicaSet");
    expect(kinds({ owner_relations: { max_depth: 2 } })).not.toContain("Deployment");
    const extract = { labels: [{ from: "CronJob", key: "team" }] };
    expect(kinds({ owner_relations: { max_depth: 0 }, extract })).toContain("CronJob");
  });

  test("asks for whole objects where a relation reads their selector", () => {
    const plan = planKinds(config({ selector_relations: [{ kind: "StatefulSet" }] }));
    expect(plan.find(({ kind }) => kind === "StatefulSet")?.isMetadataOnly).toBe(false);
    expect(plan.find(({ kind }) => kind === "Deployment")?.isMetadataOnly).toBe(true);
  });

  test("asks for nothing that the shipped role does not give, which gives nothing that is not asked for", () => {
    const given = readShippedRole().rules.flatMap(({ resources }) => resources);
    const asked = [...KINDS.map((kind) => KIND_FACTS[kind].resource), "endpoints"];
    expect([...given].toSorted()).toEqual(asked.toSorted());
  });
});

describe("planSelection", () => {
  test("keeps the annotations that a rule reads, whole keys only", () => {
    const annotations = [
      { from: "Pod", key: "team" },
      { key_regex: "owner/.*", from: "Namespace" },
    ];
    const { keepsAnnotation } = planSelection(config({ extract: { annotations } }));
    expect(keepsAnnotation("Pod", "team")).toBe(true);
    expect(keepsAnnotation("Pod", "teams")).toBe(false);
    expect(keepsAnnotation("Node", "team")).toBe(false);
    expect(keepsAnnotation("Namespace", "owner/a")).toBe(true);
    expect(keepsAnnotation("Namespace", "the-owner/a")).toBe(false);
  });

  test("keeps what one selector includes and none leaves out, and all of other kinds", () => {
    const { isWanted } = planSelection(
      config({
        selectors: [
          { namespaces: ["shop"] },
          { match_labels: { tier: "front" } },
          { match_expressions: [{ key: "debug", operator: "Exists" }], include: false },
        ],
      }),
    );
    expect(isWanted("Pod", objectOf("shop", {}))).toBe(true);
    expect(isWanted("Pod", objectOf("other", { tier: "front" }))).toBe(true);
    expect(isWanted("Pod", objectOf("other", {}))).toBe(false);
    expect(isWanted("Pod", objectOf("shop", { debug: "" }))).toBe(false);
    expect(isWanted("Service", objectOf("other", {}))).toBe(true);
  });

  test("keeps all but what is left out where nothing is included", () => {
    const { isWanted } = planSelection(
      config({ selectors: [{ namespaces: ["kube-system"], include: false }] }),
    );
    expect(isWanted("Pod", objectOf("kube-system", {}))).toBe(false);
    expect(isWanted("Pod", objectOf("shop", {}))).toBe(true);
  });
});

describe("planDenial", () => {
  test("needs all that a flow is judged by, and all that may have an address that policies do not speak of", () => {
    const all = ["Pod", "Node", "Namespace", "NetworkPolicy", "Service", "Ingress", "Gateway"] as const;
    expect(planDenial(config({}))).toEqual([...all]);
    const leaveOut = (kind: string): object => ({ selectors: [{ kind, namespaces: ["shop"] }] });
    expect(planDenial(config(leaveOut("ReplicaSet")))).toEqual([...all]);
    for (const kind of all) expect(planDenial(config(leaveOut(kind)))).toBeUndefined();
    const fields = { pod: "status.hostIP", service: "spec.clusterIPs[*]" };
    for (const [kind, field] of Object.entries(fields)) {
      const sources = [{ from: "source.ip", to: [field] }];
      expect(planDenial(config({ association: { [kind]: { sources } } }))).toBeUndefined();
    }
  });
});

function config(given: object): KubernetesConfig {
  return v.parse(kubernetesSchema, given);
}

function objectOf(namespace: string, labels: Readonly<Record<string, string>>): KubernetesObject {
  return {
    uid: "u",
    name: "n",
    namespace,
    createdTime: 0,
    labels: new Map(Object.entries(labels)),
    annotations: new Map(),
    owners: [],
  };
}
