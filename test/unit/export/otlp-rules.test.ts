import { describe, expect, test } from "bun:test";
import { completeOtlp, findOtlpContradictions } from "../../../src/export/otlp-rules.ts";
import { otlpConfig } from "../../support/otlp-config.ts";

function problemsOf(...written: readonly Readonly<Record<string, unknown>>[]): readonly string[] {
  const configs = completeOtlp(
    written.map((table) => ({ ...otlpConfig(table), name: String(table["name"] ?? "") })),
  );
  return findOtlpContradictions(configs, ["stdout"]).map(
    ({ index, key, message }) => `${index} ${key.join(".")} ${message}`,
  );
}

const TLS = "https://collector.example";

describe("[export.otlp] tables", () => {
  test("get names by their place, and endpoints by their protocol", () => {
    const configs = [{}, { protocol: "grpc" }].map((table) => ({ ...otlpConfig(table), name: "" }));
    expect(completeOtlp(configs).map(({ name }) => name)).toEqual(["otlp", "otlp-2"]);
    expect(otlpConfig({ protocol: "grpc" }).endpoint).toBe("http://localhost:4317");
    expect(otlpConfig({}).endpoint).toBe("http://localhost:4318");
  });

  test("are fine by default, and with one way to authenticate", () => {
    expect(problemsOf({}, {})).toEqual([]);
    expect(problemsOf({ endpoint: TLS, auth: { bearer: { token: { file: "/t" } } } })).toEqual([]);
  });

  test.each([
    [{ name: "stdout" }, `name must differ from other exporters': "stdout" is one already`],
    [{ max_queue_size: 10 }, "max_queue_size must be at least max_batch_size"],
    [{ retry: { initial: "10s", maximum: "1s" } }, "retry.maximum must be at least initial"],
    [
      { headers: { "x-key": "a\r\nx-other: b" } },
      "headers.x-key must have no character that headers cannot have, such as a newline",
    ],
    [
      { protocol: "grpc", auth: { bearer: { token: "pässword" } } },
      "auth.bearer.token must have no character that gRPC's headers cannot have, such as a newline",
    ],
    [
      { protocol: "grpc", headers: { "x!y": "a" } },
      "headers.x!y must have a name of letters, digits, `_`, `.` and `-`, as gRPC has it",
    ],
    [{ signals: [] }, "signals must have a signal"],
    [{ auth: { basic: { password: "a" } } }, "auth.basic must have a username beside its password"],
    [
      { auth: { basic: { username: "a" }, bearer: { token: "b" } }, headers: { Authorization: "c" } },
      "auth must be one way to authenticate, not auth.basic and auth.bearer and headers.authorization",
    ],
    [
      { endpoint: "http://me:x@h", auth: { bearer: { token: "b" } } },
      "auth must be one way to authenticate, not auth.bearer and the endpoint's user name",
    ],
    [
      { endpoint: TLS, tls: { client_cert: "/c" } },
      "tls must have client_key too: a client shows a certificate and has its key",
    ],
    [
      { endpoint: TLS, tls: { client_key: "/k" } },
      "tls must have client_cert too: a client shows a certificate and has its key",
    ],
    [
      { tls: { insecure_skip_verify: true } },
      "tls must go with an https endpoint: over http nothing is encrypted",
    ],
  ])("refuse %j", (table, problem) => {
    expect(problemsOf(table)).toEqual([`0 ${problem}`]);
  });

  test("refuse two of one name, at the second", () => {
    expect(problemsOf({ name: "a" }, { name: "a" })).toEqual([
      `1 name must differ from other exporters': "a" is one already`,
    ]);
    expect(problemsOf({ name: "a", signals: ["traces", "logs"] }, { name: "a-logs" })).toEqual([
      `1 name must differ from other exporters': "a-logs" is one already`,
    ]);
  });
});
