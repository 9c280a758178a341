import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { parse } from "smol-toml";
import { formatConfigurationPage, formatExampleFile } from "../../../docs/generate-configuration.ts";
import { formatMetricsPage } from "../../../docs/generate-metrics.ts";
import { type Config, defaultConfig } from "../../../src/config/schema.ts";
import { describeConfig } from "../../../src/config/settings.ts";
import { validateConfig } from "../../../src/config/validate.ts";

function read(path: string): string {
  return readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
}

describe("generated pages are fresh", () => {
  test.each([
    ["docs/configuration.md", formatConfigurationPage, "docs/generate-configuration.ts"],
    ["deploy/examples/mermin.toml", formatExampleFile, "docs/generate-configuration.ts"],
    ["docs/metrics.md", formatMetricsPage, "docs/generate-metrics.ts"],
  ])("%s", (path, format, generator) => {
    if (read(path) !== format()) throw new Error(`${path} is stale: bun ${generator}`);
  });
});

test("the example file is a config, and with every setting uncommented but the exporters' and the rules of [kubernetes] it is the default one", () => {
  const text = read("deploy/examples/mermin.toml");
  expect(validateConfig(parse(text), describeConfig())).toEqual({ status: "valid", config: defaultConfig() });
  // A rule that stands there changes something, or lacks what it must say.
  const sections = text.split("\n\n").filter((section) => !section.startsWith("#[kubernetes."));
  const uncommented = sections
    .join("\n\n")
    .replace(/^#(?=\S)/gm, "")
    .replace(/^path = ""/m, 'path = "/var/log/flows"');
  const validation = validateConfig(parse(uncommented), describeConfig());
  if (validation.status === "invalid") throw new Error(JSON.stringify(validation.problems));
  const { config } = validation;
  expect(config.export.otlp).toHaveLength(1);
  expect(config.export.file?.max_files).toBe(5);
  expect<Config>({ ...config, export: { ...config.export, otlp: [], file: undefined } }).toEqual(
    defaultConfig(),
  );
});
