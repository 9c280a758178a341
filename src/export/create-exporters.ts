// Makes the exporters that the config names.

import { isatty } from "node:tty";
import type { Logger } from "../lib/log.ts";
import type { AttributeSelection } from "./attribute.ts";
import type { ExportConfig, StdoutConfig } from "./config.ts";
import { createRequestEncoder } from "./create-encoder.ts";
import { createSender, encodingOf } from "./create-sender.ts";
import type { RecordExporter } from "./exporter.ts";
import { createFileExporter } from "./file.ts";
import { FlowMetricsExporter } from "./flow-metrics.ts";
import { type FlowMetricsConfig, findSeriesAttributes } from "./flow-metrics-config.ts";
import { type FormatLines, recordLines, requestLines } from "./lines.ts";
import { createNdjsonFormatter } from "./ndjson.ts";
import { OtlpExporter } from "./otlp.ts";
import type { OtlpConfig } from "./otlp-config.ts";
import { createSeriesEncoder } from "./otlp-metrics.ts";
import { createPrettyFormatter } from "./pretty.ts";
import type { SenderOptions } from "./request-sender.ts";
import type { ResourceAttributes } from "./resource.ts";
import { createStdoutExporter } from "./stdout.ts";

export interface ExporterContext {
  readonly resource: ResourceAttributes;
  /** Of the build. */
  readonly version: string;
  /** What encoders write of a record. */
  readonly attributes: AttributeSelection;
  readonly log: Logger;
  readonly observe?: SenderOptions["observe"];
}

const STANDARD_OUTPUT = 1;

/** The exporters of `config`, ready to accept; each is disposed by the caller. */
export function createExporters(config: ExportConfig, context: ExporterContext): readonly RecordExporter[] {
  const exporters: RecordExporter[] = [];
  const { stdout, otlp, file } = config;
  if (stdout.format !== "none") {
    const format = createLines(stdout.format, context);
    exporters.push(createStdoutExporter({ format, log: context.log, fileDescriptor: STANDARD_OUTPUT }));
  }
  if (file !== undefined) {
    const format = createLines(file.format, context);
    exporters.push(createFileExporter({ config: file, format, log: context.log }));
  }
  for (const collector of otlp) {
    for (const signal of ["traces", "logs"] as const)
      if (collector.signals.includes(signal)) exporters.push(createOtlpExporter(collector, signal, context));
    if (collector.signals.includes("metrics"))
      exporters.push(createMetricsExporter(collector, config.flow_metrics, context));
  }
  return exporters;
}

/** An exporter of records as `signal` to one collector. */
export function createOtlpExporter(
  config: OtlpConfig,
  signal: "traces" | "logs",
  context: ExporterContext,
): RecordExporter {
  return new OtlpExporter({
    batching: config,
    encoder: createRequestEncoder(signal, encodingOf(config), context),
    sender: createSender(config, signal, context),
  });
}

function createMetricsExporter(
  collector: OtlpConfig,
  config: FlowMetricsConfig,
  context: ExporterContext,
): RecordExporter {
  return new FlowMetricsExporter({
    config,
    attributes: findSeriesAttributes(config.attributes, context.attributes.semconv),
    maxPoints: collector.max_batch_size,
    maxBytes: collector.max_queue_bytes,
    encode: createSeriesEncoder(encodingOf(collector), context.resource, context.version),
    sender: createSender(collector, "metrics", context),
  });
}

function createLines(format: Exclude<StdoutConfig["format"], "none">, context: ExporterContext): FormatLines {
  switch (format) {
    case "pretty":
      return recordLines(createPrettyFormatter({ isColoured: isatty(STANDARD_OUTPUT) }));
    case "ndjson":
      return recordLines(createNdjsonFormatter(context.attributes));
    case "otlp-json":
      return requestLines(createRequestEncoder("traces", "json", context));
  }
}
