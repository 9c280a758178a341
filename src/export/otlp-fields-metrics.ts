// Field numbers of the OTLP messages we write (opentelemetry-proto 1.x): sums.

/** metrics/v1/metrics.proto */
export const RESOURCE_METRICS = { resource: 1, scopeMetrics: 2 } as const;
export const SCOPE_METRICS = { scope: 1, metrics: 2 } as const;
export const METRIC = { name: 1, description: 2, unit: 3, sum: 7 } as const;
export const SUM = { dataPoints: 1, aggregationTemporality: 2, isMonotonic: 3 } as const;
export const NUMBER_DATA_POINT = { startTime: 2, time: 3, asInt: 6, attributes: 7 } as const;
