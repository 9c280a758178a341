// Field numbers of the OTLP messages we write (opentelemetry-proto 1.x).

/** collector/trace/v1/trace_service.proto, ExportTraceServiceRequest */
export const REQUEST = { resourceSpans: 1 } as const;

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

/** resource/v1/resource.proto */
export const RESOURCE = { attributes: 1 } as const;

/** common/v1/common.proto; SCOPE is InstrumentationScope */
export const SCOPE = { name: 1, version: 2 } as const;
export const KEY_VALUE = { key: 1, value: 2 } as const;
export const ANY_VALUE = { string: 1, int: 3, array: 5 } as const;
export const ARRAY_VALUE = { values: 1 } as const;
