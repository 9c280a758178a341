// What a witness and we are compared by: per conversation its packets, layer-3 bytes and TCP flags each way, its first
// and last packet, and its Community ID.

import type { Told } from "./replayed.ts";

/** One packet, or the packets of one record, one way. */
export interface Sighting {
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly packets: number;
  readonly bytes: number;
  readonly tcpFlags: number;
}

/** Sums by direction, `protocol source:port > destination:port`. */
export interface WaySum {
  packets: number;
  bytes: number;
  tcpFlags: number;
}

/** A conversation, both ways. Times are UnixNanos. */
export interface Conversation {
  communityId: string;
  first: bigint;
  last: bigint;
  readonly ways: Record<string, WaySum>;
}

/** By Community ID and both ends: pings of several identifiers between two hosts are one. */
export type Conversations = Record<string, Conversation>;

/** The way's name. Addresses in the one form that a URL gives them. */
export function wayKey(sighting: Sighting): string {
  const { protocol, source, destination, sourcePort, destinationPort } = sighting;
  return `${protocol} ${endpoint(source, sourcePort)} > ${endpoint(destination, destinationPort)}`;
}

/** Adds a sighting to its way. */
export function addWay(ways: Record<string, WaySum>, sighting: Sighting): void {
  if (sighting.packets === 0) return;
  const key = wayKey(sighting);
  ways[key] ??= { packets: 0, bytes: 0, tcpFlags: 0 };
  ways[key].packets += sighting.packets;
  ways[key].bytes += sighting.bytes;
  ways[key].tcpFlags |= sighting.tcpFlags;
}

/** Adds a sighting, made at `first` and for the last time at `last`, to its conversation. */
export function addSighting(
  conversations: Conversations,
  sighting: Sighting,
  communityId: string,
  [first, last]: readonly [bigint, bigint],
): void {
  const ends = [
    endpoint(sighting.source, sighting.sourcePort),
    endpoint(sighting.destination, sighting.destinationPort),
  ];
  const key = `${sighting.protocol} ${ends.toSorted().join(" ")} ${communityId}`;
  conversations[key] ??= { communityId, first, last, ways: {} };
  const conversation = conversations[key];
  if (first < conversation.first) conversation.first = first;
  if (last > conversation.last) conversation.last = last;
  addWay(conversation.ways, sighting);
}

/** The two ways of a record. */
export function sightingsOf(record: Told): readonly [Sighting, Sighting] {
  const { protocol, source, destination, sourcePort, destinationPort, forward, reverse } = record;
  return [
    { protocol, source, destination, sourcePort, destinationPort, ...forward },
    {
      protocol,
      source: destination,
      destination: source,
      sourcePort: destinationPort,
      destinationPort: sourcePort,
      ...reverse,
    },
  ];
}

/** Sums records by conversation. */
export function tallyRecords(records: readonly Told[]): Conversations {
  const conversations: Conversations = {};
  for (const record of records) {
    for (const sighting of sightingsOf(record)) {
      addSighting(conversations, sighting, record.communityId, [record.start, record.end]);
    }
  }
  return conversations;
}

function endpoint(address: string, port: number): string {
  const text = address.includes(":") ? new URL(`http://[${address}]/`).hostname : address;
  return `${text}:${port}`;
}
