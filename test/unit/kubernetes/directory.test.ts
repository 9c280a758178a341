import { expect, test } from "bun:test";
import type { Kind } from "../../../src/kubernetes/objects.ts";
import { clusterOf, holderOf, NOW, resolve, SECOND } from "./cluster.ts";
import { added, BEGAN, deleted, labelsOf, modified } from "./objects.ts";

const WEB = { name: "web", podIPs: ["10.1.0.5", "fd00::5"], hostIPs: ["192.0.2.1"] };
const NODE = added("Node", { name: "node-a", addresses: ["192.0.2.1", "203.0.113.9", "2001:db8::1"] });

test("Directory finds a pod by each of its addresses and by no other", () => {
  const directory = clusterOf([added("Pod", WEB)]);
  expect(holderOf(directory, "10.1.0.5")).toBe("Pod web");
  expect(holderOf(directory, "fd00::5", { port: 8080 })).toBe("Pod web");
  expect(holderOf(directory, "10.1.0.6")).toBe("unknown");
});

test("Directory knows a pod from its start to its last container's end, not from when it heard of it", () => {
  const endTime = NOW - 10 * SECOND;
  const startTime = NOW - 100 * SECOND;
  const directory = clusterOf([added("Pod", { ...WEB, startTime, endTime })]);
  expect(holderOf(directory, "10.1.0.5", { startMs: startTime })).toBe("Pod web");
  expect(holderOf(directory, "10.1.0.5", { startMs: endTime - 1 })).toBe("Pod web");
  expect(holderOf(directory, "10.1.0.5", { startMs: startTime - 1 })).toBe("unknown");
  expect(resolve(directory, "10.1.0.5", { startMs: endTime }).outcome).toBe("ended");
});

test("Directory asks one that ended only once nothing newer can be on its way, and within the grace", () => {
  const directory = clusterOf([added("Pod", WEB), deleted("Pod", WEB)]);
  const startMs = NOW + SECOND;
  expect(holderOf(directory, "10.1.0.5", { startMs, now: startMs + 4999 })).toBe("unknown");
  const found = resolve(directory, "10.1.0.5", { startMs, now: startMs + 5000 });
  expect([found.outcome, found.holder?.told.object.name, found.isConfirmed]).toEqual(["ended", "web", false]);
  expect(holderOf(directory, "10.1.0.5", { startMs: NOW + 60 * SECOND })).toBe("ended Pod web");
  expect(holderOf(directory, "10.1.0.5", { startMs: NOW + 61 * SECOND })).toBe("unknown");
});

test("Directory gives an address that was used again to each pod in its time", () => {
  const later = { ...WEB, name: "later", uid: "later", startTime: NOW + 2 * SECOND };
  const directory = clusterOf([
    added("Pod", WEB),
    [NOW + SECOND, deleted("Pod", WEB)],
    [NOW + 3 * SECOND, added("Pod", later)],
  ]);
  const names = [0, 1.5, 2, 3].map((seconds) =>
    holderOf(directory, "10.1.0.5", { startMs: NOW + seconds * SECOND }),
  );
  expect(names).toEqual(["Pod web", "ended Pod web", "Pod later", "Pod later"]);
});

test("Directory leaves an address to the pod that says when it ended, though the next one began before that", () => {
  const later = { ...WEB, name: "later", uid: "later", startTime: NOW };
  const directory = clusterOf([
    added("Pod", WEB),
    [NOW + 4 * SECOND, deleted("Pod", { ...WEB, endTime: NOW + 3 * SECOND })],
    [NOW + 5 * SECOND, added("Pod", later)],
  ]);
  expect(holderOf(directory, "10.1.0.5", { startMs: NOW + 2 * SECOND })).toBe("Pod web");
  expect(holderOf(directory, "10.1.0.5", { startMs: NOW + 3 * SECOND })).toBe("Pod later");
});

test("Directory lets the latest-starting pod win where the end of the other was only seen", () => {
  const later = { ...WEB, name: "later", uid: "later", startTime: NOW };
  const directory = clusterOf([added("Pod", WEB), added("Pod", later)]);
  expect(holderOf(directory, "10.1.0.5", { startMs: NOW + SECOND })).toBe("Pod later");
  expect(holderOf(directory, "10.1.0.5", { startMs: NOW - SECOND })).toBe("Pod web");
});

test("Directory gives a flow to neither of two pods, where the later one began in the second before it", () => {
  const later = { ...WEB, name: "later", uid: "later", startTime: NOW };
  const flow = { startMs: NOW + 0.6 * SECOND };
  const both = clusterOf([added("Pod", WEB), [NOW + 0.7 * SECOND, added("Pod", later)]]);
  expect(holderOf(both, "10.1.0.5", flow)).toBe("ambiguous shop/");
  both.apply(deleted("Pod", WEB), NOW + 0.8 * SECOND);
  expect(holderOf(both, "10.1.0.5", flow)).toBe("ambiguous shop/");
  expect(holderOf(both, "10.1.0.5", { startMs: NOW + 0.8 * SECOND })).toBe("Pod later");
  expect(holderOf(clusterOf([added("Pod", later)]), "10.1.0.5", flow)).toBe("Pod later");
});

test("Directory tells of equals only the namespace that they share", () => {
  const twin = added("Pod", { ...WEB, name: "twin" });
  const stranger = added("Pod", { ...WEB, name: "stranger", namespace: "other" });
  expect(holderOf(clusterOf([added("Pod", WEB), twin]), "10.1.0.5")).toBe("ambiguous shop/");
  expect(holderOf(clusterOf([added("Pod", WEB), twin, stranger]), "10.1.0.5")).toBe("ambiguous");
  const twins = clusterOf([added("Pod", WEB), twin]);
  expect(resolve(twins, "10.1.0.5", { now: NOW + 59 * SECOND }).isConfirmed).toBeFalse();
  expect(resolve(twins, "10.1.0.5", { now: NOW + 60 * SECOND }).isConfirmed).toBeTrue();
});

test("Directory confirms what holds the start once nothing newer can be on its way", () => {
  const directory = clusterOf([added("Pod", WEB)]);
  expect(resolve(directory, "10.1.0.5", { now: NOW + 4999 })).toMatchObject({
    outcome: "resolved",
    isConfirmed: false,
  });
  expect(resolve(directory, "10.1.0.5", { now: NOW + 5000 }).isConfirmed).toBeTrue();
});

test("Directory forgets what ended, and only that", () => {
  const directory = clusterOf([added("Pod", WEB), added("Pod", { name: "stays", podIPs: ["10.1.0.6"] })]);
  directory.apply(deleted("Pod", WEB), NOW);
  directory.expire(NOW + 119 * SECOND);
  expect(holderOf(directory, "10.1.0.5", { startMs: NOW - SECOND })).toBe("Pod web");
  directory.expire(NOW + 120 * SECOND);
  expect(holderOf(directory, "10.1.0.5", { startMs: NOW - SECOND })).toBe("unknown");
  expect([directory.size, directory.addresses]).toEqual([1, 1]);
});

test("Directory finds a pod on the host's network by port and protocol, else its node", () => {
  const ports = [{ name: "metrics", containerPort: 9100, hostPort: undefined, protocol: "TCP" as const }];
  const exporter = added("Pod", {
    name: "exporter",
    isHostNetwork: true,
    podIPs: ["192.0.2.1"],
    hostIPs: ["192.0.2.1"],
    containers: [{ name: "main", image: "exporter", ports }],
  });
  const directory = clusterOf([NODE, exporter]);
  expect(holderOf(directory, "192.0.2.1", { port: 9100 })).toBe("Pod exporter");
  expect(holderOf(directory, "192.0.2.1", { port: 9100, protocol: 17 })).toBe("Node node-a");
  expect(holderOf(directory, "192.0.2.1", { port: 9101 })).toBe("Node node-a");
  expect(holderOf(directory, "203.0.113.9", { port: 9100 })).toBe("Node node-a");
  const second = added("Pod", { ...objectWith(ports), name: "second" });
  expect(holderOf(clusterOf([NODE, exporter, second]), "192.0.2.1", { port: 9100 })).toBe("Node node-a");
});

function objectWith(
  ports: readonly { name: string; containerPort: number; hostPort: undefined; protocol: "TCP" }[],
): {
  isHostNetwork: boolean;
  hostIPs: string[];
  containers: { name: string; image: string; ports: typeof ports }[];
} {
  return { isHostNetwork: true, hostIPs: ["192.0.2.1"], containers: [{ name: "main", image: "x", ports }] };
}

test("Directory finds a pod of its own network by its host port too", () => {
  const ports = [{ name: undefined, containerPort: 8080, hostPort: 80, protocol: "TCP" as const }];
  const pod = added("Pod", { ...WEB, containers: [{ name: "main", image: "x", ports }] });
  const directory = clusterOf([NODE, pod]);
  expect(holderOf(directory, "192.0.2.1", { port: 80 })).toBe("Pod web");
  expect(holderOf(directory, "192.0.2.1", { port: 8080 })).toBe("Node node-a");
});

test("Directory finds a Service by each of its addresses, with port and protocol", () => {
  const service = added("Service", {
    name: "dns",
    clusterIPs: ["10.96.0.10", "fd00:96::a"],
    externalIPs: ["198.51.100.1"],
    loadBalancerIPs: ["198.51.100.2"],
    ports: [{ port: 53, nodePort: 30053, protocol: "UDP" }],
  });
  const directory = clusterOf([service, NODE]);
  for (const address of ["10.96.0.10", "fd00:96::a", "198.51.100.1", "198.51.100.2"]) {
    expect(holderOf(directory, address, { port: 53, protocol: 17 })).toBe("Service dns");
    expect(holderOf(directory, address, { port: 53, protocol: 6 })).toBe("unknown");
    expect(holderOf(directory, address, { port: 54, protocol: 17 })).toBe("unknown");
  }
  const atNode = { port: 30053, protocol: 17 };
  expect(holderOf(directory, "2001:db8::1", atNode)).toBe("Node node-a Service dns");
  expect(holderOf(directory, "2001:db8::1", { ...atNode, protocol: 6 })).toBe("Node node-a");
  expect(holderOf(directory, "2001:db8::1", { ...atNode, isDestination: false })).toBe("Node node-a");
});

test("Directory keeps to the order: pod, node, Service, slice, Ingress", () => {
  const address = "198.51.100.7";
  const kinds = [
    added("Ingress", { name: "entry", addresses: [address] }),
    added("EndpointSlice", { name: "outside", addresses: [address], ports: [{ port: 80, protocol: "TCP" }] }),
    added("Service", { name: "service", externalIPs: [address] }),
    added("Node", { name: "node", addresses: [address] }),
    added("Pod", { name: "pod", podIPs: [address] }),
  ];
  const names = kinds.map((_, count) =>
    holderOf(clusterOf(kinds.slice(0, count + 1)), address, { port: 80 }),
  );
  expect(names).toEqual([
    "Ingress entry",
    "EndpointSlice outside",
    "Service service",
    "Node node",
    "Pod pod",
  ]);
  expect(holderOf(clusterOf(kinds.slice(0, 3)), address, { port: 81 })).toBe("Ingress entry");
});

test("Directory takes a changed object's addresses from when it changed on", () => {
  const before = { name: "front", clusterIPs: ["10.96.0.1"], loadBalancerIPs: ["198.51.100.1"] };
  const after = { ...before, loadBalancerIPs: ["198.51.100.2"] };
  const directory = clusterOf([added("Service", before), [NOW, modified("Service", after)]]);
  const at = (address: string, startMs: number): string =>
    holderOf(directory, address, { port: 80, startMs });
  expect(at("198.51.100.1", NOW - SECOND)).toBe("Service front");
  expect(at("198.51.100.1", NOW + SECOND)).toBe("ended Service front");
  expect(at("198.51.100.2", NOW)).toBe("Service front");
  expect(at("198.51.100.2", NOW - 6 * SECOND)).toBe("unknown");
  expect(at("10.96.0.1", BEGAN)).toBe("Service front");
});

test("Directory takes no address that is none", () => {
  const directory = clusterOf([added("Pod", { name: "odd", podIPs: ["", "10.1.0", "fe80::1%eth0"] })]);
  expect(directory.addresses).toBe(0);
});

test("Directory asks the last of what one pod had, though another ended as early as its first", () => {
  const endTime = NOW - 10 * SECOND;
  const had = { ...WEB, startTime: endTime };
  const directory = clusterOf([
    [endTime, added("Pod", had)],
    [endTime + SECOND, modified("Pod", { ...had, podIPs: [] })],
    [endTime + SECOND, modified("Pod", { ...had, endTime })],
    [NOW, added("Pod", { ...had, name: "other", endTime })],
  ]);
  expect(holderOf(directory, "10.1.0.5", { startMs: NOW - 5 * SECOND })).toBe("ended Pod web");
});

test("Directory forgets what ended before the clock was set back, too", () => {
  const directory = clusterOf([added("Pod", WEB)]);
  directory.apply(deleted("Pod", WEB), NOW);
  directory.expire(NOW - 3600 * SECOND);
  expect([directory.size, directory.addresses]).toEqual([0, 0]);
});

test("Directory makes nothing of a namespace that is only asked for, and forgets one with its last object", () => {
  const directory = clusterOf([added("Pod", WEB), added("Namespace", { name: "shop" })]);
  for (let number = 0; number < 1000; number++) expect(directory.scope(`${number}`).labels).toBeUndefined();
  expect(directory.namespaces).toBe(1);
  directory.apply(deleted("Namespace", { name: "shop" }), NOW);
  directory.expire(NOW + 120 * SECOND);
  expect([directory.namespaces, directory.scope("shop").namespace]).toEqual([1, undefined]);
  directory.apply(deleted("Pod", WEB), NOW + 120 * SECOND);
  expect(directory.namespaces).toBe(1);
  directory.expire(NOW + 240 * SECOND);
  expect([directory.namespaces, directory.size]).toEqual([0, 0]);
});

test("Directory keeps the namespace of an object that came again, and forgets it once", () => {
  const other = { ...WEB, name: "other" };
  const directory = clusterOf([
    added("Pod", WEB),
    deleted("Pod", WEB),
    added("Pod", WEB),
    added("Pod", other),
  ]);
  directory.expire(NOW + 120 * SECOND);
  expect([directory.namespaces, directory.size]).toEqual([1, 2]);
  directory.apply(deleted("Pod", WEB), NOW + 130 * SECOND);
  directory.apply(added("Pod", WEB), NOW + 131 * SECOND);
  directory.apply(deleted("Pod", WEB), NOW + 140 * SECOND);
  directory.expire(NOW + 259 * SECOND);
  expect([directory.namespaces, directory.size]).toEqual([1, 2]);
  directory.expire(NOW + 260 * SECOND);
  expect([directory.namespaces, directory.size]).toEqual([1, 1]);
  directory.apply(deleted("Pod", other), NOW + 260 * SECOND);
  directory.expire(NOW + 380 * SECOND);
  expect([directory.namespaces, directory.size]).toEqual([0, 0]);
});

test("Directory does not believe that an object moves to another namespace", () => {
  const directory = clusterOf([
    added("Pod", WEB),
    modified("Pod", { ...WEB, uid: "Pod-shop-web", namespace: "far" }),
  ]);
  expect([directory.namespaces, resolve(directory, "10.1.0.5").holder?.told.object.namespace]).toEqual([
    1,
    "shop",
  ]);
});

test("Directory keeps neither addresses nor rules beside what it made of them", () => {
  const web = { ...WEB, labels: labelsOf({ app: "web" }) };
  const directory = clusterOf([
    added("Pod", web),
    added("Service", { name: "web", clusterIPs: ["10.96.0.1"] }),
  ]);
  const fieldsOf = (kind: Kind, uid: string): readonly string[] =>
    Object.keys(directory.findObject(kind, uid)?.told.object ?? {});
  const metadata = ["uid", "name", "namespace", "createdTime", "labels", "annotations", "owners"];
  expect(fieldsOf("Pod", "Pod-shop-web")).toEqual([
    ...metadata,
    "nodeName",
    "isHostNetwork",
    "containers",
    "host",
  ]);
  expect(fieldsOf("Service", "Service-shop-web")).toEqual([...metadata, "selector"]);
});

test("Directory keeps a slice from when it has an address of its own", () => {
  const slice = { name: "db-x", ports: [{ port: 5432, protocol: "TCP" as const }] };
  const directory = clusterOf([added("EndpointSlice", slice)]);
  expect(directory.size).toBe(0);
  directory.apply(modified("EndpointSlice", { ...slice, addresses: ["203.0.113.7"] }), NOW);
  expect(holderOf(directory, "203.0.113.7", { port: 5432 })).toBe("EndpointSlice db-x");
  directory.apply(modified("EndpointSlice", slice), NOW + SECOND);
  expect(holderOf(directory, "203.0.113.7", { port: 5432 })).toBe("EndpointSlice db-x");
  expect(directory.size).toBe(1);
});

test("Directory believes no clock that is ahead: what it hears of has begun, or ended, by then", () => {
  const later = { ...WEB, name: "later", uid: "later", startTime: NOW + 9 * SECOND };
  const directory = clusterOf([
    added("Pod", { ...WEB, startTime: NOW + 5 * SECOND }),
    [NOW + SECOND, modified("Pod", { ...WEB, endTime: NOW + 7 * SECOND })],
    [NOW + 4 * SECOND, added("Pod", later)],
  ]);
  const names = [-1, 0, 0.9, 1, 3.9, 4, 6, 9].map((seconds) =>
    holderOf(directory, "10.1.0.5", { startMs: NOW + seconds * SECOND }),
  );
  const ended = "ended Pod web";
  expect(names).toEqual([
    "unknown",
    "Pod web",
    "Pod web",
    ended,
    ended,
    "Pod later",
    "Pod later",
    "Pod later",
  ]);
  const dropped = clusterOf([added("Pod", WEB), deleted("Pod", { ...WEB, endTime: NOW + 7 * SECOND })]);
  expect(holderOf(dropped, "10.1.0.5", { startMs: NOW + SECOND })).toBe(ended);
});
