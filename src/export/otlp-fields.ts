// Field numbers of the OTLP messages we write (opentelemetry-proto 1.x): those of all signals.

/** collector/{trace,logs,metrics}/v1/*_service.proto, Export…ServiceRequest: its one list has the same number in all. */
export const REQUEST = { resourceSpans: 1 } as const;

/** resource/v1/resource.proto */
export const RESOURCE = { attributes: 1 } as const;

/** common/v1/common.proto; SCOPE is InstrumentationScope */
export const SCOPE = { name: 1, version: 2 } as const;
export const KEY_VALUE = { key: 1, value: 2 } as const;
export const ANY_VALUE = { string: 1, bool: 2, int: 3, array: 5 } as const;
export const ARRAY_VALUE = { values: 1 } as const;
