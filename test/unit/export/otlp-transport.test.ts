import { expect, test } from "bun:test";
import { tracesUrl } from "../../../src/export/otlp-transport.ts";

test.each([
  ["http://localhost:4318", "http://localhost:4318/v1/traces"],
  ["http://localhost:4318/", "http://localhost:4318/v1/traces"],
  ["https://collector.example/otlp", "https://collector.example/otlp/v1/traces"],
  ["https://collector.example/otlp/v1/traces", "https://collector.example/otlp/v1/traces"],
  ["http://[::1]:4318/v1/traces/", "http://[::1]:4318/v1/traces"],
  ["https://collector.example/a?key=1", "https://collector.example/a/v1/traces?key=1"],
])("tracesUrl of %s is %s", (endpoint, url) => {
  expect(tracesUrl(endpoint)).toBe(url);
});
