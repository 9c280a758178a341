// TLS and authentication between our exporter and a real OpenTelemetry Collector.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Certificate, issueCertificate, makeAuthority } from "../support/certificates.ts";
import { describeWithCollector, type OtelCollector, startOtelCollector } from "../support/collector.ts";
import { type Exporting, SpanSource, startExporting } from "../support/exporting.ts";
import { until } from "./until.ts";

const FLUSH_MS = 10_000;
const SPANS = 100;
const PROTOCOLS = ["http_protobuf", "grpc"] as const;
const HERE = ["IP:127.0.0.1", "DNS:localhost"];

type Protocol = (typeof PROTOCOLS)[number];

let folder: string;
let authority: Certificate;
let other: Certificate;
let client: Certificate;
let server: Certificate;

beforeAll(() => {
  folder = mkdtempSync("/dev/shm/mermin-certificates-");
  authority = makeAuthority(folder, "authority");
  other = makeAuthority(folder, "other");
  server = issueCertificate(authority, folder, "server", HERE);
  client = issueCertificate(authority, folder, "client", ["DNS:agent.test"]);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** @param settings lines of TOML behind those of [export.otlp] */
function exportTo(collector: OtelCollector, protocol: Protocol, settings: string): Exporting {
  return startExporting(`
    [export.otlp]
    protocol = "${protocol}"
    endpoint = "${protocol === "grpc" ? collector.grpc : collector.http}"
    timeout = "2s"
    max_batch_interval = "10ms"
    retry = { initial = "100ms", maximum = "200ms" }
    ${settings}
  `);
}

async function expectTaken(collector: OtelCollector, { exporter, logged }: Exporting): Promise<void> {
  const before = collector.spans().length;
  exporter.accept(new SpanSource().batch(SPANS));
  expect(await exporter.flush(AbortSignal.timeout(FLUSH_MS)), logged.join("")).toBe(true);
  expect(collector.spans().length).toBe(before + SPANS);
}

/** The collector is not trusted, or does not trust us: no span goes out, none is lost, and it is tried again. */
async function expectHeldBack(collector: OtelCollector, { exporter, logged }: Exporting): Promise<void> {
  const before = collector.spans().length;
  exporter.accept(new SpanSource().batch(SPANS));
  await until(() => exporter.stats().requests.failure >= 2);
  expect(exporter.stats()).toMatchObject({ sent: 0, dropped: {}, queueSpans: SPANS });
  expect(logged.filter((line) => line.includes("cannot export"))).toHaveLength(1);
  expect(collector.spans().length).toBe(before);
}

async function expectRefused(collector: OtelCollector, { exporter, logged }: Exporting): Promise<void> {
  exporter.accept(new SpanSource().batch(SPANS));
  expect(await exporter.flush(AbortSignal.timeout(FLUSH_MS))).toBe(false);
  expect(exporter.stats()).toMatchObject({ sent: 0, dropped: { rejected: SPANS }, queueSpans: 0 });
  expect(logged.filter((line) => line.includes("collector refused a request"))).toHaveLength(1);
  expect(collector.spans()).toEqual([]);
}

describeWithCollector("with TLS", () => {
  let collector: OtelCollector;
  beforeAll(async () => {
    collector = await startOtelCollector({ tls: server });
  });
  afterAll(() => collector[Symbol.asyncDispose]());

  describe.each(PROTOCOLS)("%s", (protocol) => {
    test("trusts the authority of ca_cert", async () => {
      await using exporting = exportTo(collector, protocol, `tls.ca_cert = "${authority.cert}"`);
      await expectTaken(collector, exporting);
      expect(exporting.logged).toEqual([]);
    });

    test("trusts no other authority", async () => {
      await using exporting = exportTo(collector, protocol, `tls.ca_cert = "${other.cert}"`);
      await expectHeldBack(collector, exporting);
      expect(exporting.logged.join("")).toContain("authority that is not trusted");
    });

    test("trusts the system's authorities alone where there is no ca_cert", async () => {
      await using exporting = exportTo(collector, protocol, "");
      await expectHeldBack(collector, exporting);
    });

    test("takes any certificate with insecure_skip_verify, and says so", async () => {
      await using exporting = exportTo(collector, protocol, "tls.insecure_skip_verify = true");
      await expectTaken(collector, exporting);
      expect(exporting.logged.join("")).toContain("WARN  tls.insecure_skip_verify");
    });

    test("takes an authority that comes while it waits", async () => {
      const path = join(folder, `late-${protocol}.pem`);
      copyFileSync(other.cert, path);
      await using exporting = exportTo(collector, protocol, `tls.ca_cert = "${path}"`);
      await expectHeldBack(collector, exporting);
      copyFileSync(authority.cert, `${path}.new`);
      renameSync(`${path}.new`, path);
      await until(() => exporting.exporter.stats().sent === SPANS);
      expect(exporting.exporter.stats().dropped).toEqual({});
    });
  });
});

describeWithCollector("with a certificate for another name", () => {
  let collector: OtelCollector;
  beforeAll(async () => {
    collector = await startOtelCollector({
      tls: issueCertificate(authority, folder, "elsewhere", ["DNS:collector.test"]),
    });
  });
  afterAll(() => collector[Symbol.asyncDispose]());

  test.each(PROTOCOLS)("%s is refused without server_name, and taken with it", async (protocol) => {
    const trust = `tls.ca_cert = "${authority.cert}"`;
    await using strict = exportTo(collector, protocol, trust);
    await expectHeldBack(collector, strict);
    await using named = exportTo(collector, protocol, `${trust}\ntls.server_name = "collector.test"`);
    await expectTaken(collector, named);
    await using misnamed = exportTo(collector, protocol, `${trust}\ntls.server_name = "other.test"`);
    await expectHeldBack(collector, misnamed);
  });
});

describeWithCollector("with client certificates", () => {
  let collector: OtelCollector;
  beforeAll(async () => {
    collector = await startOtelCollector({ tls: server, clientAuthority: authority.cert });
  });
  afterAll(() => collector[Symbol.asyncDispose]());

  const withClient = ({ cert, key }: Certificate): string =>
    `tls = { ca_cert = "${authority.cert}", client_cert = "${cert}", client_key = "${key}" }`;

  describe.each(PROTOCOLS)("%s", (protocol) => {
    test("shows its certificate", async () => {
      await using exporting = exportTo(collector, protocol, withClient(client));
      await expectTaken(collector, exporting);
    });

    test("is not taken without one", async () => {
      await using exporting = exportTo(collector, protocol, `tls.ca_cert = "${authority.cert}"`);
      await expectHeldBack(collector, exporting);
    });

    test("is not taken with a stranger's, and is once it is replaced", async () => {
      const name = `rotated-${protocol}`;
      const rotated = issueCertificate(other, folder, name, ["DNS:agent.test"]);
      await using exporting = exportTo(collector, protocol, withClient(rotated));
      await expectHeldBack(collector, exporting);
      issueCertificate(authority, folder, name, ["DNS:agent.test"]);
      await until(() => exporting.exporter.stats().sent === SPANS);
      expect(exporting.exporter.stats().dropped).toEqual({});
    });
  });
});

describeWithCollector("with basic authentication", () => {
  let collector: OtelCollector;
  beforeAll(async () => {
    collector = await startOtelCollector({ basic: { username: "mermin", password: "p:ä ß" } });
  });
  afterAll(() => collector[Symbol.asyncDispose]());

  test.each(PROTOCOLS)("%s says who it is", async (protocol) => {
    const settings = 'auth.basic = { username = "mermin", password = "p:ä ß" }';
    await using exporting = exportTo(collector, protocol, settings);
    await expectTaken(collector, exporting);
  });
});

describeWithCollector("with wrong credentials", () => {
  test.each(PROTOCOLS)("%s counts what is refused", async (protocol) => {
    await using basic = await startOtelCollector({ basic: { username: "mermin", password: "right" } });
    const settings = 'auth.basic = { username = "mermin", password = "wrong" }';
    await using exporting = exportTo(basic, protocol, settings);
    await expectRefused(basic, exporting);
    await using bearer = await startOtelCollector({ bearer: "right" });
    await using other = exportTo(bearer, protocol, 'auth.bearer.token = "wrong"');
    await expectRefused(bearer, other);
  });
});

describeWithCollector("with a bearer token", () => {
  let collector: OtelCollector;
  beforeAll(async () => {
    collector = await startOtelCollector({ bearer: "s3cret" });
  });
  afterAll(() => collector[Symbol.asyncDispose]());

  test.each(PROTOCOLS)("%s shows it, from a file that may change", async (protocol) => {
    const path = join(folder, `token-${protocol}`);
    writeFileSync(path, "expired\n");
    await using exporting = exportTo(collector, protocol, `auth.bearer.token = { file = "${path}" }`);
    const { exporter } = exporting;
    exporter.accept(new SpanSource().batch(SPANS));
    await until(() => exporter.stats().queueSpans === 0);
    expect(exporter.stats().dropped).toEqual({ rejected: SPANS });
    writeFileSync(`${path}.new`, "s3cret\n");
    renameSync(`${path}.new`, path);
    await expectTaken(collector, exporting);
    expect(exporter.stats()).toMatchObject({ sent: SPANS, dropped: { rejected: SPANS } });
  });
});
