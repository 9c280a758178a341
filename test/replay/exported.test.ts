// What a real OpenTelemetry Collector gets of a replay, from the built program and from its source.

import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as v from "valibot";
import {
  describeWithCollector,
  inOrder,
  type OtelCollector,
  startOtelCollector,
} from "../support/collector.ts";
import { runCommand } from "../support/namespace-process.ts";
import { noteAttributes } from "../support/seen-attributes.ts";
import { listCaptures } from "./captures.ts";
import { rareCapture } from "./rare-packets.ts";
import { writeTemporaryFile } from "./temporary-file.ts";

const ROOT = join(import.meta.dir, "../..");
const BUILT = [join(ROOT, "dist/mermin")];
const SOURCE = [process.execPath, join(ROOT, "src/main.ts")];
const TEST_MS = 120_000;

const span = v.looseObject({
  spanId: v.string(),
  startTimeUnixNano: v.string(),
  attributes: v.record(v.string(), v.unknown()),
});

type Span = v.InferOutput<typeof span>;

/** Replays to standard output and to the collector, and returns what the former says. */
function replay(command: readonly string[], config: string, capture: string): readonly Span[] {
  const output = runCommand([...command, "replay", capture, "-c", config]);
  const lines = output.split("\n").filter(Boolean);
  return lines.map((line) => v.parse(span, JSON.parse(line)));
}

function configOf(collector: OtelCollector, sampling: number): string {
  return `
    capture.sampling = ${sampling}
    export.stdout.format = "ndjson"
    export.otlp.endpoint = "${collector.http}"
  `;
}

describeWithCollector("replay to a Collector", () => {
  test(
    "gives it every span of every capture as standard output says it",
    async () => {
      await using collector = await startOtelCollector();
      using rare = writeTemporaryFile(rareCapture());
      const config = join(dirname(rare.path), "mermin.toml");
      writeFileSync(config, configOf(collector, 1));
      const captures = [rare.path, ...listCaptures().map(({ path }) => path)];
      const told = captures.flatMap((path) => replay(BUILT, config, path));
      told.push(...replay(SOURCE, config, rare.path));
      writeFileSync(config, configOf(collector, 2));
      told.push(...replay(BUILT, config, rare.path));
      noteAttributes(told);
      expect<unknown>(inOrder(collector.spans())).toEqual(inOrder(told));
    },
    TEST_MS,
  );
});
