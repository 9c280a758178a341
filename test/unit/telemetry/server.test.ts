import { afterEach, describe, expect, test } from "bun:test";
import { toMilliseconds } from "../../../src/lib/time.ts";
import type { ClusterSnapshot } from "../../../src/telemetry/cluster-metrics.ts";
import { type HealthCheck, livenessDeadline } from "../../../src/telemetry/health.ts";
import { startServers } from "../../../src/telemetry/server.ts";
import type { Snapshot } from "../../../src/telemetry/snapshot.ts";
import { captureStats, cluster, EXPORTER_STATS, snapshot, tableStats } from "./fixtures.ts";
import { readOpenMetrics } from "./open-metrics-checker.ts";

let stack = new AsyncDisposableStack();
afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

const ANY_PORT = { enabled: true, listen: "127.0.0.1:0" };
const DISABLED = { enabled: false, listen: "127.0.0.1:0" };

let current: Snapshot = snapshot();

async function start(changes: Partial<Parameters<typeof startServers>[0]> = {}) {
  current = snapshot();
  const options = {
    server: ANY_PORT,
    metrics: ANY_PORT,
    snapshot: () => current,
    livenessDeadline: toMilliseconds(15_000),
  };
  return stack.use(await startServers({ ...options, ...changes }));
}

async function ask(base: URL | undefined, path: string, init: RequestInit = {}) {
  if (base === undefined) throw new Error("the server is not enabled");
  const response = await fetch(new URL(path, base), init);
  return { status: response.status, type: response.headers.get("content-type"), text: await response.text() };
}

describe("startServers", () => {
  test("serves metrics as OpenMetrics", async () => {
    const { metricsUrl } = await start();
    const { status, type, text } = await ask(metricsUrl, "/metrics");
    expect([status, type]).toEqual([200, "application/openmetrics-text; version=1.0.0; charset=utf-8"]);
    expect(readOpenMetrics(text).get("mermin_flows_created")?.samples[0]?.value).toBe(12);
  });

  test("says which snapshot was seen: that of metrics, not of health", async () => {
    const shown: Snapshot[] = [];
    const { metricsUrl, serverUrl } = await start({ onShown: (seen) => shown.push(seen) });
    await ask(serverUrl, "/readyz");
    await ask(metricsUrl, "/nothing");
    expect(shown).toEqual([]);
    await ask(metricsUrl, "/metrics");
    expect(shown).toEqual([current]);
  });

  test.each(["/livez", "/readyz", "/startup"])(
    "answers %s with 200 and its checks while all is well",
    async (path) => {
      const { serverUrl } = await start();
      const { status, type, text } = await ask(serverUrl, path);
      expect(status).toBe(200);
      expect(type).toStartWith("application/json");
      const { status: judged, checks } = JSON.parse(text);
      expect(judged).toBe("ok");
      expect(checks.length).toBeGreaterThan(0);
      for (const check of checks) expect(Object.keys(check)).toEqual(["name", "status", "reason"]);
    },
  );

  test("is as ready where nothing persists, and says why", async () => {
    const { serverUrl } = await start();
    const persistence = { isWanted: true, failure: "no BPF file system" };
    current = snapshot({ report: { capture: { ...captureStats(), persistence }, table: tableStats() } });
    const { status, text } = await ask(serverUrl, "/readyz");
    expect(status).toBe(200);
    const { status: judged, checks } = JSON.parse(text);
    expect(judged).toBe("ok");
    expect(checks).toContainEqual({ name: "persistence", status: "degraded", reason: "no BPF file system" });
  });

  test.each<[string, ClusterSnapshot | undefined, number, HealthCheck]>([
    [
      "no cluster is watched",
      undefined,
      200,
      { name: "kubernetes", status: "ok", reason: "no cluster is watched" },
    ],
    [
      "all is listed",
      cluster({ Pod: "synced", Gateway: "absent" }),
      200,
      { name: "kubernetes", status: "ok", reason: "2 kinds synced" },
    ],
    [
      "kinds are not listed yet",
      cluster({ Pod: ["listing", "401 Unauthorized"], Node: "listing", Service: "synced" }, false),
      503,
      { name: "kubernetes", status: "failed", reason: "not synced: Pod: 401 Unauthorized; Node: listing" },
    ],
    [
      "a kind may not be read",
      cluster({ Pod: "synced", Service: ["forbidden", "403 no"] }),
      200,
      { name: "kubernetes", status: "degraded", reason: "without Service: 403 no" },
    ],
    [
      "nothing may be read",
      cluster({ Pod: ["forbidden", "403 no"] }, false),
      503,
      { name: "kubernetes", status: "failed", reason: "not synced: Pod: 403 no" },
    ],
    [
      "the API server fails after all was listed",
      cluster({ Pod: ["synced", "connection refused"], Node: "synced" }),
      200,
      { name: "kubernetes", status: "degraded", reason: "last known state: Pod: connection refused" },
    ],
  ])("tells whether the cluster is known where %s", async (_, known, expected, check) => {
    const { serverUrl } = await start();
    current = snapshot({ cluster: known });
    const { status, text } = await ask(serverUrl, "/readyz");
    expect(status).toBe(expected);
    expect(JSON.parse(text).checks).toContainEqual(check);
  });

  test("answers livez with 503 and the reason once the loop stands still", async () => {
    const { serverUrl } = await start();
    current = snapshot({ reportAge: toMilliseconds(15_000.4) });
    const { status, text } = await ask(serverUrl, "/livez");
    expect(status).toBe(503);
    expect(JSON.parse(text)).toEqual({
      status: "failed",
      checks: [{ name: "capture_loop", status: "failed", reason: "last turn 15s ago, deadline 15s" }],
    });
  });

  test.each<[string, Partial<Snapshot>, Record<string, number>, string]>([
    [
      "nothing is loaded",
      { report: undefined },
      { "/livez": 200, "/readyz": 503, "/startup": 503 },
      "not loaded yet",
    ],
    [
      "no interface is attached",
      { report: { capture: { ...captureStats(), interfaces: [] }, table: tableStats() } },
      { "/livez": 200, "/readyz": 503, "/startup": 200 },
      "0 attached, 1 failed",
    ],
    [
      "an exporter has failed",
      { exporters: [{ name: "stdout", stats: EXPORTER_STATS, failure: "closed pipe" }] },
      { "/livez": 200, "/readyz": 503, "/startup": 200 },
      "stdout: closed pipe",
    ],
    [
      "no exporter is there",
      { exporters: [] },
      { "/livez": 200, "/readyz": 503, "/startup": 200 },
      "none started yet",
    ],
  ])("is not ready where %s", async (_, changes, expected, reason) => {
    const { serverUrl } = await start();
    current = snapshot(changes);
    for (const [path, status] of Object.entries(expected))
      expect((await ask(serverUrl, path)).status).toBe(status);
    expect((await ask(serverUrl, "/readyz")).text).toContain(reason);
  });

  test("answers only what it has, and only to be read", async () => {
    const { serverUrl, metricsUrl } = await start();
    expect((await ask(serverUrl, "/metrics")).status).toBe(404);
    expect((await ask(metricsUrl, "/livez")).status).toBe(404);
    expect((await ask(metricsUrl, "/metrics", { method: "POST", body: "x" })).status).toBe(405);
    expect(await ask(metricsUrl, "/metrics", { method: "HEAD" })).toMatchObject({ status: 200, text: "" });
  });

  test("leaves out what is not enabled", async () => {
    const { serverUrl, metricsUrl } = await start({ server: DISABLED });
    expect(serverUrl).toBeUndefined();
    expect((await ask(metricsUrl, "/metrics")).status).toBe(200);
  });

  test("listens no more once disposed", async () => {
    const servers = await start();
    await servers[Symbol.asyncDispose]();
    await expect(ask(servers.serverUrl, "/livez")).rejects.toThrow();
  });

  test("says in one line that a port is taken, and gives back the other", async () => {
    using taken = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    using probe = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    const free = `127.0.0.1:${probe.port}`;
    await probe.stop(true);
    const listen = `127.0.0.1:${taken.port}`;
    const attempt = start({ server: { enabled: true, listen: free }, metrics: { enabled: true, listen } });
    await expect(attempt).rejects.toThrow(
      `Cannot listen on ${listen} for metrics: address in use; set metrics.listen or stop the other process`,
    );
    await attempt.catch(() => {});
    const { serverUrl } = await start({ server: { enabled: true, listen: free }, metrics: DISABLED });
    expect((await ask(serverUrl, "/livez")).status).toBe(200);
  });

  test("says in one line that an address is not ours", async () => {
    // 192.0.2.0/24 is documentation's (RFC 5737): no machine has it.
    await expect(start({ server: { enabled: true, listen: "192.0.2.1:8080" } })).rejects.toThrow(
      /^Cannot listen on 192\.0\.2\.1:8080 for health: [^\n]+; set server\.listen/,
    );
  });
});

test("livenessDeadline is five polls, at least 15 s", () => {
  expect([1000, 3000, 60_000].map((poll) => Number(livenessDeadline(toMilliseconds(poll))))).toEqual([
    15_000, 15_000, 300_000,
  ]);
});
