import { expect, test } from "bun:test";
import type { AssociationConfig } from "../../../src/kubernetes/config-association.ts";
import { clusterOf, holderOf } from "./cluster.ts";
import { added } from "./objects.ts";

const NONE: AssociationConfig = {
  pod: { sources: [] },
  node: { sources: [] },
  service: { sources: [] },
  endpointslice: { sources: [] },
  ingress: { sources: [] },
  gateway: { sources: [] },
};
const SERVICE = added("Service", { name: "web", clusterIPs: ["10.96.0.1"], externalIPs: ["198.51.100.1"] });
const POD = added("Pod", { name: "pod", podIPs: ["10.1.0.1", "fd00::1"] });

test("Directory associates by the conditions given in place of the kind's own rules", () => {
  const sources = [{ from: "destination.ip" as const, to: ["spec.clusterIP"] }];
  const directory = clusterOf([SERVICE, POD], { association: { ...NONE, service: { sources } } });
  expect(holderOf(directory, "10.96.0.1", { port: 8080 })).toBe("Service web");
  expect(holderOf(directory, "10.96.0.1", { port: 80, isDestination: false })).toBe("unknown");
  expect(holderOf(directory, "198.51.100.1", { port: 80 })).toBe("unknown");
  expect(holderOf(directory, "fd00::1")).toBe("Pod pod");
});

test("Directory demands all conditions of an association, on both ends where both are given", () => {
  const to = ["spec.clusterIPs[*]", "spec.externalIPs[*]"];
  const sources = [
    { from: "source.ip" as const, to },
    { from: "destination.ip" as const, to },
    { from: "destination.port" as const, to: ["spec.ports[*].port"] },
  ];
  const directory = clusterOf([SERVICE], { association: { ...NONE, service: { sources } } });
  expect(holderOf(directory, "198.51.100.1", { port: 80 })).toBe("Service web");
  expect(holderOf(directory, "198.51.100.1", { port: 80, protocol: 17 })).toBe("Service web");
  expect(holderOf(directory, "198.51.100.1", { port: 81 })).toBe("unknown");
  expect(holderOf(directory, "198.51.100.1", { port: 81, isDestination: false })).toBe("Service web");
  const strict = [...sources, { from: "network.transport" as const, to: ["spec.ports[*].protocol"] }];
  const stricter = clusterOf([SERVICE], { association: { ...NONE, service: { sources: strict } } });
  expect(holderOf(stricter, "198.51.100.1", { port: 80 })).toBe("Service web");
  expect(holderOf(stricter, "198.51.100.1", { port: 80, protocol: 17 })).toBe("unknown");
});

test("Directory gives an end without an address among its conditions to nobody", () => {
  const sources = [{ from: "destination.port" as const, to: ["spec.containers[*].ports[*].containerPort"] }];
  const directory = clusterOf([POD], { association: { ...NONE, pod: { sources } } });
  expect(holderOf(directory, "10.1.0.1", { port: 80 })).toBe("unknown");
});
