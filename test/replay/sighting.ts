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
  /** Type and session of the mirror around a copy: a flow apart from the original's. Empty for all else. */
  readonly mirror: string;
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
    mirror: ends.mirror,
  };
}

/** Source and destination of a record. */
export function endsOf({
  protocol,
  source,
  destination,
  sourcePort,
  destinationPort,
  details: { tunnel },
}: Told): Ends {
  const mirror = mirrorName(tunnel?.kind, tunnel?.id);
  return { protocol, source, destination, sourcePort, destinationPort, mirror };
}

/** {@link Ends.mirror} by the outermost encapsulation. */
export function mirrorName(kind: string | undefined, id: number | undefined): string {
  return kind === "erspan" ? `erspan ${id ?? 0}` : "";
}

/** The two ways of a record. Its fragments, which it tells for both together, stand with the first. */
export function sightingsOf(record: Told): readonly [Sighting, Sighting] {
  const { forward, reverse, details } = record;
  const ends = endsOf(record);
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
  return `${ends.protocol} ${both.join(" ")} ${communityId} ${ends.mirror}`.trimEnd();
}

function sourceOf({ source, sourcePort }: Ends): string {
  const text = isIPv6(source) ? new URL(`http://[${source}]/`).hostname : source;
  return `${text}:${sourcePort}`;
}
