// What a record is to say of the headers around its flow, by the packets that a witness saw of it, beside what it says.

import { isIPv4 } from "node:net";
import type { Datagram } from "./datagram.ts";
import { type Carrier, toldCarriers } from "./nest.ts";
import type { Told } from "./replayed.ts";
import { type Ends, endsOf, turned, wayKey } from "./sighting.ts";
import type { ToldLayer } from "./told-details.ts";
import type { Member } from "./tshark.ts";

/** Of a record. */
export interface Surroundings {
  readonly tunnel: ToldLayer | undefined;
  readonly ipip: ToldLayer | undefined;
  readonly tunnelMac: string | undefined;
  readonly mac: string | undefined;
  readonly vlanId: number;
}

/** What a record says. */
export function toldSurroundings({ details, mac, vlanId }: Told): Surroundings {
  const { tunnel, ipip, tunnelMac } = details;
  return { tunnel, ipip, tunnelMac, mac, vlanId };
}

/**
 * What it is to say: what the flow's first packet had; outer ends and identifier as the source sends them, if it does.
 * @param members all packets of the record's flow, in order
 */
export function expectedSurroundings(record: Told, members: readonly [Member, ...Member[]]): Surroundings {
  const [first] = members;
  const { carriers, innermost } = first.nest;
  const datagrams = [...carriers.map(({ datagram }) => datagram), innermost];
  const source = endsOf(record);
  const forward = members.find(({ ends }) => wayKey(ends) === wayKey(source));
  const isForward = first === forward;
  return {
    tunnel: expectedLayer(source, members, 0),
    ipip: expectedLayer(source, members, 1),
    tunnelMac: isForward ? macOf(carriers[0]?.datagram) : undefined,
    mac: isForward ? macOf(innermost) : undefined,
    vlanId: datagrams.flatMap(({ vlanIds }) => vlanIds).find((id) => id !== 0) ?? 0,
  };
}

/** Loopback, and programs that make up captures, write zeros where there is no address. */
function macOf(datagram: Datagram | undefined): string | undefined {
  return datagram?.mac === "00:00:00:00:00:00" ? undefined : datagram?.mac;
}

/** By the first packets of each way that are carried as the first one of all is. */
function expectedLayer(source: Ends, members: readonly Member[], index: 0 | 1): ToldLayer | undefined {
  const carried = members.flatMap(({ ends, nest }) => {
    const carrier = toldCarriers(nest)[index]?.carrier;
    return carrier === undefined ? [] : [{ way: wayKey(ends), carrier }];
  });
  const [first] = carried;
  const firstOf = (ends: Ends): Carrier | undefined =>
    carried.find(({ way, carrier }) => way === wayKey(ends) && isLike(carrier, first?.carrier))?.carrier;
  const [forward, reverse] = [firstOf(source), firstOf(turned(source))];
  const told = forward === undefined ? mirrored(reverse) : describe(forward);
  return told === undefined ? undefined : { ...told, id: forward?.id ?? reverse?.id };
}

function isLike(carrier: Carrier, other: Carrier | undefined): boolean {
  return carrier.kind === other?.kind && isIPv4(carrier.datagram.source) === isIPv4(other.datagram.source);
}

function describe({ kind, id, datagram }: Carrier): ToldLayer {
  const [sourcePort, destinationPort] = datagram.transport.ports ?? [0, 0];
  const { source, destination } = datagram;
  return { kind, id, source, destination, sourcePort, destinationPort };
}

function mirrored(carrier: Carrier | undefined): ToldLayer | undefined {
  if (carrier === undefined) return undefined;
  const { source, destination, sourcePort, destinationPort, ...rest } = describe(carrier);
  return {
    ...rest,
    source: destination,
    destination: source,
    sourcePort: destinationPort,
    destinationPort: sourcePort,
  };
}
