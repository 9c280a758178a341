// Field numbers of the OTLP messages we write (opentelemetry-proto 1.x): spans.

/** trace/v1/trace.proto */
export const RESOURCE_SPANS = { resource: 1, scopeSpans: 2 } as const;
export const SCOPE_SPANS = { scope: 1, spans: 2 } as const;
export const SPAN = {
  traceId: 1,
  spanId: 2,
  name: 5,
  kind: 6,
  startTime: 7,
  endTime: 8,
  attributes: 9,
} as const;
