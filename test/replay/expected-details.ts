// What a record is to say of the headers around its flow, by the packets that a witness saw of it, beside what it says.

import type { Datagram } from "./datagram.ts";
import { type Carrier, toldCarriers } from "./nest.ts";
import type { Told } from "./replayed.ts";
import { endsOf, turned, wayKey } from "./sighting.ts";
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
 * What it is to say: what the flow's first packet had; ports and identifier as the source sends them, if it does.
 * @param members all packets of the record's flow, in order
 */
export function expectedSurroundings(record: Told, members: readonly [Member, ...Member[]]): Surroundings {
  const [first] = members;
  const { carriers, innermost } = first.nest;
  const datagrams = [...carriers.map(({ datagram }) => datagram), innermost];
  const source = endsOf(record);
  const forward = members.find(({ ends }) => wayKey(ends) === wayKey(source));
  const reverse = members.find(({ ends }) => wayKey(ends) === wayKey(turned(source)));
  const isForward = first === forward;
  return {
    tunnel: expectedLayer([forward, reverse], 0),
    ipip: expectedLayer([forward, reverse], 1),
    tunnelMac: isForward ? macOf(carriers[0]?.datagram) : undefined,
    mac: isForward ? macOf(innermost) : undefined,
    vlanId: datagrams.flatMap(({ vlanIds }) => vlanIds).find((id) => id !== 0) ?? 0,
  };
}

/** Loopback, and programs that make up captures, write zeros where there is no address. */
function macOf(datagram: Datagram | undefined): string | undefined {
  return datagram?.mac === "00:00:00:00:00:00" ? undefined : datagram?.mac;
}

/** @param ways first packets forward and reverse */
function expectedLayer(
  ways: readonly [Member | undefined, Member | undefined],
  index: 0 | 1,
): ToldLayer | undefined {
  const [forward, reverse] = ways.map((way) =>
    way === undefined ? undefined : toldCarriers(way.nest)[index]?.carrier,
  );
  const told = forward === undefined ? mirrored(reverse) : describe(forward);
  return told === undefined ? undefined : { ...told, id: forward?.id ?? reverse?.id };
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
