// The built agent that may not read all of the cluster, and one that is of no cluster at all: both tell their flows.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { startAgent } from "../support/agent.ts";
import { METRICS_ADDRESS, readMetrics } from "../support/agent-metrics.ts";
import { grantLess, grantShippedRole } from "../support/kubernetes-access.ts";
import { startClusterAgent } from "../support/kubernetes-agent.ts";
import { policyOf } from "../support/kubernetes-cluster.ts";
import { clusterAttributes } from "../support/kubernetes-said.ts";
import {
  describeWithKubernetes,
  type KubernetesServer,
  startKubernetes,
} from "../support/kubernetes-server.ts";
import { runningPod } from "../support/kubernetes-workloads.ts";
import type { Namespace } from "../support/namespace.ts";
import { askAll, ClusterNetwork, serveAll } from "../support/namespace-cluster.ts";

const [CALLER, ANSWERER] = ["10.244.0.2", "10.244.0.1"];
const PORT = 7100;
const SPAN = { udp_timeout: "6s" };

describeWithKubernetes("agent", () => {
  let server: KubernetesServer;
  let network: ClusterNetwork;
  let caller: Namespace;

  beforeAll(async () => {
    server = await startKubernetes();
    await grantShippedRole(server);
    await server.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
    await server.create(runningPod("caller", { ips: [CALLER] }));
    await server.create(runningPod("web", { ips: [ANSWERER], labels: { app: "web" } }));
    await server.create(policyOf("closed", "web", []));
    network = new ClusterNetwork();
    await serveAll(network.addPod([ANSWERER]), [{ protocol: "udp", address: ANSWERER, port: PORT }]);
    caller = network.addPod([CALLER]);
  }, 90_000);

  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  async function ask(fromPort: number): Promise<void> {
    const end = { protocol: "udp", address: ANSWERER, port: PORT } as const;
    await askAll(caller, [{ ...end, from: CALLER, fromPort, againMs: 0 }]);
  }

  test("warns once of what it may not read, and tells the rest", async () => {
    const token = await grantLess(server, "less", ["networkpolicies"]);
    await using agent = await startClusterAgent(network.node, server, { span: SPAN, token });
    const synced = (kind: string): number | undefined =>
      agent.metrics().get(`mermin_kubernetes_synced{kind="${kind}"}`);
    await agent.until(() => agent.warnings.length > 0 && synced("Pod") === 1 && synced("Node") === 1);
    await ask(41_001);
    await agent.until(() => agent.spans.some(({ attributes }) => attributes["source.port"] === 41_001));
    const span = agent.spans.find(({ attributes }) => attributes["source.port"] === 41_001);
    const said = span && clusterAttributes(span);
    expect(said).toMatchObject({ "source.k8s.pod.name": "caller", "destination.k8s.pod.name": "web" });
    expect(said).not.toHaveProperty(["network.policy.ingress"]);
    expect(synced("NetworkPolicy")).toBe(0);
    expect(agent.readiness()).toMatchObject({ isReady: true, status: "degraded" });
    expect(agent.readiness().reason).toContain("NetworkPolicy");
    expect(agent.warnings).toHaveLength(1);
    expect(agent.warnings[0]).toContain("networkpolicies");
  }, 60_000);

  test("says nothing of a cluster where there is none, and is ready", async () => {
    const health = "127.0.0.1:8080";
    const agent = await startAgent(network.node, {
      config: {
        span: SPAN,
        server: { enabled: true, listen: health },
        metrics: { enabled: true, listen: METRICS_ADDRESS },
      },
    });
    await ask(41_002);
    const metrics = readMetrics(network.node);
    expect([...metrics.keys()].filter((name) => name.startsWith("mermin_kubernetes_"))).toEqual([]);
    const ready = network.node.run("curl", "--silent", "--fail", `http://${health}/readyz`);
    expect(JSON.parse(ready)).toMatchObject({ status: "ok" });
    const { spans, stderr } = await agent.stopped("SIGTERM");
    const own = spans.filter(({ attributes }) => attributes["source.port"] === 41_002);
    expect(own.map(clusterAttributes)).toEqual([{}]);
    expect(stderr).not.toMatch(/kubernetes|WARN/);
  }, 60_000);
});
