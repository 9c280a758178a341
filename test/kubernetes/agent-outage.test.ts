// The built agent and an API server that is down when it starts, comes, and goes again: what is told meanwhile, how
// ready the agent says it is, and what it learns of itself.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeJsonRequest } from "../collector/decode.ts";
import { startAgent } from "../support/agent.ts";
import { grantShippedRole, requestToken, writeKubeconfig } from "../support/kubernetes-access.ts";
import { relayInto } from "../support/kubernetes-relay.ts";
import {
  describeWithKubernetes,
  type KubernetesServer,
  startKubernetes,
} from "../support/kubernetes-server.ts";
import { runningPod } from "../support/kubernetes-workloads.ts";
import type { Namespace } from "../support/namespace.ts";
import { makePair } from "../support/namespace-pair.ts";
import { ping } from "../support/namespace-traffic.ts";

const DEADLINE_MS = 60_000;
const POD = '"source.k8s.pod.name":"client"';
const ADDRESS = "127.0.0.1:8080";

describeWithKubernetes("agent", () => {
  test("tells flows without an API server, by what it knew last once that is gone, and tries for ever", async () => {
    await using server = await startKubernetes();
    const uids = await makeCluster(server);
    await using pair = makePair();
    const [left, right] = pair.hosts;
    await server.create(runningPod("client", { ips: [left.ipv4.address] }));
    const kubeconfig = writeKubeconfig(server, "agent", { user: { token: await requestToken(server) } });
    await using _relay = await relayInto(left.namespace, server);
    await server.kill();

    const path = join(left.namespace.folder, "requests.jsonl");
    const agent = await startAgent(left.namespace, {
      environment: { NODE_NAME: "node-a", POD_NAMESPACE: "mermin", POD_NAME: "mermin-x7" },
      config: {
        span: { max_record_interval: "1s", icmp_timeout: "1s" },
        server: { enabled: true, listen: ADDRESS },
        kubernetes: { kubeconfig_path: kubeconfig, cluster_name: "test" },
        "export.file": { path, format: "otlp-json" },
      },
    });
    /** Of a flow that begins after the call. */
    const told = async (attribute: string): Promise<void> => {
      const before = agent.process.output.length;
      await until(
        async () => {
          await ping(left.ipv4, right.ipv4, 1);
          return agent.process.output.slice(before).includes(attribute);
        },
        () => agent.process.errors,
      );
    };
    const ready = async (status: string, reason: string): Promise<void> =>
      await until(
        async () => {
          const check = readiness(left.namespace);
          return check.status === status && check.reason.includes(reason);
        },
        () => `${JSON.stringify(readiness(left.namespace))}\n${agent.process.errors}`,
      );

    await told('"flow_ipv4_icmp"');
    expect(agent.process.output).not.toContain("k8s.pod.name");
    await ready("failed", "not synced: Pod: ");
    await server.start();
    await ready("ok", "kinds synced");
    await told(POD);
    await server.kill();
    await ready("degraded", "last known state: ");
    await told(POD);
    await server.start();
    await ready("ok", "kinds synced");

    const { exitCode } = await agent.stopped("SIGTERM");
    expect(exitCode).toBe(0);
    const requests = readFileSync(path, "utf8").trimEnd().split("\n");
    const own = { "k8s.cluster.name": "test", "k8s.node.name": "node-a" };
    const pod = { "k8s.namespace.name": "mermin", "k8s.pod.name": "mermin-x7" };
    expect(resourceOf(requests[0] ?? "")).toMatchObject({ ...own, ...pod });
    expect(resourceOf(requests[0] ?? "")).not.toContainAnyKeys(["k8s.cluster.uid", "k8s.node.uid"]);
    expect(resourceOf(requests.at(-1) ?? "")).toMatchObject({ ...own, ...pod, ...uids });
  }, 180_000);
});

/** The rights, the agent's node and the pods' namespace. @returns what the resource says of the cluster and the node */
async function makeCluster(server: KubernetesServer): Promise<Record<string, unknown>> {
  await grantShippedRole(server);
  await server.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  const node = await server.create({ apiVersion: "v1", kind: "Node", metadata: { name: "node-a" } });
  let cluster: unknown;
  await until(
    async () => {
      const answer = await server.request("GET", "/api/v1/namespaces/kube-system").catch(() => undefined);
      cluster = answer?.metadata["uid"];
      return cluster !== undefined;
    },
    () => "no namespace kube-system",
  );
  return { "k8s.cluster.uid": cluster, "k8s.node.uid": node.metadata["uid"] };
}

/** The check of that name, whatever the answer's status. */
function readiness(namespace: Namespace): { readonly status: string; readonly reason: string } {
  const { checks } = JSON.parse(namespace.run("curl", "--silent", `http://${ADDRESS}/readyz`)) as {
    readonly checks: readonly { readonly name: string; readonly status: string; readonly reason: string }[];
  };
  const check = checks.find(({ name }) => name === "kubernetes");
  if (check === undefined) throw new Error("no check of the cluster");
  return check;
}

function resourceOf(request: string): Record<string, unknown> {
  return decodeJsonRequest(new TextEncoder().encode(request)).resource;
}

async function until(isSo: () => Promise<boolean>, describe: () => string): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`not in time: ${describe()}`);
    await Bun.sleep(50);
  }
}
