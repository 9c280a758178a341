// Whose an address is at which time: the built agent beside a real API server while pods come, go and take each other's
// addresses, and while the way to the API server is cut.

import { afterAll, beforeAll, expect, test } from "bun:test";
import type { AgentSpan } from "../support/agent-spans.ts";
import { grantShippedRole } from "../support/kubernetes-access.ts";
import { type ClusterAgent, startClusterAgent } from "../support/kubernetes-agent.ts";
import { clusterAttributes } from "../support/kubernetes-said.ts";
import {
  type ApiObject,
  describeWithKubernetes,
  type KubernetesServer,
  startKubernetes,
} from "../support/kubernetes-server.ts";
import { apiTime, type PodOptions, runningPod } from "../support/kubernetes-workloads.ts";
import type { Namespace } from "../support/namespace.ts";
import { askAll, ClusterNetwork, serveAll, startAsking } from "../support/namespace-cluster.ts";
import type { Errand } from "../support/namespace-errands.ts";

const SERVER = "10.244.0.1";
const PORT = 7100;
/** Records come a second after a flow's begin: before its ends are settled. */
const SPAN = { max_record_interval: "1s", udp_timeout: "2s" };
const SECOND = 1000;
const TEST_MS = 90_000;

describeWithKubernetes("spans tell whose an address was", () => {
  let server: KubernetesServer;
  let network: ClusterNetwork;
  let agent: ClusterAgent;
  let pods: Namespace;
  let lastPort = 41_000;
  let lastPod = 0;

  beforeAll(async () => {
    server = await startKubernetes();
    await grantShippedRole(server);
    await server.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
    network = new ClusterNetwork();
    await serveAll(network.addPod([SERVER]), [{ protocol: "udp", address: SERVER, port: PORT }]);
    pods = network.addPod(Array.from({ length: 40 }, (_, i) => `10.244.0.${10 + i}`));
    agent = await startClusterAgent(network.node, server, { span: SPAN });
    await agent.synced();
  }, 120_000);

  afterAll(async () => {
    await agent?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  /** An address that no pod had yet. */
  const newAddress = (): string => `10.244.0.${10 + lastPod++}`;

  async function makePod(
    name: string,
    address: string,
    options: Omit<PodOptions, "ips"> = {},
  ): Promise<ApiObject> {
    return await server.create(runningPod(name, { ips: [address], ...options }));
  }

  const errandFrom = (address: string, againMs = 0): Errand => ({
    ...{ protocol: "udp", from: address, fromPort: ++lastPort, address: SERVER, port: PORT, againMs },
  });

  const spansFrom = (port: number): readonly AgentSpan[] =>
    agent.spans.filter(({ attributes }) => attributes["source.port"] === port);

  /** The source's pod by the flow's records, in order. */
  const podsFrom = (port: number): readonly unknown[] =>
    spansFrom(port).map((span) => clusterAttributes(span)["source.k8s.pod.name"]);

  /** One request from an address, told. @returns the pod that it is said to be of */
  async function ask(address: string): Promise<unknown> {
    const errand = errandFrom(address);
    await askAll(pods, [errand]);
    await agent.until(() => podsFrom(errand.fromPort).length > 0);
    return podsFrom(errand.fromPort)[0];
  }

  /** Asks until the pod is told. */
  async function askUntil(address: string, name: string): Promise<void> {
    const deadline = performance.now() + TEST_MS / 2;
    for (let said: unknown; said !== name; said = await ask(address)) {
      if (performance.now() > deadline) throw new Error(`${address} is of ${said}, not of ${name}`);
    }
  }

  test(
    "a flow that began before the pod's event is the pod's once that is here",
    async () => {
      const address = newAddress();
      const errand = errandFrom(address, 200);
      await using _asking = startAsking(pods, [errand]);
      await agent.until(() => podsFrom(errand.fromPort).length > 0);
      await makePod("late", address);
      await agent.until(() => podsFrom(errand.fromPort).includes("late"));
      const told = podsFrom(errand.fromPort);
      const first = told.indexOf("late");
      expect(first).toBeGreaterThan(0);
      expect(told.slice(0, first)).toEqual(Array(first).fill(undefined));
      expect(new Set(spansFrom(errand.fromPort).map(({ traceId }) => traceId)).size).toBe(1);
      expect(clusterAttributes(spansFrom(errand.fromPort)[0] as AgentSpan)).toEqual({});
    },
    TEST_MS,
  );

  test(
    "a pod that is deleted before its flow is told is told all the same, and as long as the flow goes on",
    async () => {
      const address = newAddress();
      const pod = await makePod("short", address);
      await askUntil(address, "short");
      const [once, again] = [errandFrom(address), errandFrom(address, 200)];
      await using _asking = startAsking(pods, [again]);
      await askAll(pods, [once]);
      await server.delete(pod);
      // News of others, with which what has ended is forgotten at its time.
      await makePod("news", newAddress());
      await agent.until(() => podsFrom(once.fromPort).length > 0 && podsFrom(again.fromPort).length > 6);
      expect(podsFrom(once.fromPort)).toEqual(["short"]);
      expect(new Set(podsFrom(again.fromPort))).toEqual(new Set(["short"]));
    },
    TEST_MS,
  );

  test(
    "an address that another pod has within a second is never said to be of the wrong one",
    async () => {
      let isWithin = false;
      for (let attempt = 0; !isWithin && attempt < 10; attempt++) {
        const address = newAddress();
        const [one, other] = [`one-${attempt}`, `other-${attempt}`];
        const before = await makePod(one, address);
        await askUntil(address, one);
        const [first, second] = [errandFrom(address), errandFrom(address)];
        await secondBegins();
        const beganMs = Date.now();
        await askAll(pods, [first]);
        await server.delete(before);
        const startMs = Date.now();
        await makePod(other, address, { startMs });
        await askAll(pods, [second]);
        isWithin = Math.floor(beganMs / SECOND) === Math.floor(startMs / SECOND);
        await agent.until(() => [first, second].every(({ fromPort }) => podsFrom(fromPort).length > 0));
        expect(podsFrom(second.fromPort)).toEqual([other]);
        expect(podsFrom(first.fromPort)).not.toContain(other);
        const [said] = spansFrom(first.fromPort).map(clusterAttributes);
        expect(said).toMatchObject({ "source.k8s.namespace.name": "shop" });
      }
      expect(isWithin).toBeTrue();
    },
    2 * TEST_MS,
  );

  test(
    "an address on a completed pod's paper is whose it is since",
    async () => {
      const now = Date.now();
      const completed = (agoMs: number): Omit<PodOptions, "ips"> => {
        const terminated = { exitCode: 0, finishedAt: apiTime(now - agoMs) };
        const status = { name: "main", ready: false, restartCount: 0, image: "", imageID: "" };
        return {
          startMs: now - 600 * SECOND,
          status: { phase: "Succeeded", containerStatuses: [{ ...status, state: { terminated } }] },
        };
      };
      const [reused, free, fresh] = [newAddress(), newAddress(), newAddress()];
      await makePod("done", reused, completed(30 * SECOND));
      await makePod("next", reused, { startMs: now - 20 * SECOND });
      await makePod("long-done", free, completed(300 * SECOND));
      await makePod("just-done", fresh, completed(10 * SECOND));
      await askUntil(reused, "next");
      expect(await ask(free)).toBeUndefined();
      const errand = errandFrom(fresh, 200);
      await using _asking = startAsking(pods, [errand]);
      await agent.until(() => podsFrom(errand.fromPort).includes("just-done"));
      // Somebody new may be on the way: not before 5 s.
      expect(podsFrom(errand.fromPort)[0]).toBeUndefined();
    },
    TEST_MS,
  );

  test(
    "flows are told by the last known state while nothing is heard, and rightly after a past that is forgotten",
    async () => {
      const [kept, given] = [newAddress(), newAddress()];
      await makePod("kept", kept);
      const gone = await makePod("gone", given);
      await askUntil(given, "gone");
      await askUntil(kept, "kept");
      const lists = listsOf(agent);
      agent.relay.block();
      await agent.until(() => agent.readiness().status === "degraded");
      await server.delete(gone);
      await makePod("heir", given, { startMs: Date.now() });
      expect(await ask(kept)).toBe("kept");
      await server.compact();
      // Else it remembers what its etcd has forgotten.
      await server.kill();
      await server.start();
      agent.relay.open();
      await askUntil(given, "heir");
      await agent.until(() => agent.readiness().status === "ok");
      expect(await ask(kept)).toBe("kept");
      expect(listsOf(agent)).toBe(lists + 1);
    },
    TEST_MS,
  );

  test(
    "pods are known though connections are cut each second, and nothing is listed again",
    async () => {
      const lists = listsOf(agent);
      const cutting = setInterval(agent.relay.cut, SECOND);
      try {
        for (const name of ["cut-a", "cut-b", "cut-c"]) {
          const address = newAddress();
          await makePod(name, address);
          await askUntil(address, name);
        }
      } finally {
        clearInterval(cutting);
      }
      expect(listsOf(agent)).toBe(lists);
    },
    TEST_MS,
  );

  test("metrics tell what is known of the cluster, and how many ends were found", async () => {
    const answer = await server.request("GET", "/api/v1/pods");
    const { length } = answer["items"] as readonly unknown[];
    await agent.until(() => agent.metrics().get('mermin_kubernetes_objects{kind="Pod"}') === length);
    const metrics = agent.metrics();
    const count = (outcome: string): number =>
      metrics.get(`mermin_kubernetes_attributions_total{outcome="${outcome}"}`) ?? Number.NaN;
    expect(count("ended")).toBeGreaterThan(0);
    expect(count("ambiguous")).toBeGreaterThan(0);
    expect(count("resolved")).toBeGreaterThan(0);
    const records = agent.spans.length;
    const ends = ["resolved", "ended", "ambiguous", "unknown"].map(count).reduce((a, b) => a + b);
    expect(ends).toBeGreaterThanOrEqual(2 * records);
    expect(metrics.get('mermin_kubernetes_watch_events_total{kind="Pod",type="deleted"}')).toBeGreaterThan(2);
  });
});

/** Lists of pods that were asked for. */
function listsOf(agent: ClusterAgent): number {
  return agent.metrics().get('mermin_kubernetes_requests_total{kind="Pod",request="list"}') ?? Number.NaN;
}

/** Waits for the first tenth of a second of the wall clock. */
async function secondBegins(): Promise<void> {
  while (Date.now() % SECOND > 100) await Bun.sleep(5);
}
