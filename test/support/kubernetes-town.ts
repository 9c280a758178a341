// A cluster with one of everything that can have an address: made through the API, and beside it the network namespaces
// that have those addresses, with somebody who answers at each.

import { gatewayDefinition } from "./kubernetes-objects.ts";
import { addressOf, GUARD_PORTS, GUARDED, guardedObjects } from "./kubernetes-policies.ts";
import type { ApiObject, KubernetesServer } from "./kubernetes-server.ts";
import { type ContainerOptions, type PodOptions, runningPod, workload } from "./kubernetes-workloads.ts";
import type { Namespace } from "./namespace.ts";
import { ClusterNetwork, NODE_ADDRESSES, serveAll } from "./namespace-cluster.ts";

/** Answers in pods. */
export const PORT = 7100;

/** Addresses of pods: the first two of a client and of a Service's pod, in both families. */
export const POD = {
  client: ["10.244.0.11", "fd00:10::11"],
  web: ["10.244.0.12", "fd00:10::12"],
  db: ["10.244.0.13"],
  logger: ["10.244.0.14"],
  job: ["10.244.0.15"],
  cron: ["10.244.0.16"],
  widget: ["10.244.0.17"],
  far: ["10.244.1.21"],
  twins: ["10.244.1.30"],
  friend: ["10.244.0.18"],
} as const;

/** What is outside of pods. */
export const ADDRESS = {
  backend: "198.51.100.10",
  ingress: "198.51.100.20",
  gateway: "198.51.100.30",
  external: "198.51.100.40",
  balancer: "198.51.100.41",
  stranger: "203.0.113.9",
  otherStranger: "203.0.113.8",
  otherBridge: "10.244.1.1",
} as const;

/** What the node has beside the addresses of its Node: one from the network of its pods, and one from nowhere. */
export const NODE_OWN = { bridge: "10.244.0.1", tunnel: "10.99.0.1" } as const;

/** Addresses of Services, which the node translates, and a port of the node. */
export const SERVICE = {
  web: "10.96.0.50",
  web6: "fd00:96::50",
  legacy: "10.96.0.60",
  guarded: "10.96.0.70",
  closed: "10.96.0.71",
  api: "10.96.0.80",
  nodePort: 30_080,
  closedNodePort: 30_081,
} as const;

/** Ports at the node itself. */
export const NODE_PORT = { proxy: 9100, other: 9999 } as const;

/** A port of each node that leads to a pod on it: to `logger` and `far`. */
export const HOST_PORT = 8081;

const WEB_CONTAINERS: readonly ContainerOptions[] = [
  {
    name: "app",
    image:
      "registry.test:5000/shop/web:v1.2@sha256:0000000000000000000000000000000000000000000000000000000000000000",
    ports: [
      { name: "web", containerPort: PORT, protocol: "UDP" },
      { name: "web-tcp", containerPort: PORT },
    ],
  },
  {
    name: "sidecar",
    image: "registry.test/sidecar",
    ports: [{ name: "metrics", containerPort: 9090, protocol: "UDP" }],
  },
];

const HOST_PORT_CONTAINERS: readonly ContainerOptions[] = [
  {
    ...{ name: "main", image: "registry.test/main:1" },
    ports: [{ containerPort: PORT, hostPort: HOST_PORT, protocol: "UDP" }],
  },
];

const TRANSLATIONS = `
table ip nat {
  chain before {
    type nat hook prerouting priority dstnat
    ip daddr ${SERVICE.web} udp dport 80 dnat to ${POD.web[0]}:${PORT}
    ip daddr ${SERVICE.legacy} udp dport 80 dnat to ${ADDRESS.backend}:${PORT}
    ip daddr ${SERVICE.guarded} udp dport 80 dnat to ${addressOf("served")}:${PORT}
    ip daddr ${SERVICE.closed} udp dport 80 dnat to ${addressOf("closed")}:${PORT}
    ip daddr ${SERVICE.api} udp dport 443 dnat to ${NODE_ADDRESSES.other[0]}:${PORT}
    ip daddr ${NODE_ADDRESSES.own[0]} udp dport ${SERVICE.closedNodePort} dnat to ${addressOf("closed")}:${PORT}
    ip daddr ${NODE_ADDRESSES.own[0]} udp dport ${HOST_PORT} dnat to ${POD.logger[0]}:${PORT}
    ip daddr ${NODE_ADDRESSES.own[0]} udp dport ${SERVICE.nodePort} dnat to ${POD.web[0]}:${PORT}
  }
  chain after {
    type nat hook postrouting priority srcnat
    ip saddr 10.244.0.0/24 ip daddr ${ADDRESS.backend} ct status dnat masquerade
    ip daddr ${addressOf("closed")} ct status dnat snat to ${NODE_OWN.bridge}
  }
}
table ip6 nat {
  chain before {
    type nat hook prerouting priority dstnat
    ip6 daddr ${SERVICE.web6} udp dport 80 dnat to [${POD.web[1]}]:${PORT}
  }
}
`;

/** Objects by what the tests call them. */
export type Objects = Readonly<Record<string, ApiObject>>;

/** Makes all objects. @returns them as the API server has them */
export async function makeObjects(server: KubernetesServer): Promise<Objects> {
  const made: Record<string, ApiObject> = {};
  const make = async (name: string, object: ApiObject): Promise<ApiObject> => {
    made[name] = await server.create(object);
    return made[name];
  };
  for (const [name, labels] of [
    ["shop", { team: "shop" }],
    ["data", { tier: "data" }],
    ["guard", {}],
  ] as const)
    await make(name, { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } });
  await make("node-a", nodeOf("node-a", NODE_ADDRESSES.own, { zone: "eu-1a", network: "10.244.0.0/24" }));
  await make("node-b", nodeOf("node-b", NODE_ADDRESSES.other, { zone: "eu-1b", network: "10.244.1.0/24" }));
  await makePods(make);
  await makeServices(make);
  await makeEntries(server, make);
  for (const [name, object] of guardedObjects()) await make(name, object);
  return made;
}

type Make = (name: string, object: ApiObject) => Promise<ApiObject>;

async function makePods(make: Make): Promise<void> {
  const deployment = await make("deployment", workload("Deployment", "web", { labels: { release: "v7" } }));
  const replicaSet = await make("replicaset", workload("ReplicaSet", "web-5d9", { owner: deployment }));
  const cron = await make("cronjob", workload("CronJob", "nightly"));
  const widget = { apiVersion: "example.test/v1", kind: "Widget", metadata: { name: "cog", uid: "cog-uid" } };
  const owners: Readonly<Record<string, ApiObject>> = {
    db: await make("statefulset", workload("StatefulSet", "db", { namespace: "data" })),
    logger: await make("daemonset", workload("DaemonSet", "logger")),
    job: await make("job", workload("Job", "import")),
    cron: await make("cron-job", workload("Job", "nightly-1", { owner: cron })),
    widget,
  };
  const options: Readonly<Record<string, Omit<PodOptions, "ips">>> = {
    client: { labels: { app: "client" }, annotations: { "example.test/contact": "ann@example.test" } },
    web: { labels: { app: "web" }, containers: WEB_CONTAINERS, owner: replicaSet },
    db: { namespace: "data" },
    logger: { containers: HOST_PORT_CONTAINERS },
    far: { node: "node-b", containers: HOST_PORT_CONTAINERS },
    friend: { namespace: "guard", labels: { app: "client" } },
  };
  for (const name of ["client", "web", "db", "logger", "job", "cron", "widget", "far", "friend"] as const) {
    const owner = owners[name];
    const more = { ...options[name], ...(owner && { owner }) };
    await make(`pod-${name}`, runningPod(`${name}-0`, { ips: POD[name], ...more }));
  }
  const startMs = Date.now() - 60_000;
  for (const name of ["twin-a", "twin-b"])
    await make(name, runningPod(name, { ips: POD.twins, node: "node-b", startMs }));
  const ports = [{ containerPort: NODE_PORT.proxy, hostPort: NODE_PORT.proxy, protocol: "UDP" }];
  const containers = [{ name: "proxy", image: "registry.test/proxy:2", ports }];
  const ips = NODE_ADDRESSES.own;
  await make("pod-proxy", runningPod("proxy-0", { ips, containers, isHostNetwork: true }));
}

async function makeServices(make: Make): Promise<void> {
  const service = (name: string, spec: object, status?: object): ApiObject => ({
    ...{ apiVersion: "v1", kind: "Service", metadata: { name, namespace: "shop" }, spec },
    ...(status && { status }),
  });
  const ports = [{ name: "udp", port: 80, targetPort: PORT, nodePort: SERVICE.nodePort, protocol: "UDP" }];
  const web = {
    ...{ type: "LoadBalancer", selector: { app: "web" }, ports, externalIPs: [ADDRESS.external] },
    ...{ ipFamilyPolicy: "PreferDualStack", clusterIP: SERVICE.web, clusterIPs: [SERVICE.web, SERVICE.web6] },
  };
  await make("web", service("web", web, { loadBalancer: { ingress: [{ ip: ADDRESS.balancer }] } }));
  const toLegacy = [{ port: 80, targetPort: PORT, protocol: "UDP" }];
  await make("legacy", service("legacy", { clusterIP: SERVICE.legacy, ports: toLegacy }));
  const toApi = [{ port: 443, targetPort: PORT, protocol: "UDP" }];
  await make("api", service("api", { clusterIP: SERVICE.api, ports: toApi }));
  const guarded = { clusterIP: SERVICE.guarded, selector: { rule: "served" }, ports: toLegacy };
  await make("guarded", {
    ...service("guarded", guarded),
    metadata: { name: "guarded", namespace: "guard" },
  });
  await make("slice", {
    ...{ apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", addressType: "IPv4" },
    metadata: {
      ...{ name: "legacy-1", namespace: "shop" },
      labels: { "kubernetes.io/service-name": "legacy" },
    },
    endpoints: [{ addresses: [ADDRESS.backend] }],
    ports: [{ name: "", port: PORT, protocol: "UDP" }],
  });
}

async function makeEntries(server: KubernetesServer, make: Make): Promise<void> {
  const metadata = { name: "front", namespace: "shop" };
  const backend = { service: { name: "web", port: { number: 80 } } };
  await make("ingress", {
    ...{ apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata, spec: { defaultBackend: backend } },
    status: { loadBalancer: { ingress: [{ ip: ADDRESS.ingress }] } },
  });
  await server.create(gatewayDefinition());
  const gateway = {
    ...{ apiVersion: "gateway.networking.k8s.io/v1", kind: "Gateway", metadata, spec: {} },
    status: { addresses: [{ type: "IPAddress", value: ADDRESS.gateway }] },
  };
  const deadline = performance.now() + DEFINITION_MS;
  for (;;) {
    try {
      await make("gateway", gateway);
      return;
    } catch (error) {
      // The API server takes a moment to serve a new kind.
      if (performance.now() > deadline || !String(error).includes("404")) throw error;
      await Bun.sleep(50);
    }
  }
}

const DEFINITION_MS = 20_000;

function nodeOf(
  name: string,
  addresses: readonly string[],
  { zone, network }: { readonly zone: string; readonly network: string },
): ApiObject {
  return {
    ...{ apiVersion: "v1", kind: "Node" },
    metadata: { name, labels: { "topology.kubernetes.io/zone": zone } },
    spec: { podCIDR: network, podCIDRs: [network] },
    status: { addresses: addresses.map((address) => ({ type: "InternalIP", address })) },
  };
}

/** The namespaces that have those addresses, by what the tests call them. */
export interface Town extends AsyncDisposable {
  readonly network: ClusterNetwork;
  readonly namespaces: ReadonlyMap<string, Namespace>;
}

/** Makes the network, translations included. */
export async function makeTown(): Promise<Town> {
  const network = new ClusterNetwork();
  const { node, outside } = network;
  const local = ["client", "web", "db", "logger", "job", "cron", "widget", "friend"] as const;
  const namespaces = new Map<string, Namespace>(local.map((name) => [name, network.addPod(POD[name])]));
  const { leaving = "", ...others } = GUARDED;
  const guard = network.addPod(Object.values(others));
  namespaces.set("leaving", network.addPod([leaving]));
  network.addOutside([...Object.values(ADDRESS), ...POD.far, ...POD.twins]);
  network.addOwn(Object.values(NODE_OWN));
  const path = `${node.folder}/nat`;
  await Bun.write(path, TRANSLATIONS);
  node.run("nft", "-f", path);
  const udp = (address: string, port: number = PORT) => ({ protocol: "udp", address, port }) as const;
  await Promise.all([
    serveAll(namespaces.get("web") as Namespace, [
      ...POD.web.map((address) => udp(address)),
      { ...udp(POD.web[0]), protocol: "tcp" },
      udp(POD.web[0], 9090),
    ]),
    serveAll(namespaces.get("leaving") as Namespace, [udp(leaving)]),
    serveAll(guard, [
      ...Object.values(others).flatMap((one) => GUARD_PORTS.map((port) => udp(one, port))),
      { ...udp(addressOf("protocol")), protocol: "tcp" },
    ]),
    serveAll(namespaces.get("db") as Namespace, [udp(POD.db[0])]),
    serveAll(namespaces.get("logger") as Namespace, [udp(POD.logger[0])]),
    serveAll(
      node,
      Object.values(NODE_PORT).map((port) => udp(NODE_ADDRESSES.own[0], port)),
    ),
    serveAll(outside, [
      ...[ADDRESS.backend, ADDRESS.ingress, ADDRESS.gateway, ADDRESS.stranger].map((one) => udp(one)),
      ...[...POD.far, ...POD.twins].map((one) => udp(one)),
      ...[ADDRESS.external, ADDRESS.balancer].flatMap((one) => [udp(one, 80), udp(one, 81)]),
      udp(NODE_ADDRESSES.other[0]),
      udp(NODE_ADDRESSES.other[0], SERVICE.nodePort),
      udp(NODE_ADDRESSES.other[0], HOST_PORT),
    ]),
  ]);
  namespaces.set("guard", guard).set("node", node).set("outside", outside);
  return { network, namespaces, [Symbol.asyncDispose]: () => network[Symbol.asyncDispose]() };
}
