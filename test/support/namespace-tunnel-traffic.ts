// Datagrams of a chosen size between chosen ports, and what spans say of the packets that carried a flow.

import * as v from "valibot";
import type { AgentSpan } from "./agent-spans.ts";
import { demandSuccess, type Speaker } from "./namespace-traffic.ts";

const DATAGRAMS: string = new URL("./namespace-tunnel-datagrams.ts", import.meta.url).pathname;

export interface ExchangeOptions {
  readonly ports: readonly [client: number, server: number];
  readonly count: number;
  /** Payload of each. */
  readonly bytes: number;
}

/** Sends datagrams, and returns when the server has taken them all. */
export async function exchangeDatagrams(
  client: Speaker,
  server: Speaker,
  options: ExchangeOptions,
): Promise<void> {
  const { ports, count, bytes } = options;
  const [from, to] = ports.map(String);
  const taker = server.namespace.start([process.execPath, DATAGRAMS, "take", server.address, to ?? ""]);
  await using _ = taker;
  await taker.until(({ output }) => output.includes("ready"));
  const words = [client.address, from ?? "", server.address, to ?? "", String(count), String(bytes)];
  await demandSuccess(client.namespace.start([process.execPath, DATAGRAMS, "send", ...words]));
  await taker.until(({ output }) => output.includes(`taken ${count}\n`));
}

/** What a span says of the packets that carried its flow's. */
export interface TunnelAttributes {
  readonly "tunnel.type"?: string | undefined;
  readonly "tunnel.id"?: string | undefined;
  readonly "tunnel.source.address"?: string | undefined;
  readonly "tunnel.destination.address"?: string | undefined;
  readonly "tunnel.destination.port"?: number | undefined;
  readonly "tunnel.network.type"?: string | undefined;
  readonly "tunnel.bytes.delta": number;
  readonly "tunnel.reverse.bytes.delta": number;
  readonly "flow.fragments.delta": number;
}

const text: v.GenericSchema<string | undefined> = v.optional(v.string());
const tunnelSchema: v.GenericSchema<unknown, TunnelAttributes> = v.looseObject({
  "tunnel.type": text,
  "tunnel.id": text,
  "tunnel.source.address": text,
  "tunnel.destination.address": text,
  "tunnel.destination.port": v.optional(v.number()),
  "tunnel.network.type": text,
  "tunnel.bytes.delta": v.optional(v.number(), 0),
  "tunnel.reverse.bytes.delta": v.optional(v.number(), 0),
  "flow.fragments.delta": v.optional(v.number(), 0),
});

/** A span's attributes of tunnels and fragments; counters that it has not are 0. */
export function tunnelOf(span: AgentSpan): TunnelAttributes {
  return v.parse(tunnelSchema, span.attributes);
}

/** What the spans' tunnels weigh in the packets that these addresses sent. */
export function sumTunnelBytes(spans: readonly AgentSpan[], addresses: readonly string[]): number {
  return spans.reduce((sum, span) => {
    const tunnel = tunnelOf(span);
    const forward = addresses.includes(span.attributes["source.address"]) ? tunnel["tunnel.bytes.delta"] : 0;
    const reverse = addresses.includes(span.attributes["destination.address"])
      ? tunnel["tunnel.reverse.bytes.delta"]
      : 0;
    return sum + forward + reverse;
  }, 0);
}

/** Packets and layer-3 bytes of all spans, both ways, with what their tunnels weigh: what was on the wire. */
export function sumOnWire(spans: readonly AgentSpan[]): { readonly packets: number; readonly bytes: number } {
  let packets = 0;
  let bytes = 0;
  for (const span of spans) {
    const { attributes } = span;
    const tunnel = tunnelOf(span);
    packets += attributes["flow.packets.delta"] + attributes["flow.reverse.packets.delta"];
    bytes += attributes["flow.bytes.delta"] + attributes["flow.reverse.bytes.delta"];
    bytes += tunnel["tunnel.bytes.delta"] + tunnel["tunnel.reverse.bytes.delta"];
  }
  return { packets, bytes };
}
