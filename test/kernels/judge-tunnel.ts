// Judges what spans say of the packets that carried their flows, and whether all flows together are what the
// wire carried. Each function that judges returns its complaints; none: all is right.

import type { Exchange, ExpectedTunnel, OpaqueFlow, Scenario } from "./scenario.ts";
import { type Span, type SpanAttributes, sumAttribute, type ToldFlow } from "./spans.ts";
import type { Expectation } from "./witness.ts";

/** The readings of the wire's counters, each as guest/steps.sh writes it. */
export interface WireReadings {
  /** Before the agent was started, and with its hooks in place: what it has seen begins between them. */
  readonly outsideBefore: string;
  readonly insideBefore: string;
  /** Before the agent was told to end, and afterwards. */
  readonly insideAfter: string;
  readonly outsideAfter: string;
}

const ETHERNET_HEADER_BYTES = 14;

/** The outer headers in the spans of an exchange, and their bytes. */
export function compareTunnel(flow: ToldFlow, exchange: Exchange, expected: Expectation): string[] {
  const { tunnel } = exchange;
  const last = flow.spans.at(-1);
  if (tunnel === undefined || last === undefined) {
    return flow.spans.flatMap(({ attributes }) =>
      Object.keys(attributes)
        .filter((name) => name.startsWith("tunnel."))
        .map((name) => `${name} without a tunnel`),
    );
  }
  return [
    ...flow.spans.flatMap(({ attributes }) => compareHeaders(attributes, tunnel)),
    ...compareBytes(flow, "", expected.forward.packets * tunnel.headerBytes),
    ...compareBytes(flow, "reverse.", expected.reverse.packets * tunnel.headerBytes),
  ];
}

function compareHeaders(attributes: SpanAttributes, tunnel: ExpectedTunnel): string[] {
  const [source, destination] = tunnel.addresses;
  const wanted = {
    "tunnel.type": tunnel.type,
    "tunnel.id": tunnel.id,
    "tunnel.network.type": source.includes(":") ? "ipv6" : "ipv4",
    "tunnel.network.transport": tunnel.transport,
    "tunnel.network.interface.mac": tunnel.mac,
    "tunnel.source.address": source,
    "tunnel.destination.address": destination,
    "tunnel.destination.port": tunnel.port,
  } as const;
  return (Object.keys(wanted) as (keyof typeof wanted)[])
    .filter((name) => attributes[name] !== wanted[name])
    .map((name) => `${name} is ${attributes[name]} instead of ${wanted[name]}`);
}

function compareBytes(flow: ToldFlow, way: "" | "reverse.", wanted: number): string[] {
  const told = sumAttribute(flow, `tunnel.${way}bytes.delta`);
  const total = flow.spans.at(-1)?.attributes[`tunnel.${way}bytes.total`];
  return [
    ...(told === wanted ? [] : [`tunnel.${way}bytes.delta adds up to ${told} instead of ${wanted}`]),
    ...(total === told ? [] : [`the last tunnel.${way}bytes.total is ${total}, the deltas give ${told}`]),
  ];
}

/** Whether a span is of such a flow, whichever end it has as its source. */
export function isOpaque({ attributes }: Span, opaque: OpaqueFlow): boolean {
  const ends = [attributes["source.address"], attributes["destination.address"]];
  return (
    attributes["network.transport"] === opaque.transport &&
    attributes["source.port"] === opaque.port &&
    attributes["destination.port"] === opaque.port &&
    opaque.ends.every((address) => ends.includes(address))
  );
}

/** A flow that is told by its outer headers: once, both ways, with the numbers that these show. */
export function judgeOpaque(flows: ReadonlyMap<string, ToldFlow>, opaque: OpaqueFlow): string[] {
  const found = [...flows.values()].filter(({ spans }) => spans.some((span) => isOpaque(span, opaque)));
  const [flow] = found;
  const last = flow?.spans.at(-1)?.attributes;
  if (flow === undefined || last === undefined || found.length > 1) return [`told ${found.length} times`];
  return [
    ...(last["tunnel.type"] === opaque.type ? [] : [`tunnel.type is ${last["tunnel.type"]}`]),
    ...(last["tunnel.source.address"] === undefined ? [] : ["it has a tunnel's address"]),
    ...(["flow.packets.delta", "flow.reverse.packets.delta"] as const)
      .filter((name) => sumAttribute(flow, name) === 0)
      .map((name) => `${name} is 0`),
    ...opaque.numbered.filter((name) => (last[name] ?? 0) === 0).map((name) => `there is no ${name}`),
  ];
}

/**
 * All flows of the wire are its packets, and with the tunnels' headers its bytes. What passed while the agent was
 * starting or ending may be in or not.
 */
export function judgeWire(
  flows: ReadonlyMap<string, ToldFlow>,
  wire: NonNullable<Scenario["wire"]>,
  readings: WireReadings,
): string[] {
  const onWire = [...flows.values()].filter(({ spans }) => {
    const source = spans[0]?.attributes["source.address"] ?? "";
    return !wire.besides.some((beginning) => source.startsWith(beginning));
  });
  const sum = (names: readonly Parameters<typeof sumAttribute>[1][]): number =>
    onWire.reduce((all, flow) => all + names.reduce((each, name) => each + sumAttribute(flow, name), 0), 0);
  const told = {
    packets: sum(["flow.packets.delta", "flow.reverse.packets.delta"]),
    bytes: sum([
      ...(["flow.bytes.delta", "flow.reverse.bytes.delta"] as const),
      ...(["tunnel.bytes.delta", "tunnel.reverse.bytes.delta"] as const),
    ]),
  };
  const [outsideBefore, insideBefore] = [readWire(readings.outsideBefore), readWire(readings.insideBefore)];
  const [insideAfter, outsideAfter] = [readWire(readings.insideAfter), readWire(readings.outsideAfter)];
  return (["packets", "bytes"] as const).flatMap((unit) => {
    const least = insideAfter[unit] - insideBefore[unit];
    const most = outsideAfter[unit] - outsideBefore[unit];
    if (told[unit] >= least && told[unit] <= most) return [];
    return [`flows have ${told[unit]} ${unit}, the wire ${least === most ? least : `${least} to ${most}`}`];
  });
}

/** Packets and layer-3 bytes of both directions. */
function readWire(text: string): { readonly packets: number; readonly bytes: number } {
  const counters = new Map(
    text
      .trim()
      .split("\n")
      .map((line): [string, number] => {
        const [name = "", value] = line.split(" ");
        return [name, Number(value)];
      }),
  );
  const both = (unit: string): number =>
    (counters.get(`tx_${unit}`) ?? Number.NaN) + (counters.get(`rx_${unit}`) ?? Number.NaN);
  const packets = both("packets");
  return { packets, bytes: both("bytes") - packets * ETHERNET_HEADER_BYTES };
}
