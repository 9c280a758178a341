// Exporters in the test's own process, made of a config as TOML, and batches whose spans can be told from each other.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import type { DecoratedBatch } from "../../src/decorate.ts";
import { EVERY_ATTRIBUTE } from "../../src/export/attributes.ts";
import { createExporters } from "../../src/export/create-exporters.ts";
import type { RecordExporter } from "../../src/export/exporter.ts";
import type { ExporterStats } from "../../src/export/exporter-stats.ts";
import { createNdjsonFormatter } from "../../src/export/ndjson.ts";
import { RecordRow } from "../../src/export/row.ts";
import { createLogger } from "../../src/lib/log.ts";
import { tcpBatch } from "../collector/records.ts";

/** Running exporters, and what they log. */
export interface Exporting extends AsyncDisposable {
  readonly exporters: readonly RecordExporter[];
  /** The first of them. */
  readonly exporter: RecordExporter;
  readonly logged: readonly string[];
}

/** Makes the exporters of a config. @throws ConfigError */
export function startExporting(toml: string): Exporting {
  const folder = mkdtempSync("/dev/shm/mermin-exporting-");
  const path = join(folder, "mermin.toml");
  writeFileSync(path, toml);
  try {
    const config = loadConfig({ path }, {});
    const logged: string[] = [];
    const exporters = createExporters(config.export, {
      resource: new Map([["service.name", "mermin"]]),
      version: "1.2.3",
      attributes: EVERY_ATTRIBUTE,
      log: createLogger({ level: "info", format: "text", write: (line) => void logged.push(line) }),
    });
    const [exporter] = exporters;
    if (exporter === undefined) throw new Error("the config has no exporter");
    return {
      exporters,
      exporter,
      logged,
      [Symbol.asyncDispose]: async () => {
        for (const each of exporters) await each[Symbol.asyncDispose]();
      },
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Makes batches, no two spans of which have the same id. */
export class SpanSource {
  #made = 0;

  /** Spans made so far. */
  get made(): number {
    return this.#made;
  }

  batch(count: number): DecoratedBatch {
    const batch = tcpBatch(count);
    const view = new DataView(batch.spanIds.buffer, batch.spanIds.byteOffset);
    for (let row = 0; row < count; row++) view.setBigUint64(row * 8, BigInt(++this.#made));
    return batch;
  }

  /** Ids of the spans made so far, as text. */
  ids(): Set<string> {
    return new Set(
      Array.from({ length: this.#made }, (_, index) => (index + 1).toString(16).padStart(16, "0")),
    );
  }
}

/** The spans of a batch, as the ndjson format says them. */
export function describeSpans(batch: DecoratedBatch): readonly unknown[] {
  const formatNdjson = createNdjsonFormatter(EVERY_ATTRIBUTE);
  const row = new RecordRow();
  row.open(batch);
  return Array.from({ length: batch.count }, (_, index): unknown => {
    row.moveTo(index);
    return JSON.parse(formatNdjson(row));
  });
}

/** Spans dropped for any reason. */
export function countDropped({ dropped }: ExporterStats): number {
  return Object.values(dropped).reduce((sum, spans) => sum + spans, 0);
}
