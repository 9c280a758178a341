// Field numbers of the OTLP messages we write (opentelemetry-proto 1.x).

/** collector/{trace,logs,metrics}/v1/*_service.proto, Export…ServiceRequest: its one list has the same number in all. */
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
export const ANY_VALUE = { string: 1, bool: 2, int: 3, array: 5 } as const;
export const ARRAY_VALUE = { values: 1 } as const;

/** metrics/v1/metrics.proto */
export const RESOURCE_METRICS = { resource: 1, scopeMetrics: 2 } as const;
export const SCOPE_METRICS = { scope: 1, metrics: 2 } as const;
export const METRIC = { name: 1, description: 2, unit: 3, sum: 7 } as const;
export const SUM = { dataPoints: 1, aggregationTemporality: 2, isMonotonic: 3 } as const;
export const NUMBER_DATA_POINT = { startTime: 2, time: 3, asInt: 6, attributes: 7 } as const;

/** logs/v1/logs.proto; ResourceLogs has the numbers of ResourceSpans. */
export const SCOPE_LOGS = { scope: 1, logRecords: 2 } as const;
export const LOG_RECORD = {
  time: 1,
  severityNumber: 2,
  severityText: 3,
  body: 5,
  attributes: 6,
  traceId: 9,
  spanId: 10,
  observedTime: 11,
  eventName: 12,
} as const;
