// Rule 2 of attribution where listening sockets tell: who is told, in place of whom, and since when.

import { describe, expect, test } from "bun:test";
import type { Directory } from "../../../src/kubernetes/directory.ts";
import type { ObjectEvent } from "../../../src/kubernetes/objects.ts";
import type { HostPod } from "../../../src/kubernetes/objects-workload.ts";
import type { SocketHolder } from "../../../src/kubernetes/socket-holders.ts";
import { clusterOf, holderOf, NOW, resolve, SECOND } from "./cluster.ts";
import { attribute, attributionOf, type Flow, saidOf } from "./judged.ts";
import { added, BEGAN, deleted, modified, wordsOf } from "./objects.ts";

const HOST = "192.0.2.1";
/** Of the host, and no address of its node in the API. */
const BRIDGE = "10.88.0.1";
const NODE = added("Node", { name: "node-a", addresses: [HOST] });
const PORT = { port: 9100 };
const ID = "abcdef012345".padEnd(64, "0");
const EXPORTER = {
  ...{ name: "exporter", isHostNetwork: true, podIPs: [HOST], hostIPs: [HOST] },
  host: hostOf(),
};

function hostOf(fields: Partial<HostPod> = {}): HostPod {
  const containerIds = [{ id: "abcdef012345", name: "main" }];
  return { startMs: BEGAN, endMs: Number.POSITIVE_INFINITY, containerIds, staticUid: "", ...fields };
}

const podHolder = (name: string, containerId = ID): SocketHolder => ({
  ...{ kind: "pod", uid: `Pod-shop-${name}`, containerId },
});
const hostHolder: SocketHolder = { kind: "host" };

type Events = Parameters<typeof clusterOf>[0];

/** Adds a reading in which these listen at port 9100 of every address. */
function read(directory: Directory, seconds: number, ...holders: readonly SocketHolder[]): void {
  const sockets = holders.map((holder) => ({
    ...{ protocol: 6, ipVersion: 0, port: PORT.port, address: new Uint32Array(4), holder },
  }));
  const addresses = Uint32Array.from([HOST, BRIDGE, "10.96.0.9"].flatMap((one) => [...wordsOf(one)]));
  directory.readings.add({ atMs: NOW + seconds * SECOND, addresses, sockets });
}

/** A node and these, with the same holders before and after {@link NOW}. */
function nodeWith(events: Events, ...holders: readonly SocketHolder[]): Directory {
  const directory = clusterOf([NODE, ...events]);
  for (const seconds of [-10, 10]) read(directory, seconds, ...holders);
  return directory;
}

function declaring(name: string, fields: object = {}): ObjectEvent {
  const ports = [
    { name: undefined, containerPort: PORT.port, hostPort: PORT.port, protocol: "TCP" as const },
  ];
  const containers = [{ name: "main", image: "main", ports }];
  return added("Pod", { ...EXPORTER, name, containers, ...fields });
}

describe("Directory finds by its socket", () => {
  test("a pod that declares no port, at every address of the node", () => {
    const directory = nodeWith([added("Pod", EXPORTER)], podHolder("exporter"));
    for (const address of [HOST, BRIDGE]) {
      expect(holderOf(directory, address, PORT)).toBe("Pod exporter");
      expect(holderOf(directory, address, { ...PORT, isDestination: false })).toBe("Pod exporter");
    }
    expect(holderOf(directory, HOST, { port: 9101 })).toBe("Node node-a");
    expect(holderOf(directory, HOST, { ...PORT, protocol: 17 })).toBe("Node node-a");
    expect(holderOf(directory, HOST)).toBe("Node node-a");
  });

  test("a static pod by the uid that the kubelet knows, unless two claim it", () => {
    const mirror = { ...EXPORTER, name: "static", host: hostOf({ staticUid: "f".repeat(32) }) };
    const holder: SocketHolder = { kind: "pod", uid: "f".repeat(32), containerId: ID };
    const directory = nodeWith([added("Pod", mirror)], holder);
    expect(holderOf(directory, HOST, PORT)).toBe("Pod static");
    directory.apply(added("Pod", { ...mirror, name: "forged" }), NOW);
    expect(holderOf(directory, HOST, PORT)).toBe("Node node-a");
    directory.apply(deleted("Pod", { ...mirror, name: "forged" }), NOW);
    expect(holderOf(directory, HOST, PORT)).toBe("Pod static");
    directory.apply(modified("Pod", { ...mirror, host: hostOf({ staticUid: "e".repeat(32) }) }), NOW);
    expect(holderOf(directory, HOST, PORT)).not.toBe("Pod static");
  });

  test("the container that has it, and no other", () => {
    const ports = [
      { name: undefined, containerPort: PORT.port, hostPort: undefined, protocol: "TCP" as const },
    ];
    const containers = [
      { name: "declares", image: "one", ports },
      { name: "listens", image: "two", ports: [] },
    ];
    const containerIds = [
      { id: "000000000000", name: "declares" },
      { id: "abcdef012345", name: "listens" },
    ];
    const pod = added("Pod", { ...EXPORTER, containers, host: hostOf({ containerIds }) });
    const indexOf = (containerId: string): number | undefined =>
      resolve(nodeWith([pod], podHolder("exporter", containerId)), HOST, PORT).container;
    expect(indexOf(ID)).toBe(1);
    expect(indexOf("0".repeat(64))).toBe(0);
    expect([indexOf(""), indexOf("9".repeat(64))]).toEqual([-1, -1]);
  });

  test("the pod in place of another one that declares the port", () => {
    const other = declaring("declares");
    expect(holderOf(clusterOf([NODE, other]), HOST, PORT)).toBe("Pod declares");
    const both = nodeWith([other, added("Pod", EXPORTER)], podHolder("exporter"));
    expect(holderOf(both, HOST, PORT)).toBe("Pod exporter");
  });

  test("the node where no pod that may be told has it, whoever declares the port", () => {
    const declared = declaring("declares");
    expect(holderOf(nodeWith([declared], hostHolder), HOST, PORT)).toBe("Node node-a");
    expect(holderOf(nodeWith([declared], podHolder("unknown")), HOST, PORT)).toBe("Node node-a");
    const inside = added("Pod", { ...EXPORTER, isHostNetwork: false, host: undefined, podIPs: ["10.1.0.5"] });
    expect(holderOf(nodeWith([declared, inside], podHolder("exporter")), HOST, PORT)).toBe("Node node-a");
  });

  test("as declared where nothing is known for certain", () => {
    const declared = declaring("declares");
    const unsure: SocketHolder = { kind: "unsure" };
    expect(holderOf(nodeWith([declared], unsure), HOST, PORT)).toBe("Pod declares");
    expect(holderOf(nodeWith([declared]), HOST, PORT)).toBe("Pod declares");
  });

  test("the node where several have it, or one that was the last to be seen, whoever declares the port", () => {
    const events = [
      NODE,
      declaring("declares"),
      added("Pod", EXPORTER),
      added("Pod", { ...EXPORTER, name: "next" }),
    ];
    const pods = [podHolder("exporter"), podHolder("next")];
    expect(holderOf(nodeWith(events, ...pods), HOST, PORT)).toBe("Node node-a");
    expect(holderOf(nodeWith(events, hostHolder, ...pods), HOST, PORT)).toBe("Node node-a");
    const intervals = [
      pods,
      [hostHolder, podHolder("declares")],
      [hostHolder, undefined],
      [undefined, hostHolder],
    ];
    for (const [before, after] of intervals) {
      const directory = clusterOf(events);
      read(directory, -10, ...(before ? [before] : []));
      read(directory, 10, ...(after ? [after] : []));
      expect(holderOf(directory, HOST, PORT)).toBe("Node node-a");
    }
  });

  test("no pod for who surely called, whose port is a client's", () => {
    const caller = { ...PORT, isDestination: false, isCaller: true };
    const declared = declaring("exporter");
    for (const events of [[added("Pod", EXPORTER)], [declared]]) {
      expect(holderOf(nodeWith(events, podHolder("exporter")), HOST, caller)).toBe("Node node-a");
    }
    expect(holderOf(clusterOf([NODE, declared]), HOST, caller)).toBe("Node node-a");
    expect(holderOf(clusterOf([added("Pod", { name: "own", podIPs: [BRIDGE] })]), BRIDGE, caller)).toBe(
      "Pod own",
    );
  });

  test("nothing that is reached before the socket", () => {
    const pod = added("Pod", EXPORTER);
    const service = { name: "front", clusterIPs: ["10.96.0.9"], externalIPs: [HOST] };
    const ports = (port: number, nodePort?: number) => [{ port, nodePort, protocol: "TCP" as const }];
    const answer = (event: ObjectEvent, address = HOST): string =>
      holderOf(nodeWith([pod, event], podHolder("exporter")), address, PORT);
    // As kube-proxy has them on an interface of the node.
    expect(answer(added("Service", { ...service, ports: ports(9100) }), "10.96.0.9")).toBe("Service front");
    expect(answer(added("Service", { ...service, ports: ports(9100) }))).toBe("Node node-a");
    expect(answer(added("Service", { ...service, ports: ports(80, 9100) }))).toBe(
      "Node node-a Service front",
    );
    expect(answer(added("Service", { ...service, ports: ports(80) }))).toBe("Pod exporter");
    const forwarded = declaring("forwarded", { isHostNetwork: false, host: undefined, podIPs: ["10.1.0.5"] });
    expect(answer(forwarded)).toBe("Pod forwarded");
    expect(answer(added("Pod", { name: "own", podIPs: [BRIDGE] }), BRIDGE)).toBe("Pod own");
  });

  test("no pod of another node", () => {
    const far = added("Pod", { ...EXPORTER, nodeName: "node-b" });
    expect(holderOf(nodeWith([far], podHolder("exporter")), HOST, PORT)).toBe("Node node-a");
  });
});

describe("Directory knows whose a socket is", () => {
  test("of a pod that is gone, for flows that began while its socket was seen", () => {
    const directory = nodeWith([added("Pod", EXPORTER)], podHolder("exporter"));
    read(directory, 40);
    directory.apply(deleted("Pod", EXPORTER), NOW + 50 * SECOND);
    expect(holderOf(directory, HOST, PORT)).toBe("Pod exporter");
    // In the interval in which it went nobody saw it to the end.
    expect(holderOf(directory, HOST, { ...PORT, startMs: NOW + 20 * SECOND })).toBe("Node node-a");
  });

  test("not before the pod began, nor after it ended", () => {
    const startMs = NOW - 5 * SECOND;
    const directory = clusterOf([NODE, added("Pod", { ...EXPORTER, host: hostOf({ startMs }) })]);
    read(directory, -20);
    read(directory, 0, podHolder("exporter"));
    const at = (seconds: number): string =>
      holderOf(directory, HOST, { ...PORT, startMs: NOW + seconds * SECOND });
    expect([at(-6), at(-5), at(0), at(5)]).toEqual([
      ...["Node node-a", "Pod exporter", "Pod exporter", "Pod exporter"],
    ]);
    const host = hostOf({ startMs, endMs: NOW + 4 * SECOND });
    directory.apply(modified("Pod", { ...EXPORTER, host }), NOW);
    expect([at(0), at(3), at(5)]).toEqual(["Pod exporter", "Pod exporter", "Node node-a"]);
  });

  test("of neither of two pods that had it one after the other", () => {
    const directory = clusterOf([NODE, added("Pod", EXPORTER), added("Pod", { ...EXPORTER, name: "next" })]);
    read(directory, -10, podHolder("exporter"));
    read(directory, 10, podHolder("next"));
    const names = [-10, 0, 10].map((seconds) =>
      holderOf(directory, HOST, { ...PORT, startMs: NOW + seconds * SECOND }),
    );
    expect(names).toEqual(["Pod exporter", "Node node-a", "Pod next"]);
  });

  test("for certain once a later reading says it, and the pod is known", () => {
    const directory = clusterOf([NODE]);
    read(directory, -10, podHolder("exporter"));
    const asked = { ...PORT, now: NOW + 20 * SECOND };
    const find = (): readonly [string, boolean] => [
      holderOf(directory, HOST, asked),
      resolve(directory, HOST, asked).isConfirmed,
    ];
    expect(find()).toEqual(["Node node-a", false]);
    read(directory, 10, podHolder("exporter"));
    expect(find()).toEqual(["Node node-a", false]);
    directory.apply(added("Pod", EXPORTER), NOW + 15 * SECOND);
    expect(find()).toEqual(["Pod exporter", true]);
    // What never comes is waited for no longer than the grace.
    const waiting = clusterOf([NODE]);
    read(waiting, -10);
    const confirmed = (seconds: number): boolean =>
      resolve(waiting, HOST, { ...PORT, now: NOW + seconds * SECOND }).isConfirmed;
    expect([confirmed(59), confirmed(60)]).toEqual([false, true]);
  });
});

test("Attribution takes back what a later reading of sockets does not confirm", () => {
  const directory = clusterOf([added("Pod", EXPORTER), added("Pod", { ...EXPORTER, name: "next" })]);
  read(directory, -10, podHolder("exporter"));
  const attribution = attributionOf(directory);
  const flow: Flow = { source: "203.0.113.5", destination: BRIDGE, port: PORT.port, isLast: false };
  const told = (seconds: number): unknown =>
    saidOf(attribute(attribution, flow, NOW + seconds * SECOND), "destination.k8s.pod.name");
  expect(told(6)).toBe("exporter");
  // The address is nobody's but the socket's.
  read(directory, 10, podHolder("next"));
  expect(told(12)).toBeUndefined();
});

test("Attribution takes a caller's port for a client's by TCP, and where that is sure", () => {
  const attribution = attributionOf(nodeWith([added("Pod", EXPORTER)], podHolder("exporter")));
  const flow: Flow = { source: HOST, sourcePort: PORT.port, destination: "203.0.113.5" };
  const told = (more: Partial<Flow>): unknown =>
    saidOf(attribute(attribution, { ...flow, ...more }), "source.k8s.pod.name");
  expect(told({})).toBeUndefined();
  expect(told({ isInitiatorSure: false, id: 2 })).toBe("exporter");
  const ports = [
    { name: undefined, containerPort: PORT.port, hostPort: PORT.port, protocol: "UDP" as const },
  ];
  const containers = [{ name: "main", image: "main", ports }];
  const datagrams = nodeWith([added("Pod", { ...EXPORTER, containers })]);
  expect(saidOf(attribute(attributionOf(datagrams), { ...flow, protocol: 17 }), "source.k8s.pod.name")).toBe(
    "exporter",
  );
});

test("Attribution tells the container that listens, not the one that declares the port", () => {
  const ports = [
    { name: undefined, containerPort: PORT.port, hostPort: undefined, protocol: "TCP" as const },
  ];
  const containers = [
    { name: "declares", image: "one", ports },
    { name: "listens", image: "two", ports: [] },
  ];
  const host = hostOf({ containerIds: [{ id: "abcdef012345", name: "listens" }] });
  const events = [added("Pod", { ...EXPORTER, containers, host })];
  const flow: Flow = { source: "203.0.113.5", destination: HOST, port: PORT.port };
  const told = (...holders: readonly SocketHolder[]): unknown => {
    const attribution = attributionOf(nodeWith(events, ...holders));
    return saidOf(attribute(attribution, flow), "destination.k8s.container.name");
  };
  expect(told()).toBe("declares");
  expect(told(podHolder("exporter"))).toBe("listens");
  expect(told(podHolder("exporter", "9".repeat(64)))).toBeUndefined();
});

test("Attribution keeps who had a socket, whatever is read later", () => {
  const directory = nodeWith([added("Pod", EXPORTER)], podHolder("exporter"));
  const attribution = attributionOf(directory);
  const flow: Flow = { source: "203.0.113.5", destination: HOST, port: PORT.port, isLast: false };
  const told = (seconds: number): unknown =>
    saidOf(attribute(attribution, flow, NOW + seconds * SECOND), "destination.k8s.container.name");
  expect(told(20)).toBe("main");
  for (const seconds of [30, 300, 600]) read(directory, seconds, hostHolder);
  directory.apply(deleted("Pod", EXPORTER), NOW + 600 * SECOND);
  expect(told(1000)).toBe("main");
});
