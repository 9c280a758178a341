import { describe, expect, test } from "bun:test";
import { grpcTarget, signalUrl } from "../../../src/export/otlp-endpoint.ts";

describe("signalUrl", () => {
  test.each([
    ["http://localhost:4318", "http://localhost:4318/v1/traces"],
    ["http://localhost:4318/", "http://localhost:4318/v1/traces"],
    ["https://collector.example/otlp", "https://collector.example/otlp/v1/traces"],
    ["https://collector.example/otlp/v1/traces", "https://collector.example/otlp/v1/traces"],
    ["http://[::1]:4318/v1/traces/", "http://[::1]:4318/v1/traces"],
    ["https://collector.example/a?key=1", "https://collector.example/a/v1/traces?key=1"],
  ])("of %s for traces is %s", (endpoint, url) => {
    expect(signalUrl({ endpoint, traces_endpoint: "" }, "traces").href).toBe(url);
  });

  test("takes an endpoint for traces as it is, and for traces alone", () => {
    const config = { endpoint: "http://a:1/v1/traces", traces_endpoint: "http://b:2/custom/" };
    expect(signalUrl(config, "traces").href).toBe("http://b:2/custom/");
    expect(signalUrl(config, "logs").href).toBe("http://a:1/v1/logs");
  });
});

describe("grpcTarget", () => {
  test.each([
    ["http://localhost", "localhost:4317"],
    ["https://collector.example:443", "collector.example:443"],
    ["http://user:1@collector.example:80/v1/traces", "collector.example:80"],
    ["http://[::1]:5000", "[::1]:5000"],
    ["https://[2001:db8::1]/", "[2001:db8::1]:4317"],
  ])("of %s is %s", (endpoint, target) => {
    expect(grpcTarget({ endpoint, traces_endpoint: "" }, "logs").target).toBe(target);
  });
});
