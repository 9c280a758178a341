// Pods on the host's network by the cgroups of their listening sockets: real processes in real cgroups with the names that
// kubelets and runtimes give them, in the namespace that the built agent watches, beside a real API server.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { describeWithCgroups, TestCgroups } from "../support/cgroups.ts";
import { grantShippedRole } from "../support/kubernetes-access.ts";
import { type ClusterAgent, startClusterAgent } from "../support/kubernetes-agent.ts";
import { clusterAttributes, type Said } from "../support/kubernetes-said.ts";
import {
  type ApiObject,
  describeWithKubernetes,
  type KubernetesServer,
  startKubernetes,
} from "../support/kubernetes-server.ts";
import { type PodOptions, runningPod } from "../support/kubernetes-workloads.ts";
import {
  askAll,
  ClusterNetwork,
  NODE_ADDRESSES,
  serveAll,
  startAsking,
} from "../support/namespace-cluster.ts";
import type { Errand, ServedEnd } from "../support/namespace-errands.ts";

const [NODE, NODE6] = NODE_ADDRESSES.own;
const [CLIENT, CLIENT6] = NODE_ADDRESSES.other;
const IDS = { first: "a".repeat(64), second: "b".repeat(64), static: "c".repeat(64), late: "d".repeat(64) };
const STATIC_UID = "0123456789abcdef".repeat(2);
const PORT = {
  exporter: 9100,
  second: 9101,
  static: 6443,
  host: 9999,
  taken: 9300,
  declared: 9400,
  late: 9500,
};
/** A record each second, so that what is known later is told later. */
const SPAN = { max_record_interval: "1s", udp_timeout: "2s", tcp_fin_timeout: "2s" };
const TEST_MS = 90_000;

/** Neither is left out silently. */
const describeWithBoth = describeWithKubernetes === describe ? describeWithCgroups : describeWithKubernetes;

describeWithBoth("spans tell a pod on the host's network by its socket", () => {
  let server: KubernetesServer;
  let network: ClusterNetwork;
  let cgroups: TestCgroups;
  let agent: ClusterAgent;
  let lastPort = 41_000;
  const pods = new Map<string, ApiObject>();

  beforeAll(async () => {
    server = await startKubernetes();
    await grantShippedRole(server);
    await makeObjects();
    network = new ClusterNetwork();
    cgroups = new TestCgroups();
    await listen();
    agent = await startClusterAgent(network.node, server, {
      ...{ span: SPAN, kubernetes: { cgroup_root: cgroups.root } },
    });
    await agent.synced();
  }, 120_000);

  afterAll(async () => {
    await agent?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
    await cgroups?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  async function makeObjects(): Promise<void> {
    await server.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
    const addresses = NODE_ADDRESSES.own.map((address) => ({ type: "InternalIP", address }));
    await server.create({
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: "node-a" },
      status: { addresses },
    });
    await makePod("exporter", ["first", "second"]);
    const annotations = {
      "kubernetes.io/config.hash": STATIC_UID,
      "kubernetes.io/config.mirror": STATIC_UID,
    };
    await makePod("static", ["static"], { annotations });
    for (const name of ["taken", "declared"] as const) {
      const ports = [{ containerPort: PORT[name], hostPort: PORT[name], protocol: "UDP" }];
      await makePod(name, ["main"], { containers: [{ name: "main", image: "registry.test/main:1", ports }] });
    }
  }

  /** A pod on the node's network with containers that declare no port. */
  async function makePod(
    name: string,
    containers: readonly string[],
    options: Partial<PodOptions> = {},
  ): Promise<void> {
    const pod = runningPod(name, {
      ...{ ips: NODE_ADDRESSES.own, isHostNetwork: true },
      containers: containers.map((one) => ({ name: one, image: `registry.test/${one}:1` })),
      status: {
        containerStatuses: containers.map((one) => ({
          ...{ name: one, image: "", imageID: "", ready: true, restartCount: 0 },
          containerID: `containerd://${IDS[one as keyof typeof IDS]}`,
        })),
      },
      ...options,
    });
    pods.set(name, await server.create(pod));
  }

  /** Of a driver of the kubelet's: systemd. */
  function cgroupOf(pod: string, container: keyof typeof IDS): string {
    const uid = String(pods.get(pod)?.metadata["uid"]).replaceAll("-", "_");
    const slice = `kubepods-burstable-pod${uid}.slice`;
    return `kubepods.slice/kubepods-burstable.slice/${slice}/cri-containerd-${IDS[container]}.scope`;
  }

  async function listen(): Promise<void> {
    const udp = (port: number, address: string = NODE): ServedEnd => ({ protocol: "udp", address, port });
    const { node } = network;
    const first = cgroupOf("exporter", "first");
    const any = [udp(PORT.exporter, "0.0.0.0"), { ...udp(PORT.exporter, "::"), protocol: "tcp" } as const];
    await serveAll(node, any, cgroups.enter(first));
    // A process of the container may divide its cgroup.
    await serveAll(node, [udp(PORT.second)], cgroups.enter(`${cgroupOf("exporter", "second")}/workers`));
    // The kubelet's other driver.
    const mirrored = cgroups.enter(`kubepods/burstable/pod${STATIC_UID}/${IDS.static}`);
    await serveAll(node, [udp(PORT.static)], mirrored);
    const service = cgroups.enter("system.slice/other.service");
    await serveAll(node, [udp(PORT.host), udp(PORT.taken)], service);
    // In a cgroup that the agent does not see.
    await serveAll(node, [udp(PORT.declared)]);
  }

  const errandTo = (port: number, more: Partial<Errand> = {}): Errand => ({
    ...{ protocol: "udp", from: CLIENT, fromPort: ++lastPort, address: NODE, port, againMs: 0, ...more },
  });

  /** What the flow's records say of its destination, in order. */
  const toldOf = ({ fromPort }: Errand): readonly Said[] =>
    agent.spans
      .filter(({ attributes }) => attributes["source.port"] === fromPort)
      .map((span) => clusterAttributes(span));

  const podOf = (name: string, container?: string): Said => ({
    "destination.k8s.node.name": "node-a",
    "destination.k8s.pod.name": name,
    "destination.k8s.pod.uid": pods.get(name)?.metadata["uid"],
    "destination.k8s.container.name": container,
  });

  const nodeAlone: Said = {
    "destination.k8s.node.name": "node-a",
    "destination.k8s.pod.name": undefined,
    "destination.k8s.container.name": undefined,
  };

  const CASES: readonly (readonly [name: string, port: number, more: Partial<Errand>, said: () => Said])[] = [
    ["a pod that declares no port", PORT.exporter, {}, () => podOf("exporter", "first")],
    [
      "the same by TCP, on a socket of both families",
      PORT.exporter,
      { protocol: "tcp" },
      () => podOf("exporter", "first"),
    ],
    [
      "the same in IPv6",
      PORT.exporter,
      { protocol: "tcp", from: CLIENT6, address: NODE6 },
      () => podOf("exporter", "first"),
    ],
    ["another container of the pod", PORT.second, {}, () => podOf("exporter", "second")],
    ["a static pod", PORT.static, {}, () => podOf("static", "static")],
    ["a process of the node", PORT.host, {}, () => nodeAlone],
    ["a process of the node at a port that a pod declares", PORT.taken, {}, () => nodeAlone],
    [
      "a process that is not known, at a port that a pod declares",
      PORT.declared,
      {},
      () => podOf("declared", "main"),
    ],
  ];

  test.each(CASES)(
    "%s",
    async (_, port, more, said) => {
      const errand = errandTo(port, more);
      await askAll(network.outside, [errand]);
      await agent.until(() => toldOf(errand).length > 0);
      for (const told of toldOf(errand)) expectSaid(told, said());
    },
    TEST_MS,
  );

  test(
    "a pod that begins to listen is told as soon as its socket is read, for the flow that goes on too",
    async () => {
      const errand = errandTo(PORT.late, { againMs: 200 });
      await using _asking = startAsking(network.outside, [errand]);
      await agent.until(() => toldOf(errand).length > 1);
      await makePod("late", ["late"]);
      await serveAll(
        network.node,
        [{ protocol: "udp", address: NODE, port: PORT.late }],
        cgroups.enter(cgroupOf("late", "late")),
      );
      // Has the sockets read a second later, instead of within 30.
      network.node.ip("address", "add", "192.0.2.11/32", "dev", "lo");
      const after = errandTo(PORT.late, { againMs: 200 });
      await using _after = startAsking(network.outside, [after]);
      const isTold = (flow: Errand): boolean => toldOf(flow).at(-1)?.["destination.k8s.pod.name"] === "late";
      await agent.until(() => isTold(after) && isTold(errand));
      expectSaid(toldOf(after).at(-1), podOf("late", "late"));
      expectSaid(toldOf(errand)[0], nodeAlone);
    },
    TEST_MS,
  );

  test("and the log warns of nothing, and says of nothing that it is missing", () => {
    expect(agent.warnings).toEqual([]);
    expect(agent.agent.process.errors).not.toContain("cgroup_root");
  });
});

/** Of all that is told, what `said` has; undefined there: not told. */
function expectSaid(told: Said | undefined, said: Said): void {
  expect(Object.fromEntries(Object.keys(said).map((name) => [name, told?.[name]]))).toEqual({ ...said });
}
