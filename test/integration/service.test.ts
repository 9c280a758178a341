// What the running agent says of itself: health, and metrics whose every stage adds up.

import { expect, test } from "bun:test";
import { until } from "../collector/until.ts";
import { startAgent } from "../support/agent.ts";
import { METRICS_ADDRESS, type Metrics, readMetrics } from "../support/agent-metrics.ts";
import { bridge, connect, Namespace } from "../support/namespace.ts";
import { startCollector } from "../support/namespace-collector.ts";
import { iperf, type Speaker, serveIperf, startDatagrams } from "../support/namespace-traffic.ts";
import { readWhenQuiet } from "../support/witness.ts";

/** Verdicts on a packet, one each; what is a part of another (`taken_over`, `fragment`) or no packet is left out. */
const VERDICTS = [
  "accounted",
  "duplicate",
  "not_ip",
  "map_full",
  "map_busy",
  "parse_depth",
  "unsupported_link",
  "malformed_link",
  "malformed_ipv4",
  "malformed_ipv6",
  "malformed_extension",
  "malformed_tcp",
  "malformed_udp",
  "malformed_sctp",
  "malformed_icmp",
];

function sum(metrics: Metrics, prefix: string): number {
  const series = [...metrics].filter(([name]) => name.startsWith(prefix));
  if (series.length === 0) throw new Error(`no series ${prefix}`);
  return series.reduce((total, [, value]) => total + value, 0);
}

function verdict(metrics: Metrics, name: string): number {
  return sum(metrics, `mermin_kernel_packets_total{verdict="${name}"}`);
}

interface Bridged extends AsyncDisposable {
  readonly router: Namespace;
  readonly left: Speaker;
  readonly right: Speaker;
}

function makeBridged(): Bridged {
  const [left, right, router] = ["left", "right", "router"].map((label) => new Namespace(label));
  if (left === undefined || right === undefined || router === undefined) throw new Error("three namespaces");
  connect({ namespace: left, device: "left0" }, { namespace: router, device: "port0" });
  connect({ namespace: right, device: "right0" }, { namespace: router, device: "port1" });
  bridge(router, "bridge0", ["port0", "port1"]);
  left.ip("address", "add", "10.77.0.1/24", "dev", "left0");
  right.ip("address", "add", "10.77.0.2/24", "dev", "right0");
  return {
    router,
    left: { namespace: left, address: "10.77.0.1" },
    right: { namespace: right, address: "10.77.0.2" },
    [Symbol.asyncDispose]: async () => {
      for (const namespace of [left, right, router]) await namespace[Symbol.asyncDispose]();
    },
  };
}

test("every stage's metrics: in is out and lost", async () => {
  await using place = makeBridged();
  const { router, left, right } = place;
  const collector = await startCollector(router, "accept");
  const agent = await startAgent(router, {
    config: {
      span: {
        max_record_interval: "1s",
        tcp_timeout: "1s",
        tcp_fin_timeout: "1s",
        tcp_rst_timeout: "1s",
        udp_timeout: "1s",
        icmp_timeout: "1s",
      },
      metrics: { listen: METRICS_ADDRESS },
      "export.otlp": { endpoint: collector.endpoint, max_batch_interval: "100ms" },
    },
  });
  await using server = serveIperf(right);
  await iperf(left, server, ["-t", "2", "-b", "100M"]);
  await startDatagrams(left, right, { port: 9, count: 500 }).ended();
  await readWhenQuiet([left.namespace, right.namespace]);
  const isDone = (metrics: Metrics): boolean =>
    sum(metrics, "mermin_flows_created_total") > 2 &&
    sum(metrics, "mermin_flows_active") === 0 &&
    sum(metrics, "mermin_queue_spans") === 0;
  await until(() => isDone(readMetrics(router)), 20_000);
  const metrics = readMetrics(router);

  const judged = VERDICTS.reduce((total, name) => total + verdict(metrics, name), 0);
  expect(verdict(metrics, "duplicate")).toBeGreaterThan(1000);
  expect(judged - verdict(metrics, "taken_over")).toBe(sum(metrics, "mermin_packets_total"));
  expect(sum(metrics, "mermin_flow_packets_total")).toBe(verdict(metrics, "accounted"));
  expect(sum(metrics, "mermin_flow_bytes_total")).toBe(
    sum(metrics, 'mermin_kernel_bytes_total{verdict="accounted"}'),
  );
  expect(sum(metrics, "mermin_flows_released_total")).toBe(sum(metrics, "mermin_flows_created_total"));
  expect(sum(metrics, "mermin_losses_total")).toBe(0);
  const records = sum(metrics, "mermin_flow_records_total");
  for (const exporter of ["stdout", "otlp"]) {
    expect(sum(metrics, `mermin_export_spans_total{exporter="${exporter}"`)).toBe(records);
  }
  const { spans, exitCode } = await agent.stopped("SIGTERM");
  expect({ exitCode, spans: spans.length }).toEqual({ exitCode: 0, spans: records });
  expect((await collector.stop()).length).toBe(records);
});

test("health answers on its own address, each check with a reason", async () => {
  await using place = makeBridged();
  const { router } = place;
  const agent = await startAgent(router, { config: { server: { listen: "127.0.0.1:8080" } } });
  const ask = (path: string): unknown =>
    JSON.parse(router.run("curl", "--silent", `http://127.0.0.1:8080${path}`));
  const isOk = (name: string): unknown => ({
    name,
    status: "ok",
    reason: expect.stringMatching(/\w/),
  });
  expect(ask("/livez")).toEqual({ status: "ok", checks: [isOk("capture_loop")] });
  expect(ask("/startup")).toEqual({ status: "ok", checks: [isOk("programs")] });
  expect(ask("/readyz")).toEqual({
    status: "ok",
    checks: ["programs", "interfaces", "exporters", "persistence", "kubernetes"].map(isOk),
  });
  const status = router.run(
    ...[
      "curl",
      "--silent",
      "--output",
      "/dev/null",
      "--write-out",
      "%{http_code}",
      "http://127.0.0.1:8080/metrics",
    ],
  );
  expect(status).toBe("404");
  expect((await agent.stopped("SIGTERM")).exitCode).toBe(0);
});
