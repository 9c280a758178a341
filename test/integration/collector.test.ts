// The built agent and a real OpenTelemetry Collector, with traffic: secured ways, and an outage longer than the queue.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import * as v from "valibot";
import { until } from "../collector/until.ts";
import { type Agent, type AgentConfig, startAgent } from "../support/agent.ts";
import { readMetrics } from "../support/agent-metrics.ts";
import { issueCertificate, makeAuthority } from "../support/certificates.ts";
import {
  type CollectorOptions,
  describeWithCollector,
  inOrder,
  type OtelCollector,
  startOtelCollector,
} from "../support/collector.ts";
import type { Namespace } from "../support/namespace.ts";
import { startFlood } from "../support/namespace-flood.ts";
import { addIpv6, makePair } from "../support/namespace-pair.ts";
import { demandSuccess, iperf, ping, serveIperf } from "../support/namespace-traffic.ts";
import { readWhenQuiet } from "../support/witness.ts";

const TEST_MS = 60_000;
const DRAIN_MS = 30_000;
/** Of the agent at its peak, with a queue that has been full throughout an outage. */
const MOST_RESIDENT_BYTES = 300e6;
/** Spans of a request. */
const BATCH = 1024;
const FAILURES = 'mermin_export_requests_total{exporter="otlp",outcome="failure"}';

interface Way {
  readonly name: string;
  readonly collector: (namespace: Namespace) => CollectorOptions;
  readonly agent: (collector: OtelCollector, namespace: Namespace) => AgentConfig;
}

const HERE = ["IP:127.0.0.1"];

const WAYS: readonly Way[] = [
  {
    name: "grpc, TLS, bearer token, gzip",
    collector: ({ folder }) => ({
      tls: issueCertificate(makeAuthority(folder, "authority"), folder, "server", HERE),
      bearer: "s3cret",
    }),
    agent: ({ grpc }, { folder }) => ({
      "export.otlp": { protocol: "grpc", endpoint: grpc },
      "export.otlp.tls": { ca_cert: `${folder}/authority.pem` },
      "export.otlp.auth.bearer": { token: "s3cret" },
    }),
  },
  {
    name: "http_protobuf, client certificate, no compression",
    collector: ({ folder }) => {
      const authority = makeAuthority(folder, "authority");
      issueCertificate(authority, folder, "client", ["DNS:agent.test"]);
      return {
        tls: issueCertificate(authority, folder, "server", HERE),
        clientAuthority: authority.cert,
      };
    },
    agent: ({ http }, { folder }) => ({
      "export.otlp": { endpoint: http, compression: "none" },
      "export.otlp.tls": {
        ca_cert: `${folder}/authority.pem`,
        client_cert: `${folder}/client.pem`,
        client_key: `${folder}/client.key`,
      },
    }),
  },
  {
    name: "http_json, basic authentication",
    collector: () => ({ basic: { username: "mermin", password: "word" } }),
    agent: ({ http }) => ({
      "export.otlp": { protocol: "http_json", endpoint: http },
      "export.otlp.auth.basic": { username: "mermin", password: "word" },
    }),
  },
];

const anySpan = v.looseObject({ spanId: v.string(), startTimeUnixNano: v.string() });

function ids(spans: readonly { readonly spanId: string }[]): Set<string> {
  return new Set(spans.map(({ spanId }) => spanId));
}

/** Spans that exporters dropped, for any reason. */
function countDropped(statistics: ReadonlyMap<string, number>): number {
  const lost = [...statistics].filter(([name]) => /^lost_(queue|export)_/.test(name));
  return lost.reduce((sum, [, count]) => sum + count, 0);
}

function peakResidentBytes({ process: { pid } }: Agent): number {
  const [, kibibytes] = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kibibytes) * 1024;
}

describeWithCollector("agent and Collector", () => {
  test.each(WAYS)(
    "the Collector has what standard output says: $name",
    async (way) => {
      await using pair = makePair();
      const [left, right] = pair.hosts;
      await using collector = await startOtelCollector({
        namespace: left.namespace,
        ...way.collector(left.namespace),
      });
      const agent = await startAgent(left.namespace, {
        config: { span: { max_record_interval: "1s" }, ...way.agent(collector, left.namespace) },
      });
      addIpv6(pair);
      await using server = serveIperf(right.ipv6);
      await iperf(left.ipv6, server, ["-n", "2M"]);
      await ping(left.ipv4, right.ipv4, 3);
      await readWhenQuiet([left.namespace, right.namespace]);
      const { exitCode, stdout, stderr } = await agent.stopped("SIGTERM");
      expect(exitCode, stderr).toBe(0);
      const lines = stdout.split("\n").filter(Boolean);
      const written = lines.map((line) => v.parse(anySpan, JSON.parse(line)));
      expect(written.length, stderr).toBeGreaterThanOrEqual(3);
      expect<unknown>(inOrder(collector.spans())).toEqual(inOrder(written));
    },
    TEST_MS,
  );

  test(
    "a Collector gets everything in time beside one that is dead and comes first",
    async () => {
      await using pair = makePair();
      const [left, right] = pair.hosts;
      await using collector = await startOtelCollector({ namespace: left.namespace });
      const one = (name: string, endpoint: string): string =>
        `[[export.otlp]]\nname = "${name}"\nendpoint = "${endpoint}"\nmax_batch_interval = "100ms"\n`;
      const agent = await startAgent(left.namespace, {
        config: {
          "": { shutdown_timeout: "2s" },
          span: { max_record_interval: "1s" },
          metrics: { enabled: true },
        },
        toml: one("dead", "http://127.0.0.1:9") + one("alive", collector.http),
      });
      const flows = 2000;
      await demandSuccess(startFlood(left, { kind: "udp", flows, rounds: 20, pauseMs: 200 }));
      await ping(left.ipv4, right.ipv4, 3);
      await until(() => {
        const metrics = readMetrics(left.namespace);
        const sent = metrics.get('mermin_export_spans_total{exporter="alive",outcome="sent"}') ?? 0;
        return sent > flows && metrics.get('mermin_queue_spans{exporter="alive"}') === 0;
      }, DRAIN_MS);
      const metrics = readMetrics(left.namespace);
      expect(metrics.get('mermin_queue_spans{exporter="dead"}')).toBeGreaterThan(flows);
      const { spans, statistics } = await agent.stopped("SIGTERM");
      const received = collector.spans().map(({ spanId }) => spanId);
      expect(received.toSorted()).toEqual(spans.map(({ spanId }) => spanId).toSorted());
      expect(countDropped(statistics)).toBe(spans.length);
    },
    TEST_MS,
  );

  test(
    "a Collector that stands still costs the oldest spans, counted, and bounded memory",
    async () => {
      await using pair = makePair();
      const [left] = pair.hosts;
      await using collector = await startOtelCollector({ namespace: left.namespace });
      const agent = await startAgent(left.namespace, {
        config: {
          span: { max_record_interval: "1s" },
          metrics: { enabled: true },
          "export.otlp": { endpoint: collector.http, timeout: "500ms", max_queue_size: 8 * BATCH },
          "export.otlp.retry": { initial: "100ms", maximum: "500ms" },
        },
      });
      collector.hold();
      await demandSuccess(startFlood(left, { kind: "udp", flows: 10_000, rounds: 40, pauseMs: 100 }));
      const peak = peakResidentBytes(agent);
      collector.release();
      await until(
        () => readMetrics(left.namespace).get('mermin_queue_spans{exporter="otlp"}') === 0,
        DRAIN_MS,
      );
      const failures = readMetrics(left.namespace).get(FAILURES) ?? 0;
      const { exitCode, spans, statistics } = await agent.stopped("SIGTERM");
      expect(exitCode).toBe(0);
      const dropped = countDropped(statistics);
      const told = ids(spans);
      const received = ids(collector.spans());
      expect(spans.length).toBe(told.size);
      expect([...received].filter((id) => !told.has(id))).toEqual([]);
      expect(dropped).toBeGreaterThan(8 * BATCH);
      expect(received.size + dropped).toBeGreaterThanOrEqual(told.size);
      // A request that was given up it may have read later: then its spans are here, and counted.
      expect(received.size + dropped).toBeLessThanOrEqual(told.size + failures * BATCH);
      expect(peak).toBeLessThan(MOST_RESIDENT_BYTES);
    },
    TEST_MS,
  );
});
