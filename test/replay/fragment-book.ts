// Which flow a later fragment belongs to: what first fragments said, in the order of the file.

import type { Datagram, Transport } from "./datagram.ts";

interface Entry {
  time: bigint;
  /** Later fragments that came before the first. */
  waiting: number;
  first: { readonly transport: Transport; readonly isCarrier: boolean } | undefined;
}

/** What is known of a later fragment. */
export type Found = Transport | "carrier" | "unknown";

/** Linux, too, gives a datagram half a minute. */
const LIFE_NS = 30_000_000_000n;

/** First fragments, by addresses, protocol and identification. */
export class FragmentBook {
  readonly #entries: Map<string, Entry> = new Map();

  /** Notes a first fragment. Returns the number of later ones that came before it. */
  addFirst(datagram: Datagram, time: bigint, isCarrier: boolean): number {
    const before = this.#find(datagram, time);
    const first = { transport: datagram.transport, isCarrier };
    this.#entries.set(nameOf(datagram), { time, waiting: 0, first });
    return before?.waiting ?? 0;
  }

  /** Looks up a later fragment. */
  findLater(datagram: Datagram, time: bigint): Found {
    const entry = this.#find(datagram, time);
    if (entry?.first !== undefined) return entry.first.isCarrier ? "carrier" : entry.first.transport;
    this.#entries.set(nameOf(datagram), { time, waiting: (entry?.waiting ?? 0) + 1, first: undefined });
    return "unknown";
  }

  #find(datagram: Datagram, time: bigint): Entry | undefined {
    const entry = this.#entries.get(nameOf(datagram));
    return entry !== undefined && time - entry.time < LIFE_NS ? entry : undefined;
  }
}

function nameOf({ version, source, destination, namedProtocol, fragment }: Datagram): string {
  return [version, source, destination, namedProtocol, fragment?.identification].join(" ");
}
