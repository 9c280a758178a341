// The configs in deploy/examples/otel-collector and docs/backends.md, read by what they are for.

import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { loadConfig } from "../../src/config/load.ts";
import { writeTemporaryFile } from "../replay/temporary-file.ts";
import { COLLECTOR_BINARY, describeWithCollector } from "../support/collector.ts";
import { runCommand } from "../support/namespace-process.ts";

const ROOT = join(import.meta.dir, "../..");
const EXAMPLES = join(ROOT, "deploy/examples/otel-collector");
const DESTINATIONS = readdirSync(EXAMPLES).filter((name) => name.startsWith("to-"));
/** Exporters that the Collector of the tests has not: `debug` stands for them. */
const LACKING = ["clickhouse", "loadbalancing"];

const config = v.looseObject({
  exporters: v.record(v.string(), v.unknown()),
  service: v.object({
    pipelines: v.record(v.string(), v.looseObject({ exporters: v.array(v.string()) })),
  }),
});

/** The config, with what the Collector of the tests has not left out. */
function withoutLacking(text: string): string {
  const { exporters, service, ...others } = v.parse(config, Bun.YAML.parse(text));
  const known = (name: string): string => (LACKING.includes(name) ? "debug" : name);
  const pipelines = Object.entries(service.pipelines).map(([name, pipeline]) => [
    name,
    { ...pipeline, exporters: pipeline.exporters.map(known) },
  ]);
  return JSON.stringify({
    ...others,
    exporters: Object.fromEntries(
      Object.entries(exporters).map(([name, value]) =>
        known(name) === name ? [name, value] : ["debug", {}],
      ),
    ),
    service: { pipelines: Object.fromEntries(pipelines) },
  });
}

describeWithCollector("example of a Collector's config", () => {
  test.each(DESTINATIONS)("%s is valid with receive.yaml", (name) => {
    const text = readFileSync(join(EXAMPLES, name), "utf8");
    using file = writeTemporaryFile(new TextEncoder().encode(withoutLacking(text)), name);
    const words = ["--config", join(EXAMPLES, "receive.yaml"), "--config", file.path];
    const secrets = ["ELASTIC_APM_SECRET_TOKEN=secret", "CLICKHOUSE_PASSWORD=secret"];
    expect(runCommand(["env", ...secrets, COLLECTOR_BINARY, "validate", ...words])).toBe("");
  });
});

describe("docs/backends.md", () => {
  const page = readFileSync(join(ROOT, "docs/backends.md"), "utf8");
  const blocks = [...page.matchAll(/```toml\n(.*?)```/gs)].map(([, block]) => block ?? "");

  test.each(blocks.map((block, index) => [index + 1, block] as const))(
    "its config %i is one of the agent",
    (_, block) => {
      using secret = writeTemporaryFile(new TextEncoder().encode("secret\n"), "secret");
      const text = block.replaceAll(/\/run\/secrets\/[\w.-]+/g, secret.path);
      using file = writeTemporaryFile(new TextEncoder().encode(text), "mermin.toml");
      expect(loadConfig({ path: file.path }, {}).export.otlp).not.toEqual([]);
    },
  );

  test("names every example", () => {
    for (const name of [...DESTINATIONS, "receive.yaml"]) expect(page).toContain(name);
  });
});
