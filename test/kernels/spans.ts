// The agent's ndjson read back: spans checked for their shape and added up to flows.

import * as v from "valibot";
import { count, type SpanCounts, spanCounts } from "../support/span-counts.ts";

/** The attributes that are judged; a span has more. */
export interface SpanAttributes extends SpanCounts {
  readonly "network.interface.name"?: string | undefined;
  readonly "network.interface.mac"?: string | undefined;
  readonly "network.vlan.id"?: number | undefined;
  readonly "flow.icmp.type.id"?: number | undefined;
  readonly "flow.nat.source.address"?: string | undefined;
  readonly "flow.nat.destination.address"?: string | undefined;
  readonly "tunnel.type"?: string | undefined;
  readonly "tunnel.id"?: string | undefined;
  readonly "tunnel.network.interface.mac"?: string | undefined;
  readonly "tunnel.network.type"?: string | undefined;
  readonly "tunnel.network.transport"?: string | undefined;
  readonly "tunnel.source.address"?: string | undefined;
  readonly "tunnel.destination.address"?: string | undefined;
  readonly "tunnel.destination.port"?: number | undefined;
  readonly "tunnel.bytes.delta"?: number | undefined;
  readonly "tunnel.bytes.total"?: number | undefined;
  readonly "tunnel.reverse.bytes.delta"?: number | undefined;
  readonly "tunnel.reverse.bytes.total"?: number | undefined;
  readonly "flow.ipsec.ah.spi"?: number | undefined;
  readonly "flow.ipsec.esp.spi"?: number | undefined;
  readonly "flow.ipsec.sender_index"?: number | undefined;
  readonly "flow.ipsec.receiver_index"?: number | undefined;
}

/** One span of the agent's stdout. */
export interface Span {
  readonly name: string;
  readonly attributes: SpanAttributes;
}

const attributesSchema: v.GenericSchema<unknown, SpanAttributes> = v.looseObject({
  ...spanCounts,
  "network.interface.name": v.optional(v.string()),
  "network.interface.mac": v.optional(v.string()),
  "network.vlan.id": v.optional(count),
  "flow.icmp.type.id": v.optional(count),
  "flow.nat.source.address": v.optional(v.string()),
  "flow.nat.destination.address": v.optional(v.string()),
  "tunnel.type": v.optional(v.string()),
  "tunnel.id": v.optional(v.string()),
  "tunnel.network.interface.mac": v.optional(v.string()),
  "tunnel.network.type": v.optional(v.string()),
  "tunnel.network.transport": v.optional(v.string()),
  "tunnel.source.address": v.optional(v.string()),
  "tunnel.destination.address": v.optional(v.string()),
  "tunnel.destination.port": v.optional(count),
  "tunnel.bytes.delta": v.optional(count),
  "tunnel.bytes.total": v.optional(count),
  "tunnel.reverse.bytes.delta": v.optional(count),
  "tunnel.reverse.bytes.total": v.optional(count),
  "flow.ipsec.ah.spi": v.optional(count),
  "flow.ipsec.esp.spi": v.optional(count),
  "flow.ipsec.sender_index": v.optional(count),
  "flow.ipsec.receiver_index": v.optional(count),
});

const spanSchema: v.GenericSchema<unknown, Span> = v.looseObject({
  name: v.string(),
  attributes: attributesSchema,
});

/** Spans of one conversation, in the order in which they were told. */
export interface ToldFlow {
  readonly spans: readonly Span[];
}

/** Parses a span a line. Throws on a line that is none, with its number. */
export function parseSpans(text: string): Span[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line, index) => {
    try {
      return v.parse(spanSchema, JSON.parse(line));
    } catch (cause) {
      throw new Error(`line ${index + 1} of the agent's output is no span: ${String(cause)}`, { cause });
    }
  });
}

/** Source, destination and transport as one text, equal for spans of one conversation. */
export function formatConversation(attributes: SpanAttributes): string {
  const source = `${attributes["source.address"]} ${attributes["source.port"]}`;
  const destination = `${attributes["destination.address"]} ${attributes["destination.port"]}`;
  return `${attributes["network.transport"]} ${source} > ${destination}`;
}

/** Groups spans by conversation. */
export function groupFlows(spans: readonly Span[]): Map<string, ToldFlow> {
  const groups = Map.groupBy(spans, (span) => formatConversation(span.attributes));
  return new Map([...groups].map(([conversation, members]) => [conversation, { spans: members }]));
}

/** A counter of one direction since the record before; a span without a tunnel has none of the tunnel's. */
export type DeltaAttribute =
  | `flow.${"" | "reverse."}${"packets" | "bytes"}.delta`
  | `tunnel.${"" | "reverse."}bytes.delta`;

/** The sum of an attribute over a flow's spans. */
export function sumAttribute(flow: ToldFlow, name: DeltaAttribute): number {
  return flow.spans.reduce((sum, span) => sum + (span.attributes[name] ?? 0), 0);
}
