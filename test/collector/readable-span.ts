// Decoded spans as the OpenTelemetry SDK has them, for its own serializer.

import { SpanKind, SpanStatusCode, TraceFlags } from "@opentelemetry/api";
import { type Resource, resourceFromAttributes } from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import type { DecodedRequest, DecodedSpan } from "./decode.ts";

const KINDS: Readonly<Record<string, SpanKind>> = {
  INTERNAL: SpanKind.INTERNAL,
  SERVER: SpanKind.SERVER,
  CLIENT: SpanKind.CLIENT,
};

type InstrumentationScope = ReadableSpan["instrumentationScope"];

/** The spans of a request; integers must be safe ones. */
export function toReadableSpans(request: DecodedRequest): ReadableSpan[] {
  const resource = resourceFromAttributes(
    Object.fromEntries(Object.entries(request.resource).map(toAttribute)),
  );
  const { name, version } = request.scope;
  // One object: the serializer groups spans by its identity.
  const scope = version === undefined ? { name } : { name, version };
  return request.spans.map((span) => toReadableSpan(span, resource, scope));
}

function toReadableSpan(span: DecodedSpan, resource: Resource, scope: InstrumentationScope): ReadableSpan {
  return {
    name: span.name,
    kind: KINDS[span.kind] ?? SpanKind.INTERNAL,
    spanContext: () => ({ traceId: span.traceId, spanId: span.spanId, traceFlags: TraceFlags.NONE }),
    startTime: toHrTime(span.startTimeUnixNano),
    endTime: toHrTime(span.endTimeUnixNano),
    status: { code: SpanStatusCode.UNSET },
    attributes: Object.fromEntries(Object.entries(span.attributes).map(toAttribute)),
    links: [],
    events: [],
    duration: [0, 0],
    ended: true,
    resource,
    instrumentationScope: scope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

function toAttribute([name, value]: [string, DecodedSpan["attributes"][string]]): [
  string,
  string | number | string[],
] {
  return [name, typeof value === "object" ? value.map(String) : value];
}

/** As the SDK has times. */
export function toHrTime(unixNanos: string): [seconds: number, nanoseconds: number] {
  const nanos = BigInt(unixNanos);
  return [Number(nanos / 1_000_000_000n), Number(nanos % 1_000_000_000n)];
}
