// What every span says of addresses and counts: the part of a span's attributes that all tests judge.

import * as v from "valibot";

/** Both ends and the counts of both directions. */
export interface SpanCounts {
  readonly "network.transport": string;
  readonly "source.address": string;
  readonly "source.port": number;
  readonly "destination.address": string;
  readonly "destination.port": number;
  readonly "flow.end_reason": string;
  readonly "flow.packets.delta": number;
  readonly "flow.packets.total": number;
  readonly "flow.bytes.delta": number;
  readonly "flow.bytes.total": number;
  readonly "flow.reverse.packets.delta": number;
  readonly "flow.reverse.packets.total": number;
  readonly "flow.reverse.bytes.delta": number;
  readonly "flow.reverse.bytes.total": number;
}

/** A count, a port, an identifier. */
export const count: v.GenericSchema<unknown, number> = v.pipe(v.number(), v.integer(), v.minValue(0));

/** Members of a schema of attributes, for {@link SpanCounts}. */
export const spanCounts: { readonly [Name in keyof SpanCounts]: v.GenericSchema<unknown, SpanCounts[Name]> } =
  {
    "network.transport": v.string(),
    "source.address": v.string(),
    "source.port": count,
    "destination.address": v.string(),
    "destination.port": count,
    "flow.end_reason": v.string(),
    "flow.packets.delta": count,
    "flow.packets.total": count,
    "flow.bytes.delta": count,
    "flow.bytes.total": count,
    "flow.reverse.packets.delta": count,
    "flow.reverse.packets.total": count,
    "flow.reverse.bytes.delta": count,
    "flow.reverse.bytes.total": count,
  };
