// Packets that went one way, as a witness and our records tell them, and the names they are compared under.

import { isIPv6 } from "node:net";
import type { Told } from "./replayed.ts";
import type { Overheads } from "./told-details.ts";

/** Who sends to whom. */
export interface Ends {
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** One packet, or the packets of one record, one way. */
export interface Sighting extends Ends {
  readonly packets: number;
  readonly bytes: number;
  readonly tcpFlags: number;
  /** Bytes of what the packets were carried in. */
  readonly overheads: Overheads;
  /** How many of the packets were fragments. */
  readonly fragments: number;
}

/** The same ends, the other way. */
export function turned(ends: Ends): Ends {
  return {
    protocol: ends.protocol,
    source: ends.destination,
    destination: ends.source,
    sourcePort: ends.destinationPort,
    destinationPort: ends.sourcePort,
  };
}

/** The two ways of a record. Its fragments, which it tells for both together, stand with the first. */
export function sightingsOf(record: Told): readonly [Sighting, Sighting] {
  const { protocol, source, destination, sourcePort, destinationPort, forward, reverse, details } = record;
  const ends = { protocol, source, destination, sourcePort, destinationPort };
  return [
    { ...ends, ...forward, fragments: details.fragments },
    { ...turned(ends), ...reverse, fragments: 0 },
  ];
}

/** The way's name. Addresses in the one form that a URL gives them. */
export function wayKey(ends: Ends): string {
  return `${ends.protocol} ${sourceOf(ends)} > ${sourceOf(turned(ends))}`;
}

/** Both ways' name. The Community ID tells pings of several kinds between two hosts apart. */
export function conversationKey(ends: Ends, communityId: string): string {
  const both = [sourceOf(ends), sourceOf(turned(ends))].toSorted();
  return `${ends.protocol} ${both.join(" ")} ${communityId}`;
}

function sourceOf({ source, sourcePort }: Ends): string {
  const text = isIPv6(source) ? new URL(`http://[${source}]/`).hostname : source;
  return `${text}:${sourcePort}`;
}
