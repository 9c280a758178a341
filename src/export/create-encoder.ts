// Makes the encoder of a signal in an encoding.

import type { AttributeSelection } from "./attribute.ts";
import { OtlpEncoder } from "./otlp-encode.ts";
import { OtlpJsonEncoder, spansAsJson } from "./otlp-json.ts";
import { createLogWriter, logsAsJson } from "./otlp-log.ts";
import { createSpanWriter } from "./otlp-span.ts";
import type { Encoding, RequestEncoder, Signal } from "./request-encoder.ts";
import type { ResourceAttributes } from "./resource.ts";

export interface EncoderOptions {
  readonly resource: ResourceAttributes;
  /** Of the build. */
  readonly version: string;
  readonly attributes: AttributeSelection;
}

/** Records as requests of spans or of log records. Data points are sums of many records: see flow-metrics.ts. */
export function createRequestEncoder(
  signal: Exclude<Signal, "metrics">,
  encoding: Encoding,
  { resource, version, attributes }: EncoderOptions,
): RequestEncoder {
  if (encoding === "protobuf") {
    const write = signal === "traces" ? createSpanWriter(attributes) : createLogWriter(attributes);
    return new OtlpEncoder(write, resource, version);
  }
  const json = signal === "traces" ? spansAsJson(attributes) : logsAsJson(attributes);
  return new OtlpJsonEncoder(json, resource, version);
}
