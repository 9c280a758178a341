// The truth table of attribution: real traffic between all that can have an address in a cluster, the built agent on
// the node by the rights that are shipped, and for each conversation all that its span says of the cluster.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { grantShippedRole } from "../support/kubernetes-access.ts";
import { type ClusterAgent, startClusterAgent } from "../support/kubernetes-agent.ts";
import { CASES as ADDRESS_CASES } from "../support/kubernetes-cases.ts";
import { POLICY_CASES } from "../support/kubernetes-policy-cases.ts";
import { clusterAttributes, EXTRACT, onSide, Told } from "../support/kubernetes-said.ts";
import {
  describeWithKubernetes,
  type KubernetesServer,
  startKubernetes,
} from "../support/kubernetes-server.ts";
import { makeObjects, makeTown, PORT, type Town } from "../support/kubernetes-town.ts";
import type { Namespace } from "../support/namespace.ts";
import { askAll } from "../support/namespace-cluster.ts";
import type { Errand } from "../support/namespace-errands.ts";

/** A flow's ends are settled 5 s after its start: its only record is told later. */
const SPAN = { udp_timeout: "6s", tcp_fin_timeout: "6s" };
const FIRST_PORT = 41_000;
const CASES = [...ADDRESS_CASES, ...POLICY_CASES];

describeWithKubernetes("spans say of the cluster", () => {
  let server: KubernetesServer;
  let town: Town;
  let agent: ClusterAgent;
  let told: Told;

  beforeAll(async () => {
    server = await startKubernetes();
    await grantShippedRole(server);
    const objects = await makeObjects(server);
    told = new Told(objects, await server.request("GET", "/api/v1/namespaces/kube-system"));
    town = await makeTown();
    agent = await startClusterAgent(town.network.node, server, { span: SPAN, toml: EXTRACT });
    await agent.synced();
    await converse(town);
    await agent.until(
      () => untold().length === 0,
      () => `no span of ${untold().join(", ")}`,
    );
    await agent.agent.stopped("SIGTERM");
  }, 120_000);

  afterAll(async () => {
    await agent?.[Symbol.asyncDispose]();
    await town?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  const untold = (): readonly string[] => {
    const seen = new Set(agent.spans.map(({ attributes }) => attributes["source.port"]));
    return CASES.flatMap(({ name }, i) => (seen.has(FIRST_PORT + i) ? [] : [name]));
  };

  for (const [i, { name, source, destination, policies }] of CASES.entries()) {
    test(name, () => {
      const spans = agent.spans.filter(({ attributes }) => attributes["source.port"] === FIRST_PORT + i);
      expect(spans.map(clusterAttributes)).toEqual([
        { ...onSide("source", source(told)), ...onSide("destination", destination(told)), ...policies },
      ]);
    });
  }

  test("and the log warns of nothing", () => {
    expect(agent.warnings).toEqual([]);
  });
});

async function converse({ namespaces }: Town): Promise<void> {
  const errands = new Map<string, Errand[]>();
  for (const [i, { by, from, to, port = PORT, protocol = "udp" }] of CASES.entries()) {
    const errand: Errand = { protocol, from, fromPort: FIRST_PORT + i, address: to, port, againMs: 0 };
    errands.set(by, [...(errands.get(by) ?? []), errand]);
  }
  await Promise.all([...errands].map(([by, all]) => askAll(namespaces.get(by) as Namespace, all)));
}
