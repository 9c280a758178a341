import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConfigFlags, loadConfig } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";
import { defaultConfig } from "../../../src/config/schema.ts";
import { toMilliseconds } from "../../../src/lib/time.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mermin-config-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

type Environment = Record<string, string>;

function load(toml: string, environment: Environment = {}, flags: ConfigFlags = {}) {
  const path = join(folder, "mermin.toml");
  writeFileSync(path, toml);
  return loadConfig({ path, ...flags }, environment);
}

/** The problems of a config, without the folder's name. */
function problemsOf(toml: string, environment: Environment = {}, flags: ConfigFlags = {}): readonly string[] {
  try {
    load(toml, environment, flags);
  } catch (error) {
    if (error instanceof ConfigError)
      return error.problems.map((problem) => problem.replaceAll(`${folder}/`, ""));
    throw error;
  }
  return [];
}

describe("loadConfig", () => {
  test("has the documented defaults without a file", () => {
    const config = loadConfig({}, {});
    expect(config).toEqual(defaultConfig());
    expect(config.flow as unknown).toEqual({
      table_capacity: 131_072,
      ring_buffer_bytes: 4 * 2 ** 20,
      poll_interval: 1000,
      key_includes: [],
    });
    expect(config.capture.sampling).toBe(1);
    expect(config.parser).toEqual({
      vxlan_ports: [4789, 8472],
      vxlan_gpe_ports: [4790],
      geneve_ports: [6081],
      gtp_ports: [2152],
      teredo_ports: [],
      fou_ports: [],
      wireguard_ports: [51_820],
      esp_ports: [4500],
    });
    expect(config.span as unknown).toEqual({
      max_record_interval: 60_000,
      tcp_timeout: 20_000,
      tcp_fin_timeout: 5_000,
      tcp_rst_timeout: 5_000,
      udp_timeout: 60_000,
      icmp_timeout: 10_000,
      generic_timeout: 30_000,
      community_id_seed: 0,
      trace_id_timeout: 86_400_000,
      semconv: "1.30",
      attributes: { include: ["*"], exclude: [] },
    });
    expect(config.export).toEqual({
      stdout: { format: "pretty" },
      otlp: [],
      file: undefined,
      flow_metrics: {
        attributes: ["network.type", "network.transport", "flow.direction"],
        max_series: 2000,
        interval: toMilliseconds(30_000),
        expire: toMilliseconds(600_000),
      },
      resource_attributes: {},
    });
  });

  test("crosses to a worker unchanged", () => {
    const config = load("[export.otlp]\nheaders = { a = 'b' }");
    expect(structuredClone(config)).toEqual(config);
  });

  test("lets flags win over environment, environment over file", () => {
    const toml = 'log_level = "error"\n[capture]\ninterfaces = ["eth0"]';
    expect(load(toml).log_level).toBe("error");
    expect(load(toml, { MERMIN_LOG_LEVEL: "WARN" }).log_level).toBe("warn");
    const flags = { logLevel: "debug", interfaces: ["lo", "en*"] };
    const config = load(toml, { MERMIN_LOG_LEVEL: "warn" }, flags);
    expect([config.log_level, config.capture.interfaces]).toEqual(["debug", ["lo", "en*"]]);
    expect(load(toml, {}, { interfaces: [] }).capture.interfaces).toEqual(["eth0"]);
  });

  test("finds the file by MERMIN_CONFIG_PATH, unless --config names one", () => {
    const other = join(folder, "other.toml");
    writeFileSync(other, 'log_level = "debug"');
    expect(loadConfig({}, { MERMIN_CONFIG_PATH: other }).log_level).toBe("debug");
    expect(load('log_level = "warn"', { MERMIN_CONFIG_PATH: other }).log_level).toBe("warn");
  });

  test("says a missing file in one line", () => {
    const path = join(folder, "absent.toml");
    expect(() => loadConfig({ path }, {})).toThrow(
      new ConfigError([`Cannot read config "${path}": no such file`]),
    );
  });

  test("says where TOML is broken", () => {
    expect(problemsOf('log_level = "info"\nlog_format = \n')[0]).toMatch(
      /^mermin\.toml:2:\d+: not TOML: .+$/,
    );
  });

  test("lists every error at once, by line", () => {
    const toml = [
      'log_levl = "info"',
      "shutdown_timeout = 5",
      "server = 3",
      "[span]",
      'tcp_timout = "5s"',
      'udp_timeout = "5x"',
      'icmp_timeout = "25h"',
      "[capture]",
      'interfaces = ["eth0", "en[0", 5]',
      'tcp_timeout = "1s"',
      "[flow]",
      'ring_buffer_bytes = "3MiB"',
      "table_capacity = 12.5",
      "[geoip]",
      "[export.otlp]",
      'endpoint = "collector:4317"',
      'compression = "zstd"',
    ];
    expect(problemsOf(toml.join("\n"))).toEqual([
      "mermin.toml:1: log_levl is not a setting; did you mean log_level?",
      'mermin.toml:2: shutdown_timeout 5 must be a duration in quotes, such as "28s"',
      "mermin.toml:3: server must be a table, written [server]",
      "mermin.toml:5: span.tcp_timout is not a setting; did you mean span.tcp_timeout?",
      'mermin.toml:6: span.udp_timeout "5x" must be a duration such as "60s"',
      'mermin.toml:7: span.icmp_timeout "25h" must be 100ms to 24h',
      'mermin.toml:9: capture.interfaces[1] "en[0" is a malformed pattern: "[" is not closed',
      "mermin.toml:9: capture.interfaces[2] 5 must be a string",
      "mermin.toml:10: capture.tcp_timeout is not a setting; did you mean span.tcp_timeout?",
      'mermin.toml:12: flow.ring_buffer_bytes "3MiB" must be 4KiB to 1GiB, a power of two and a multiple of the page size (4KiB)',
      "mermin.toml:13: flow.table_capacity 12.5 must be a whole number, 1024 to 16777216",
      "mermin.toml:14: geoip is not a setting; known here: log_level, log_format, shutdown_timeout, capture, parser, flow, span, filter, kubernetes, pipeline, export, server, metrics, telemetry",
      'mermin.toml:16: export.otlp.endpoint "collector:4317" must be an http or https URL, such as "http://localhost:4318"',
      'mermin.toml:17: export.otlp.compression "zstd" must be one of "gzip", "none"',
    ]);
  });

  test.each([
    ["[flow]\ntable_capacity = 1023", "flow.table_capacity 1023 must be a whole number, 1024 to 16777216"],
    [
      "[flow]\ntable_capacity = 16777217",
      "flow.table_capacity 16777217 must be a whole number, 1024 to 16777216",
    ],
    ['[flow]\npoll_interval = "99ms"', 'flow.poll_interval "99ms" must be 100ms to 1m'],
    ["[span]\ncommunity_id_seed = 65536", "span.community_id_seed 65536 must be a whole number, 0 to 65535"],
    [
      '[export.flow_metrics]\nattributes = ["flow.bytes.delta"]',
      'export.flow_metrics.attributes[0] "flow.bytes.delta" must be an attribute of type int or string that is no count; docs/attributes.md has them all',
    ],
    [
      '[export.flow_metrics]\nattributes = ["network.transprot"]',
      'export.flow_metrics.attributes[0] "network.transprot" must be an attribute of type int or string that is no count; did you mean "network.transport"?',
    ],
    [
      "[export.flow_metrics]\nmax_series = 0",
      "export.flow_metrics.max_series 0 must be a whole number, 1 to 100000",
    ],
    ['[span]\ntrace_id_timeout = "999ms"', 'span.trace_id_timeout "999ms" must be 1s to 8760h'],
    ['[server]\nlisten = "8080"', 'server.listen "8080" must be address:port, such as "0.0.0.0:8080"'],
    ["[capture]\nsampling = 0", "capture.sampling 0 must be a whole number, 1 to 1000000"],
    ['[flow]\nkey_includes = ["vxlan"]', 'flow.key_includes[0] "vxlan" must be one of "vlan", "tunnel_id"'],
    ["[parser]\ngtp_ports = [1, 65536]", "parser.gtp_ports[1] 65536 must be a whole number, 1 to 65535"],
    ["[parser]\ngtp_ports = [0]", "parser.gtp_ports[0] 0 must be a whole number, 1 to 65535"],
    ["[parser]\ngtp_ports = 2152", "parser.gtp_ports 2152 must be a list of whole numbers"],
    [
      "[parser]\ngtp_ports = [1, 2, 3, 4, 5, 6, 7, 8, 9]",
      "parser.gtp_ports [1,2,3,4,5,6,7,8,9] must be 8 numbers at most",
    ],
    [
      '[metrics]\nlisten = "0.0.0.0:65536"',
      'metrics.listen "0.0.0.0:65536" must be address:port, such as "0.0.0.0:8080"',
    ],
  ])("refuses what is out of range: %s", (toml, problem) => {
    expect(problemsOf(toml)).toEqual([`mermin.toml:2: ${problem}`]);
  });

  test.each([
    ["[flow]\ntable_capacity = 1024\nring_buffer_bytes = 4096"],
    ['[flow]\ntable_capacity = 16777216\npoll_interval = "100ms"\nring_buffer_bytes = "1GiB"'],
    ['[span]\ncommunity_id_seed = 65535\ntrace_id_timeout = "1s"'],
    ['[pipeline]\nstats_interval = "0s"'],
    ['[server]\nlisten = "[::1]:0"'],
    ['[capture]\nsampling = 1000000\n[flow]\nkey_includes = ["vlan", "tunnel_id"]'],
    ["[parser]\nvxlan_ports = []\ngtp_ports = [1, 2, 3, 4, 5, 6, 7, 65535]"],
  ])("takes the bounds themselves: %s", (toml) => {
    expect(problemsOf(toml)).toEqual([]);
  });

  test("refuses what cannot work together", () => {
    expect(problemsOf('[metrics]\nlisten = "0.0.0.0:8080"')).toEqual([
      "mermin.toml:2: metrics.listen must differ from server.listen",
    ]);
    expect(problemsOf('[server]\nenabled = false\n[metrics]\nlisten = "0.0.0.0:8080"')).toEqual([]);
    expect(problemsOf("[export.otlp]\nmax_batch_size = 100\nmax_queue_size = 99")).toEqual([
      "mermin.toml:3: export.otlp.max_queue_size must be at least max_batch_size",
    ]);
    expect(problemsOf('[export.stdout]\nformat = "none"')).toEqual([
      'mermin.toml:1: export has no exporter: add [export.otlp] or [export.file], or a stdout format that is not "none"',
    ]);
  });

  test("refuses a UDP port in two lists, defaults among them", () => {
    expect(problemsOf("[parser]\nfou_ports = [5555, 4500, 5555]\ngtp_ports = [5555]")).toEqual([
      "mermin.toml:2: parser.fou_ports must not have port 5555, which is in gtp_ports",
      "mermin.toml: parser.esp_ports must not have port 4500, which is in fou_ports",
    ]);
    expect(problemsOf("[parser]\nfou_ports = [4500]\nesp_ports = []")).toEqual([]);
  });

  test("exports to standard output only where nothing else is asked for", () => {
    const formatOf = (toml: string): string => load(toml).export.stdout.format;
    expect(formatOf("")).toBe("pretty");
    expect(formatOf("[export.otlp]")).toBe("none");
    expect(formatOf("[export.otlp]\n[export.stdout]")).toBe("pretty");
    expect(formatOf('[export.otlp]\n[export.stdout]\nformat = "ndjson"')).toBe("ndjson");
  });
});

describe("loadConfig, references", () => {
  test("replaces variables in strings, in numbers and in booleans", () => {
    const toml =
      'log_level = "${LEVEL:warn}"\n[flow]\ntable_capacity = "${CAPACITY}"\n[parser]\nfou_ports = ["${FOU}", 5556]\n[server]\nenabled = "${SERVE:true}"\n[export.resource_attributes]\na = "x-${A:}-$${A}"';
    const config = load(toml, { CAPACITY: "2048", FOU: "5555", SERVE: "false", LEVEL: "" });
    expect(config.log_level).toBe("warn");
    expect(config.flow.table_capacity).toBe(2048);
    expect(config.parser.fou_ports).toEqual([5555, 5556]);
    expect(config.server.enabled).toBe(false);
    expect(config.export.resource_attributes).toEqual({ a: "x--${A}" });
  });

  test("names the variable that is not set, once", () => {
    expect(problemsOf('\nlog_level = "${NOPE}"')).toEqual([
      "mermin.toml:2: log_level names the environment variable NOPE, which is not set; ${NOPE:value} gives a fallback",
    ]);
  });

  test("reads a secret from a file beside the config", () => {
    writeFileSync(join(folder, "token"), "Bearer abc\n");
    const config = load('[export.otlp]\nheaders = { authorization = { file = "${T:token}" }, x = "y" }');
    expect(config.export.otlp[0]?.headers).toEqual({
      authorization: { file: join(folder, "token") },
      x: "y",
    });
  });

  test("never shows a secret in an error", () => {
    const problems = problemsOf(
      '[export.otlp.headers]\na = { file = "absent" }\nb = { fil = "hunter2" }\nc = 12345',
    );
    expect(problems).toEqual([
      'mermin.toml:2: export.otlp.headers.a names the file "absent", which cannot be read: no such file',
      'mermin.toml:3: export.otlp.headers.b must be a string or { file = "path" }',
      'mermin.toml:4: export.otlp.headers.c must be a string or { file = "path" }',
    ]);
  });

  test("never shows a password of a URL in an error", () => {
    expect(problemsOf('[export.otlp]\nendpoint = "grpc://x:1/?key=hunter2&b=hunter3#c"')[0]).toContain(
      '"grpc://x:1/?key=********&b=********#c" must be',
    );
    expect(problemsOf('[export.otlp]\nendpoint = "http://me:hun/ter2@x:1"')[0]).toContain(
      '"http://********@x:1" must be',
    );
    expect(problemsOf('[export.otlp]\nendpoint = "grpc://me:hunter2@x:1"')[0]).toContain(
      '"grpc://********@x:1" must be',
    );
  });

  test("takes { file } for a secret only", () => {
    expect(problemsOf('[export.resource_attributes]\na = { file = "token" }')).toEqual([
      "mermin.toml:2: export.resource_attributes.a must be a string",
    ]);
  });
});

describe("loadConfig, several collectors", () => {
  test("takes one table or a list of them, each with its defaults", () => {
    const [only] = load('[export.otlp]\nprotocol = "grpc"').export.otlp;
    expect(only).toMatchObject({ name: "otlp", endpoint: "http://localhost:4317", signals: ["traces"] });
    expect(only?.retry).toEqual({ initial: 1000, factor: 1.5, maximum: 30_000, elapsed: 300_000 } as never);
    const several = load(
      '[[export.otlp]]\nmax_queue_bytes = "1MiB"\n[export.otlp.tls]\nca_cert = "ca.pem"\n[[export.otlp]]\nname = "spare"',
      { OTEL_EXPORTER_OTLP_ENDPOINT: "https://a:1" },
    );
    expect(several.export.otlp).toMatchObject([
      {
        name: "otlp",
        endpoint: "https://a:1",
        max_queue_bytes: 1_048_576,
        tls: { ca_cert: join(folder, "ca.pem") },
      },
      { name: "spare", endpoint: "http://localhost:4318", max_queue_bytes: 33_554_432 },
    ]);
  });

  test("names the line of the table that is wrong", () => {
    const second = "[[export.otlp]]\n\n[[export.otlp]]\n[export.otlp.auth.basic]\n";
    expect(problemsOf(`${second}user = "a"`)[0]).toStartWith(
      "mermin.toml:5: export.otlp[1].auth.basic.user is not",
    );
    expect(problemsOf(`${second}password = "hunter2"`)).toEqual([
      "mermin.toml:4: export.otlp[1].auth.basic must have a username beside its password",
    ]);
    expect(problemsOf("[[export.otlp]]\nretry.factor = 0.5")).toEqual([
      "mermin.toml:2: export.otlp[0].retry.factor 0.5 must be a number, 1 to 10",
    ]);
    const series = '[export.otlp]\nsignals = ["metrics"]\n[export.flow_metrics]\nmax_series = 10_000';
    expect(problemsOf(series)).toEqual([
      "mermin.toml:4: export.flow_metrics.max_series must fit in max_queue_size of [export.otlp], 5 data points each and for one more",
    ]);
    expect(problemsOf("export.otlp = [1]")).toEqual([
      "mermin.toml:1: export.otlp[0] must be a table, written [export.otlp]",
    ]);
  });

  test("refuses header names that are none", () => {
    expect(problemsOf('[export.otlp]\nheaders = { "a b" = "c" }')).toEqual([
      "mermin.toml:2: export.otlp.headers must have names that are HTTP header names",
    ]);
  });
});

describe("loadConfig, OpenTelemetry's variables", () => {
  test("turns OTLP on by an endpoint", () => {
    const config = load("", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318/" });
    expect(config.export.otlp[0]?.endpoint).toBe("http://collector:4318/");
    expect(config.export.stdout.format).toBe("none");
  });

  test("takes the traces endpoint beside the general one", () => {
    const environment = {
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://a:1",
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://b:2/custom",
    };
    expect(load("", environment).export.otlp).toMatchObject([
      { endpoint: "http://a:1", traces_endpoint: "http://b:2/custom" },
    ]);
  });

  test("reads protocol, headers, timeout and compression where OTLP is on, and not otherwise", () => {
    const environment = {
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20x, tenant=a=b",
      OTEL_EXPORTER_OTLP_TIMEOUT: "2500",
      OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: "1500",
      OTEL_EXPORTER_OTLP_COMPRESSION: "none",
    };
    expect(load("", environment).export.otlp).toEqual([]);
    const [otlp] = load('[export.otlp]\nheaders = { tenant = "file", kept = "k" }', environment).export.otlp;
    expect(otlp).toMatchObject({
      protocol: "http_protobuf",
      headers: { authorization: "Bearer x", tenant: "a=b", kept: "k" },
      compression: "none",
    });
    expect(Number(otlp?.timeout)).toBe(1500);
  });

  test("reads gRPC without a scheme, and TLS", () => {
    const environment = {
      OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
      OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4317",
      OTEL_EXPORTER_OTLP_CERTIFICATE: "/ca.pem",
      OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: "/cert.pem",
      OTEL_EXPORTER_OTLP_CLIENT_KEY: "/key.pem",
    };
    const tls = { ca_cert: "/ca.pem", client_cert: "/cert.pem", client_key: "/key.pem" };
    expect(load("", environment).export.otlp).toMatchObject([
      { protocol: "grpc", endpoint: "https://collector:4317", tls },
    ]);
    const insecure = {
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "grpc",
      OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4317",
      OTEL_EXPORTER_OTLP_INSECURE: "true",
    };
    expect(load("", insecure).export.otlp[0]?.endpoint).toBe("http://collector:4317");
    const written = load('[[export.otlp]]\nprotocol = "grpc"', {
      OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4317",
    });
    expect(written.export.otlp[0]?.endpoint).toBe("https://collector:4317");
  });

  test("reads resource attributes, the service's name last", () => {
    const environment = {
      OTEL_RESOURCE_ATTRIBUTES: "service.name=a,team=net%2Fops",
      OTEL_SERVICE_NAME: "flows",
    };
    const config = load('[export.resource_attributes]\nteam = "x"\nzone = "z"', environment);
    expect(config.export.resource_attributes).toEqual({
      "service.name": "flows",
      team: "net/ops",
      zone: "z",
    });
  });

  test("names the variable, or the flag, that is wrong", () => {
    const environment = {
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "ftp://x",
      OTEL_EXPORTER_OTLP_PROTOCOL: "thrift",
      OTEL_RESOURCE_ATTRIBUTES: "a=b,oops",
    };
    const flags = { logLevel: "loud", interfaces: ["a{"] };
    const problems = problemsOf("", { ...environment, MERMIN_LOG_LEVEL: "x" }, flags);
    expect(problems.toSorted()).toEqual([
      '--interface: capture.interfaces[0] "a{" is a malformed pattern: "{" is not closed',
      '--log-level: log_level "loud" must be one of "error", "warn", "info", "debug"',
      'OTEL_EXPORTER_OTLP_PROTOCOL: export.otlp.protocol "thrift" must be one of "http_protobuf", "http_json", "grpc"',
      'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: export.otlp.traces_endpoint "ftp://x" must be an http or https URL, such as "http://localhost:4318"',
      'OTEL_RESOURCE_ATTRIBUTES: export.resource_attributes "oops" must be a table (in the environment: name=value,name=value)',
    ]);
  });
});
