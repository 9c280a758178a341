// Field numbers of the OTLP messages we write (opentelemetry-proto 1.x): log records.

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
