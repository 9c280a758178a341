// The built agent beside a real API server: real traffic between two pods, and the spans that come out.

import { expect, test } from "bun:test";
import { startAgent } from "../support/agent.ts";
import type { AgentSpan } from "../support/agent-spans.ts";
import { grantShippedRole, requestToken, writeKubeconfig } from "../support/kubernetes-access.ts";
import { makeReplicaSet, policyOf, runningPod } from "../support/kubernetes-cluster.ts";
import { relayInto } from "../support/kubernetes-relay.ts";
import { describeWithKubernetes, startKubernetes } from "../support/kubernetes-server.ts";
import { addIpv6, makePair } from "../support/namespace-pair.ts";
import { ping, transfer } from "../support/namespace-traffic.ts";

const DEADLINE_MS = 30_000;
const ECHO_REQUEST_V6 = 128;

describeWithKubernetes("agent", () => {
  test("tells on spans whose addresses they are, in both families, and which policy admits them", async () => {
    await using server = await startKubernetes();
    await grantShippedRole(server);
    await server.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
    await using pair = makePair();
    const [left, right] = pair.hosts;
    const owner = await makeReplicaSet(server, "web");
    const client = { ips: [left.ipv4.address, left.ipv6.address], labels: { app: "client" } };
    await server.create(runningPod("client", client));
    const ips = [right.ipv4.address, right.ipv6.address];
    await server.create(runningPod("web-1", { ips, labels: { app: "web" }, owner }));
    const from = [{ podSelector: { matchLabels: { app: "client" } } }];
    await server.create(policyOf("open", "web", [{ from, ports: [{ port: 7000 }] }]));

    await using _relay = await relayInto(left.namespace, server);
    const kubeconfig = writeKubeconfig(server, "agent", { user: { token: await requestToken(server) } });
    const agent = await startAgent(left.namespace, {
      config: {
        span: { max_record_interval: "1s" },
        kubernetes: { kubeconfig_path: kubeconfig, cluster_name: "test" },
      },
    });
    addIpv6(pair);
    const deadline = performance.now() + DEADLINE_MS;
    while (!agent.process.output.includes('"destination.k8s.pod.name":"web-1"')) {
      if (performance.now() > deadline) throw new Error(`no pod is told\n${agent.process.errors}`);
      await ping(left.ipv4, right.ipv4, 20);
    }
    await ping(left.ipv6, right.ipv6, 3);
    await transfer(left.ipv4, right.ipv4, 100_000);
    const { exitCode, spans, stderr } = await agent.stopped("SIGTERM");
    expect(exitCode).toBe(0);
    expect(stderr).not.toContain("WARN");
    const last = (isIt: (span: AgentSpan) => boolean): unknown => spans.findLast(isIt)?.attributes;
    const ends = {
      "source.k8s.cluster.name": "test",
      "source.k8s.namespace.name": "shop",
      "source.k8s.pod.name": "client",
      "source.k8s.container.name": "main",
      "source.container.image.name": "registry.test/main",
      "destination.k8s.pod.name": "web-1",
      "destination.k8s.replicaset.name": "web",
      "destination.k8s.deployment.name": "web",
      "destination.k8s.node.name": "node-a",
    };
    expect(last(({ name }) => name === "flow_ipv4_tcp")).toMatchObject({
      ...ends,
      "destination.port": 7000,
      "network.policy.ingress": ["shop/open"],
    });
    const echo = last(({ attributes }) => attributes["flow.icmp.type.id"] === ECHO_REQUEST_V6);
    expect(echo).toMatchObject({ "source.address": left.ipv6.address, ...ends });
  }, 90_000);
});
