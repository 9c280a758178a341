// What a witness and we are compared by: per conversation its packets, layer-3 bytes, TCP flags and what carried them
// each way, its fragments, its first and last packet, and its Community ID.

import type { Told } from "./replayed.ts";
import { conversationKey, type Sighting, sightingsOf, wayKey } from "./sighting.ts";

/** Sums by direction, `protocol source:port > destination:port`. */
export interface WaySum {
  packets: number;
  bytes: number;
  tcpFlags: number;
  tunnelBytes: number;
  ipipBytes: number;
}

/** A conversation, both ways. Times are UnixNanos. */
export interface Conversation {
  communityId: string;
  first: bigint;
  last: bigint;
  fragments: number;
  readonly ways: Record<string, WaySum>;
}

/** By Community ID and both ends: pings of several identifiers between two hosts are one. */
export type Conversations = Record<string, Conversation>;

/** Adds a sighting to its way. */
export function addWay(ways: Record<string, WaySum>, sighting: Sighting): void {
  if (sighting.packets === 0) return;
  const key = wayKey(sighting);
  ways[key] ??= { packets: 0, bytes: 0, tcpFlags: 0, tunnelBytes: 0, ipipBytes: 0 };
  const way = ways[key];
  way.packets += sighting.packets;
  way.bytes += sighting.bytes;
  way.tcpFlags |= sighting.tcpFlags;
  way.tunnelBytes += sighting.overheads[0];
  way.ipipBytes += sighting.overheads[1];
}

/** Adds a sighting, made at `first` and for the last time at `last`, to its conversation. */
export function addSighting(
  conversations: Conversations,
  sighting: Sighting,
  communityId: string,
  [first, last]: readonly [bigint, bigint],
): void {
  const key = conversationKey(sighting, communityId);
  conversations[key] ??= { communityId, first, last, fragments: 0, ways: {} };
  const conversation = conversations[key];
  if (first < conversation.first) conversation.first = first;
  if (last > conversation.last) conversation.last = last;
  conversation.fragments += sighting.fragments;
  addWay(conversation.ways, sighting);
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
