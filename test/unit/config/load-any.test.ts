import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { loadConfig } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mermin-config-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const KEY = fc.constantFrom(
  "log_level",
  "capture",
  "interfaces",
  "flow",
  "ring_buffer_bytes",
  "poll_interval",
  "export",
  "otlp",
  "headers",
  "endpoint",
  "server",
  "listen",
  "enabled",
  "file",
  "__proto__",
  "constructor",
  '"a.b"',
);
const VALUE = fc.constantFrom(
  '"info"',
  '"${X}"',
  '"${Y:1s}"',
  "1",
  "-0.5",
  "nan",
  "inf",
  "1979-05-27T07:32:00Z",
  "07:32:00",
  "true",
  '["eth0", 1, {a = 1}]',
  "[]",
  "{}",
  '{ file = "/nonexistent" }',
  '{ authorization = { file = "/" } }',
  "9223372036854775807",
  '"[::1]:0"',
);
const DOTTED = fc.array(KEY, { minLength: 1, maxLength: 3 }).map((keys) => keys.join("."));
const LINE = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(DOTTED, VALUE).map(([key, value]) => `${key} = ${value}`) },
  { weight: 1, arbitrary: DOTTED.map((key) => `[${key}]`) },
  { weight: 1, arbitrary: DOTTED.map((key) => `[[${key}]]`) },
);
const ENVIRONMENT = fc.record(
  {
    X: fc.constantFrom("", "debug", "7"),
    MERMIN_LOG_LEVEL: fc.string(),
    OTEL_EXPORTER_OTLP_ENDPOINT: fc.webUrl(),
    OTEL_EXPORTER_OTLP_HEADERS: fc.string(),
    OTEL_RESOURCE_ATTRIBUTES: fc.string(),
  },
  { requiredKeys: [] },
);

test("loadConfig gives a config or a ConfigError of single lines, whatever file and environment say", () => {
  const path = join(folder, "mermin.toml");
  let [valid, invalid] = [0, 0];
  fc.assert(
    fc.property(
      fc.array(LINE, { maxLength: 6 }),
      fc.oneof(fc.constant({}), ENVIRONMENT),
      (lines, environment) => {
        writeFileSync(path, lines.join("\n"));
        try {
          loadConfig({ path }, environment);
          valid++;
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error;
          invalid++;
          expect(error.problems.length).toBeGreaterThan(0);
          for (const problem of error.problems) expect(problem).toMatch(/^[^\n]+: [^\n]+$/);
        }
      },
    ),
    { numRuns: 1000 },
  );
  expect(valid).toBeGreaterThan(0);
  expect(invalid).toBeGreaterThan(0);
});
