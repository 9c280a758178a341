// What the cluster says of records, from the objects of a real API server by the rights that are shipped.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Cluster, followCluster } from "../../src/cluster.ts";
import { describeConfig } from "../../src/config/settings.ts";
import { validateConfig } from "../../src/config/validate.ts";
import { createLogger } from "../../src/lib/log.ts";
import { grantShippedRole, requestToken, writeKubeconfig } from "../support/kubernetes-access.ts";
import { makeReplicaSet, policyOf, serviceOf } from "../support/kubernetes-cluster.ts";
import {
  describeWithKubernetes,
  type KubernetesServer,
  startKubernetes,
} from "../support/kubernetes-server.ts";
import { runningPod } from "../support/kubernetes-workloads.ts";
import { attribute, type Flow, saidOf } from "../unit/kubernetes/judged.ts";

const DEADLINE_MS = 30_000;
const FLOW: Flow = { source: "10.1.0.2", destination: "10.1.0.1", port: 80 };

describeWithKubernetes("followCluster", () => {
  let server: KubernetesServer;
  let cluster: Cluster;
  /** When the early pod's policy was there, and no list yet. */
  let unlistedMs: number;
  const lines: string[] = [];

  beforeAll(async () => {
    server = await startKubernetes();
    await grantShippedRole(server);
    await server.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
    const node = { apiVersion: "v1", kind: "Node", metadata: { name: "node-a" } };
    await server.create({ ...node, status: { addresses: [{ type: "InternalIP", address: "192.0.2.10" }] } });
    const options = { ips: ["10.1.0.5"], labels: { app: "early" }, startMs: Date.now() - 60_000 };
    await server.create(runningPod("early", options));
    await server.create(policyOf("early", "early", []));
    // The policy's time is a whole second: a flow that begins now is surely a later one.
    const createdMs = Date.now();
    await until(() => Date.now() > createdMs + 2000);
    unlistedMs = Date.now();
    const kubeconfig = writeKubeconfig(server, "agent", { user: { token: await requestToken(server) } });
    const table = { kubernetes: { kubeconfig_path: kubeconfig, cluster_name: "test" } };
    const validation = validateConfig(table, describeConfig());
    if (validation.status !== "valid") throw new Error("the config is not valid");
    const log = createLogger({ level: "info", format: "text", write: (line) => lines.push(line) });
    const opened = followCluster(validation.config, {
      ...{ log, version: "test", environment: {} },
      mayBeHostAddress: () => false,
    });
    if (opened === undefined) throw new Error("a kubeconfig is a cluster");
    cluster = opened;
    await until(() => cluster.snapshot().isSynced);
  }, 90_000);

  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  /** Waits until `name` of a flow that began now has that value. */
  async function told(name: string, value: unknown, flow: Flow = FLOW): Promise<void> {
    const expected = JSON.stringify(value);
    let last: unknown;
    await until(
      () => {
        const startMs = Date.now();
        last = saidOf(attribute(cluster.attribution, { ...flow, startMs }, startMs + 60_000), name);
        return JSON.stringify(last) === expected;
      },
      () => `${name} is ${JSON.stringify(last)}, not ${expected}`,
    );
  }

  test("denies nothing that began before everything was listed", async () => {
    // Comes first: a later policy of the namespace would do the same.
    const flow = { ...FLOW, destination: "10.1.0.5" };
    await told("network.policy.ingress", ["shop/early (deny)"], flow);
    const said = attribute(cluster.attribution, { ...flow, startMs: unlistedMs }, unlistedMs + 60_000);
    expect(saidOf(said, "destination.k8s.pod.name")).toBe("early");
    expect(saidOf(said, "network.policy.ingress")).toBeUndefined();
  });

  test("tells pods with their owners, Services and policies, as they come and go", async () => {
    const owner = await makeReplicaSet(server, "web");
    const web = runningPod("web-1", { ips: ["10.1.0.1", "fd00::1"], labels: { app: "web" }, owner });
    const client = runningPod("client", { ips: ["10.1.0.2"], labels: { app: "client" } });
    await Promise.all([web, client].map((pod) => server.create(pod)));
    await told("destination.k8s.pod.name", "web-1");
    await told("destination.k8s.pod.name", "web-1", { ...FLOW, source: "fd00::9", destination: "fd00::1" });
    await told("destination.k8s.replicaset.name", "web");
    await told("destination.k8s.deployment.name", "web");
    await told("destination.k8s.node.name", "node-a");
    await told("source.k8s.cluster.name", "test");
    await told("source.k8s.pod.name", "client");

    await server.create(serviceOf("web", "10.96.0.50"));
    await told("destination.k8s.service.name", ["web"]);
    await told("destination.k8s.service.name", "web", { ...FLOW, destination: "10.96.0.50" });

    const from = [{ podSelector: { matchLabels: { app: "client" } } }];
    const open = policyOf("open", "web", [{ from, ports: [{ port: "web" }] }]);
    await server.create(policyOf("closed", "web", []));
    await told("network.policy.ingress", ["shop/closed (deny)"]);
    await server.create(open);
    await told("network.policy.ingress", ["shop/open"]);
    await server.delete(open);
    await told("network.policy.ingress", ["shop/closed (deny)"]);
    expect(lines.filter((line) => line.includes("WARN"))).toEqual([]);
  }, 60_000);

  test("gives an address that is used again at once to each pod in its time", async () => {
    const first = runningPod("first", { ips: ["10.1.0.3"] });
    await server.create(first);
    const flow = { ...FLOW, destination: "10.1.0.3" };
    await told("destination.k8s.pod.name", "first", flow);
    const before = Date.now();
    await Bun.sleep(2);
    await server.delete(first);
    const startTime = new Date().toISOString();
    const second = runningPod("second", { ips: ["10.1.0.3"] });
    await server.create({ ...second, status: { ...(second["status"] as object), startTime } });
    await told("destination.k8s.pod.name", "second", flow);
    // The API's times are whole seconds: the second one's may begin before the first one's flow.
    const startMs = Math.min(before, Math.floor(Date.parse(startTime) / 1000) * 1000 - 1);
    const said = attribute(cluster.attribution, { ...flow, startMs }, Date.now());
    expect(saidOf(said, "destination.k8s.pod.name")).toBe("first");
  }, 60_000);

  test("denies nothing while the API server is away, nor what began under other policies", async () => {
    const guarded = runningPod("guarded", { ips: ["10.1.0.4"], labels: { app: "guarded" } });
    await server.create(guarded);
    const flow = { ...FLOW, destination: "10.1.0.4" };
    await told("destination.k8s.pod.name", "guarded", flow);
    const before = Date.now();
    await server.create(policyOf("guard", "guarded", []));
    await told("network.policy.ingress", ["shop/guard (deny)"], flow);
    const earlier = attribute(cluster.attribution, { ...flow, startMs: before }, before + 60_000);
    expect(saidOf(earlier, "network.policy.ingress")).toBeUndefined();
    await server.kill();
    await told("network.policy.ingress", undefined, flow);
  }, 60_000);
});

async function until(isSo: () => boolean, describe: () => string = () => "not in time"): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(describe());
    await Bun.sleep(20);
  }
}
