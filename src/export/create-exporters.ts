// Makes the exporters that the config names.

import { isatty } from "node:tty";
import type { Logger } from "../lib/log.ts";
import type { ExportConfig } from "./config.ts";
import type { RecordExporter } from "./exporter.ts";
import { formatNdjson } from "./ndjson.ts";
import { createOtlpExporter } from "./otlp-http.ts";
import { createPrettyFormatter } from "./pretty.ts";
import type { ResourceAttributes } from "./resource.ts";
import { createStdoutExporter } from "./stdout.ts";

export interface ExporterContext {
  readonly resource: ResourceAttributes;
  /** Of the build. */
  readonly version: string;
  readonly log: Logger;
}

const STANDARD_OUTPUT = 1;

/** The exporters of `config`, ready to accept; each is disposed by the caller. */
export function createExporters(config: ExportConfig, context: ExporterContext): readonly RecordExporter[] {
  const exporters: RecordExporter[] = [];
  const { stdout, otlp } = config;
  if (stdout.format !== "none") {
    const format =
      stdout.format === "ndjson"
        ? formatNdjson
        : createPrettyFormatter({ isColoured: isatty(STANDARD_OUTPUT) });
    exporters.push(createStdoutExporter({ format, log: context.log, fileDescriptor: STANDARD_OUTPUT }));
  }
  if (otlp !== undefined) exporters.push(createOtlpExporter({ config: otlp, ...context }));
  return exporters;
}
