// Makes the encoder of a signal in an encoding.

import type { AttributeSelection } from "./attribute.ts";
import { OtlpEncoder } from "./otlp-encode.ts";
import { OtlpJsonEncoder, spansAsJson } from "./otlp-json.ts";
import type { Encoding, RequestEncoder } from "./request-encoder.ts";
import type { ResourceAttributes } from "./resource.ts";

export interface EncoderOptions {
  readonly resource: ResourceAttributes;
  /** Of the build. */
  readonly version: string;
  readonly attributes: AttributeSelection;
}

/** Records as requests of spans or of log records; data points are summed first and need no encoder of records. */
export function createRequestEncoder(
  _signal: "traces",
  encoding: Encoding,
  { resource, version, attributes }: EncoderOptions,
): RequestEncoder {
  return encoding === "protobuf"
    ? new OtlpEncoder(resource, version, attributes)
    : new OtlpJsonEncoder(spansAsJson(attributes), resource, version);
}
