// The watch of a cluster against a real API server, with the rights that are shipped.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { startCuttingProxy } from "../support/cutting-proxy.ts";
import { grantShippedRole, openFromPod, readShippedRole } from "../support/kubernetes-access.ts";
import { createAll, gatewayDefinition, podOf } from "../support/kubernetes-objects.ts";
import {
  describeWithKubernetes,
  type KubernetesServer,
  startKubernetes,
} from "../support/kubernetes-server.ts";
import { Watcher } from "../support/kubernetes-watcher.ts";

describeWithKubernetes("ClusterWatch", () => {
  let server: KubernetesServer;

  beforeAll(async () => {
    server = await startKubernetes();
    await grantShippedRole(server);
    await server.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  }, 90_000);

  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  test("lists in pages, then follows: added, modified, deleted, each told once", async () => {
    const pods = Array.from({ length: 1100 }, (_, index) => podOf(`paged-${index}`));
    await createAll(server, pods);
    const createdMs = Date.now();
    await using watcher = new Watcher(await openFromPod(server));
    await watcher.until(() => watcher.isSynced);
    expect(watcher.names("Pod").filter((name) => name.startsWith("paged-"))).toHaveLength(1100);
    expect(watcher.statsOf("Pod").lists).toBe(1);
    const { listedMs } = watcher.statsOf("Pod");
    expect(listedMs).toBeWithin(createdMs, Date.now() + 1);

    const later = podOf("later");
    await server.create(later);
    await watcher.until(() => watcher.find("Pod", "later") !== undefined);
    const status = { phase: "Running", podIP: "10.1.0.9", podIPs: [{ ip: "10.1.0.9" }, { ip: "fd00::9" }] };
    await server.patch(later, { status }, "/status");
    await watcher.until(() => JSON.stringify(watcher.find("Pod", "later")).includes("fd00::9"));
    await server.delete(later);
    await watcher.until(() => watcher.find("Pod", "later") === undefined);
    const told = watcher.events.filter(({ name }) => name === "later").map(({ type }) => type);
    expect(told[0]).toBe("added");
    expect(told.at(-1)).toBe("deleted");
    expect(watcher.statsOf("Pod")).toMatchObject({
      lists: 1,
      watches: 1,
      objects: watcher.names("Pod").length,
      events: { added: 1101 },
      listedMs,
    });
    await Promise.all(pods.map((one) => server.delete(one)));
    await watcher.until(() => watcher.names("Pod").every((name) => !name.startsWith("paged-")));
    expect(watcher.lines).toEqual([]);
  });

  test("has owners as metadata only, and kinds that no option needs not at all", async () => {
    const labels = { app: "cart" };
    await server.create({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "cart", namespace: "shop", labels: { team: "a" } },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: "c", image: "i" }] } },
      },
    });
    await using all = new Watcher(await openFromPod(server));
    await using few = new Watcher(await openFromPod(server), {
      config: { owner_relations: { max_depth: 1 }, selector_relations: [{ kind: "Deployment" }] },
    });
    await all.until(() => all.isSynced && few.isSynced);
    expect(all.find("Deployment", "cart")).toMatchObject({
      labels: new Map([["team", "a"]]),
      selector: undefined,
    });
    expect(few.find("Deployment", "cart")).toMatchObject({
      selector: { matchLabels: new Map([["app", "cart"]]), matchExpressions: [] },
    });
    expect(few.kinds).not.toContain("ReplicaSet");
    expect(all.kinds).toContain("ReplicaSet");
    expect(all.statsOf("Gateway").state).toBe("absent");
  });

  test("goes on where it was after its connections are cut, each second, and lists nothing again", async () => {
    using proxy = await startCuttingProxy(server.port);
    await using watcher = new Watcher(await openFromPod(server, { port: proxy.port }), {
      kinds: ["Pod", "Service"],
    });
    await watcher.until(() => watcher.isSynced);
    const names: string[] = [];
    for (let cut = 0; cut < 4; cut++) {
      await watcher.until(() => proxy.connections > 0);
      const end = performance.now() + 1000;
      while (performance.now() < end) {
        const made = podOf(`cut-${names.length}`);
        names.push(made.metadata.name);
        await server.create(made);
      }
      proxy.cut();
    }
    await server.delete(podOf("cut-0"));
    await watcher.until(() => watcher.find("Pod", names.at(-1) ?? "") !== undefined);
    await watcher.until(() => watcher.find("Pod", "cut-0") === undefined);
    expect(watcher.names("Pod").filter((name) => name.startsWith("cut-"))).toEqual(names.slice(1).toSorted());
    expect(watcher.statsOf("Pod").lists).toBe(1);
    expect(watcher.statsOf("Pod").watches).toBeGreaterThan(3);
  });

  test("tells by difference what happened while the API server was down and its past was forgotten", async () => {
    const [gone, changed] = [podOf("gone"), podOf("changed")];
    await createAll(server, [podOf("kept"), gone, changed]);
    const proxy = await startCuttingProxy(server.port);
    await using watcher = new Watcher(await openFromPod(server, { port: proxy.port }), { kinds: ["Pod"] });
    await watcher.until(() => watcher.isSynced);
    const before = watcher.events.length;
    const { listedMs } = watcher.statsOf("Pod");

    proxy[Symbol.dispose]();
    await watcher.until(() => watcher.lines.some((line) => line.includes("WARN")));
    await server.delete(gone);
    await server.patch(changed, { metadata: { labels: { changed: "yes" } } });
    await server.create(podOf("new"));
    await server.kill();
    await server.compact();
    await server.start();
    using _back = await startCuttingProxy(server.port, proxy.port);
    await watcher.until(() => watcher.find("Pod", "gone") === undefined);

    const told = watcher.events.slice(before).map(({ type, name }) => `${type} ${name}`);
    expect(told.toSorted()).toEqual(["added new", "deleted gone", "modified changed"]);
    expect(watcher.statsOf("Pod").lists).toBe(2);
    expect(watcher.statsOf("Pod").listedMs).toBeGreaterThan(listedMs);
    expect(watcher.lines.filter((line) => line.includes("WARN"))).toHaveLength(1);
    expect(watcher.lines.filter((line) => line.includes("watching again"))).toHaveLength(1);
  });

  test("warns once of a kind that it may not read, goes on with the others, and takes it up when it may", async () => {
    const role = readShippedRole();
    const rules = role.rules.map((rule) => ({
      ...rule,
      resources: rule.resources.filter((resource) => resource !== "services"),
    }));
    await server.patch(role, { rules });
    await using watcher = new Watcher(await openFromPod(server), { backoff: { first: 20, longest: 100 } });
    await watcher.until(() => watcher.isSynced && watcher.statsOf("Service").lists > 3);
    expect(watcher.statsOf("Service").state).toBe("forbidden");
    expect(watcher.statsOf("Pod").state).toBe("synced");
    const warnings = watcher.lines.filter((line) => line.includes("WARN"));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("cannot watch services: 403");

    await server.patch(role, { rules: role.rules });
    await watcher.until(() => watcher.statsOf("Service").state === "synced");
    expect(watcher.names("Service")).toContain("kubernetes");
  });

  test("finds Gateways when their definition arrives, and lets them go with it", async () => {
    await using watcher = new Watcher(await openFromPod(server), { kinds: ["Gateway"] });
    await watcher.until(() => watcher.isSynced);
    expect(watcher.statsOf("Gateway").state).toBe("absent");
    const definition = gatewayDefinition();
    await server.create(definition);
    await watcher.until(() => watcher.statsOf("Gateway").state === "synced");
    const gateway = {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "Gateway",
      metadata: { name: "edge", namespace: "shop" },
    };
    await server.create(gateway);
    const addresses = [
      { type: "IPAddress", value: "198.51.100.7" },
      { type: "Hostname", value: "edge.test" },
    ];
    await server.patch(gateway, { status: { addresses } }, "/status");
    await watcher.until(() => JSON.stringify(watcher.find("Gateway", "edge") ?? {}).includes("198.51.100.7"));
    expect(watcher.find("Gateway", "edge")).toMatchObject({ addresses: ["198.51.100.7"] });
    await server.delete(definition);
    await watcher.until(() => watcher.statsOf("Gateway").state === "absent");
    expect(watcher.names("Gateway")).toEqual([]);
  });

  test("keeps only what kubernetes.selectors have", async () => {
    const [wanted, other] = [podOf("wanted", { tier: "front" }), podOf("other", { tier: "back" })];
    await createAll(server, [wanted, other]);
    await using watcher = new Watcher(await openFromPod(server), {
      kinds: ["Pod"],
      config: { selectors: [{ kind: "Pod", namespaces: ["shop"], match_labels: { tier: "front" } }] },
    });
    await watcher.until(() => watcher.isSynced);
    expect(watcher.names("Pod")).toEqual(["wanted"]);
    await server.patch(other, { metadata: { labels: { tier: "front" } } });
    await watcher.until(() => watcher.names("Pod").length === 2);
    await server.patch(wanted, { metadata: { labels: { tier: "back" } } });
    await watcher.until(() => watcher.names("Pod").length === 1);
    expect(watcher.names("Pod")).toEqual(["other"]);
  });
});
