// The agent's ndjson read back: each line checked for its shape, spans added up by who sent the packets.

import * as v from "valibot";
import { noteAttributes } from "./seen-attributes.ts";
import { count, type SpanCounts, spanCounts } from "./span-counts.ts";
import type { Amount, Sent } from "./witness.ts";

/** The attributes that tests look at; a span has more. */
export interface AgentAttributes extends SpanCounts {
  readonly "flow.community_id": string;
  readonly "flow.connection.state"?: string | undefined;
  readonly "flow.direction": "forward" | "reverse" | "unknown";
  readonly "flow.icmp.type.id"?: number | undefined;
  readonly "network.type": "ipv4" | "ipv6";
  readonly "network.interface.name": string;
}

/** One span of the agent's standard output. */
export interface AgentSpan {
  readonly name: string;
  readonly kind: "CLIENT" | "SERVER" | "INTERNAL";
  readonly traceId: string;
  readonly spanId: string;
  readonly startTimeUnixNano: bigint;
  readonly endTimeUnixNano: bigint;
  readonly attributes: AgentAttributes;
}

const nanoseconds: v.GenericSchema<unknown, bigint> = v.pipe(
  v.string(),
  v.regex(/^\d+$/),
  v.transform((text) => BigInt(text)),
);
const attributesSchema: v.GenericSchema<unknown, AgentAttributes> = v.looseObject({
  ...spanCounts,
  "flow.community_id": v.string(),
  "flow.connection.state": v.optional(v.string()),
  "flow.direction": v.picklist(["forward", "reverse", "unknown"]),
  "flow.icmp.type.id": v.optional(count),
  "network.type": v.picklist(["ipv4", "ipv6"]),
  "network.interface.name": v.string(),
});
const spanSchema: v.GenericSchema<unknown, AgentSpan> = v.strictObject({
  name: v.string(),
  kind: v.picklist(["CLIENT", "SERVER", "INTERNAL"]),
  traceId: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
  spanId: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/)),
  startTimeUnixNano: nanoseconds,
  endTimeUnixNano: nanoseconds,
  attributes: attributesSchema,
});

/** Parses a span a line. @throws Error on anything else. */
export function parseAgentSpans(text: string): readonly AgentSpan[] {
  const lines = text.split("\n").filter((line) => line !== "");
  const spans = lines.map((line) => v.parse(spanSchema, JSON.parse(line)));
  noteAttributes(spans);
  return spans;
}

/** The spans of one transport, of every flow that has it. */
export function withTransport(
  spans: readonly AgentSpan[],
  transport: string,
  type?: "ipv4" | "ipv6",
): readonly AgentSpan[] {
  return spans.filter(
    ({ attributes }) =>
      attributes["network.transport"] === transport &&
      (type === undefined || attributes["network.type"] === type),
  );
}

/** What the spans say that these addresses sent. */
export function sumSent(spans: readonly AgentSpan[], addresses: readonly string[]): Amount {
  let packets = 0;
  let bytes = 0;
  for (const { attributes } of spans) {
    if (addresses.includes(attributes["source.address"])) {
      packets += attributes["flow.packets.delta"];
      bytes += attributes["flow.bytes.delta"];
    }
    if (addresses.includes(attributes["destination.address"])) {
      packets += attributes["flow.reverse.packets.delta"];
      bytes += attributes["flow.reverse.bytes.delta"];
    }
  }
  return { packets, bytes };
}

/** What the spans say that these addresses sent, by transport and family: packets, as {@link Sent} has them. */
export function packetsSent(
  spans: readonly AgentSpan[],
  addresses: readonly string[],
): Omit<Sent, "tcpAgain"> {
  const packets = (transport: string, type?: "ipv4" | "ipv6"): number =>
    sumSent(withTransport(spans, transport, type), addresses).packets;
  return {
    tcp: packets("tcp"),
    udp4: packets("udp", "ipv4"),
    udp6: packets("udp", "ipv6"),
    icmp4: packets("icmp"),
    icmp6: packets("icmpv6"),
  };
}

/** Spans by conversation, in the order in which they were told. Pings of two identifiers are one conversation. */
export function groupByConversation(spans: readonly AgentSpan[]): readonly (readonly AgentSpan[])[] {
  const groups = Map.groupBy(spans, ({ attributes }) =>
    [
      attributes["flow.community_id"],
      attributes["source.address"],
      attributes["source.port"],
      attributes["flow.icmp.type.id"],
    ].join(" "),
  );
  return [...groups.values()];
}
