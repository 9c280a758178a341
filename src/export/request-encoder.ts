// What makes requests of records: one implementation for each signal and encoding. Comes in: decorated batches. Goes
// out: bytes of one OTLP request.

import type { DecoratedBatch } from "../decorate.ts";

/** How a request's body is written. */
export type Encoding = "protobuf" | "json";

/** What a request tells: records as spans, records as log records, or sums of records as data points. */
export type Signal = "traces" | "logs" | "metrics";

/** A finished request: ExportTraceServiceRequest, ExportLogsServiceRequest or ExportMetricsServiceRequest. */
export interface EncodedRequest {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Spans, log records or data points in it. */
  readonly spans: number;
}

/** Gathers records of any number of batches until a request is taken. */
export interface RequestEncoder {
  /** Appended since the last request was taken. */
  readonly spans: number;
  /** Appends rows `from` (included) to `to` (excluded). The batch is not kept. */
  append(batch: DecoratedBatch, from: number, to: number): void;
  /** What was appended as one request; the encoder starts over. */
  take(): EncodedRequest;
}

/** The two halves of a request that was too large for its receiver; undefined where it holds one item or none. */
export type SplitRequest = (
  request: EncodedRequest,
) => readonly [first: EncodedRequest, second: EncodedRequest] | undefined;
