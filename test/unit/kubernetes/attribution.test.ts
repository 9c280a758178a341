import { expect, test } from "bun:test";
import { clusterOf, NOW, SECOND } from "./cluster.ts";
import { attribute, attributionOf, type Flow, saidOf } from "./judged.ts";
import { added, deleted, labelsOf, selectorOf } from "./objects.ts";

const WEB = { name: "web", podIPs: ["10.1.0.1"] };
const FLOW: Flow = { source: "203.0.113.1", destination: "10.1.0.1", isLast: false };
const POD = "destination.k8s.pod.name";

test("Attribution finds a pod that its flow's first record came before", () => {
  const directory = clusterOf([]);
  const attribution = attributionOf(directory);
  expect(saidOf(attribute(attribution, FLOW, NOW + 1), POD)).toBeUndefined();
  directory.apply(added("Pod", { ...WEB, startTime: NOW - SECOND }), NOW + 2 * SECOND);
  expect(saidOf(attribute(attribution, FLOW, NOW + 60 * SECOND), POD)).toBe("web");
});

test("Attribution keeps what it has confirmed, whatever becomes of the pod and its address", () => {
  const directory = clusterOf([added("Pod", WEB)]);
  const attribution = attributionOf(directory);
  const told = (flow: Partial<Flow>, seconds: number): unknown =>
    saidOf(attribute(attribution, { ...FLOW, ...flow }, NOW + seconds * SECOND), POD);
  expect(told({}, 6)).toBe("web");
  directory.apply(deleted("Pod", WEB), NOW + 7 * SECOND);
  directory.apply(added("Pod", { ...WEB, name: "later", startTime: NOW - SECOND }), NOW + 8 * SECOND);
  directory.expire(NOW + 1000 * SECOND);
  expect(told({}, 1000)).toBe("web");
  expect(told({ isLast: true }, 1001)).toBe("web");
  expect(told({}, 1002)).toBe("later");
  expect(told({ id: 2, startMs: NOW + 9 * SECOND }, 1002)).toBe("later");
});

test("Attribution keeps what held the start before it was confirmed, once that is forgotten", () => {
  const directory = clusterOf([added("Pod", WEB)]);
  const attribution = attributionOf(directory);
  expect(saidOf(attribute(attribution, FLOW, NOW + SECOND), POD)).toBe("web");
  directory.apply(deleted("Pod", WEB), NOW + 2 * SECOND);
  directory.expire(NOW + 1000 * SECOND);
  expect(saidOf(attribute(attribution, FLOW, NOW + 1000 * SECOND), POD)).toBe("web");
});

test("Attribution does not take who is left for the owner, once the others are forgotten", () => {
  const later = { ...WEB, name: "later", startTime: NOW - 0.5 * SECOND };
  const directory = clusterOf([added("Pod", WEB), added("Pod", later)]);
  const attribution = attributionOf(directory);
  const told = (seconds: number): unknown =>
    saidOf(attribute(attribution, FLOW, NOW + seconds * SECOND), POD);
  expect(told(6)).toBeUndefined();
  directory.apply(deleted("Pod", WEB), NOW + 7 * SECOND);
  expect(told(66)).toBeUndefined();
  directory.expire(NOW + 1000 * SECOND);
  expect(told(1000)).toBeUndefined();
});

test("Attribution judges policies by who answers, where the node told whom a Service led to", () => {
  const selector = selectorOf({ app: "web" });
  const labels = labelsOf({ app: "web" });
  const attribution = attributionOf(
    clusterOf([
      added("Pod", { ...WEB, labels }),
      added("Service", {
        ...{ name: "called", clusterIPs: ["10.96.0.1"], selector },
        ports: [{ protocol: "TCP", port: 80, nodePort: undefined }],
      }),
      added("NetworkPolicy", {
        ...{ name: "open", podSelector: selector, policyTypes: ["Ingress"], egress: [] },
        ingress: [{ peers: [], ports: [{ protocol: "TCP", port: 8080, endPort: undefined }] }],
      }),
    ]),
  );
  const called = { address: "10.96.0.1", port: 80 };
  const verdictOf = (flow: Flow): unknown => saidOf(attribute(attribution, flow), "network.policy.ingress");
  expect(verdictOf({ ...FLOW, port: 8080, called })).toEqual(["shop/open"]);
  expect(verdictOf({ ...FLOW, port: 8081, called, id: 2 })).toEqual(["shop/open (deny)"]);
  expect(verdictOf({ ...FLOW, destination: "10.96.0.1", id: 3 })).toBeUndefined();
});

test("Attribution counts each end by how its look-up ended", () => {
  const attribution = attributionOf(
    clusterOf([
      added("Pod", WEB),
      added("Pod", { ...WEB, name: "b", podIPs: ["10.1.0.2"] }),
      deleted("Pod", { name: "b" }),
    ]),
  );
  attribute(attribution, FLOW);
  attribute(attribution, { ...FLOW, source: "10.1.0.2", startMs: NOW + SECOND, id: 2 });
  expect(attribution.outcomes).toEqual({ resolved: 2, ended: 1, ambiguous: 0, unknown: 1 });
});

test("Attribution tells who answers with the Service that was called, among those that select the pod", () => {
  const ports = [{ protocol: "TCP" as const, port: 80, nodePort: 30_080 }];
  const selector = selectorOf({ app: "web" });
  const attribution = attributionOf(
    clusterOf([
      added("Pod", { ...WEB, labels: labelsOf({ app: "web" }) }),
      added("Service", { name: "called", clusterIPs: ["10.96.0.1"], ports, selector }),
      added("Service", { name: "another", clusterIPs: ["10.96.0.2"], selector }),
    ]),
  );
  const called = { address: "10.96.0.1", port: 80 };
  const said = attribute(attribution, { ...FLOW, port: 8080, called });
  expect([saidOf(said, POD), saidOf(said, "destination.k8s.service.name")]).toEqual(["web", "called"]);
  const outside = attribute(attribution, { ...FLOW, destination: "203.0.113.9", called, id: 2 });
  expect([saidOf(outside, POD), saidOf(outside, "destination.k8s.service.name")]).toEqual([
    undefined,
    "called",
  ]);
  const bare = attribute(attribution, { ...FLOW, port: 8080, id: 3 });
  expect(saidOf(bare, "destination.k8s.service.name")).toEqual(["another", "called"]);
});
