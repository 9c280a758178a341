// What first fragments say of later ones, for 30 seconds.

import type { Datagram } from "./reference-network.ts";
import type { Transport } from "./reference-transport.ts";

const LIFETIME_NS = 30e9;

interface Entry {
  seenNs: number;
  /** Later fragments that came before the first; they found no ports. */
  waiting: number;
  first?: { readonly ports: Transport; readonly isCarrier: boolean };
}

/** What a later fragment finds. */
export type FoundFragment =
  | { readonly kind: "ports"; readonly ports: Transport }
  | { readonly kind: "carrier" }
  | { readonly kind: "nothing" };

/** Where a fragment belongs. */
export interface FragmentPlace {
  readonly datagram: Datagram;
  readonly vlan: number;
  readonly tunnelId: number;
}

/** Without the eviction of a full table. */
export class FragmentTable {
  readonly #entries: Map<string, Entry> = new Map();

  /** Notes a first fragment. Returns how many later ones had come before it. */
  addFirst(place: FragmentPlace, ports: Transport, isCarrier: boolean, atNs: number): number {
    const name = nameOf(place);
    const before = this.#find(name, atNs);
    this.#entries.set(name, { seenNs: atNs, waiting: 0, first: { ports, isCarrier } });
    return before?.waiting ?? 0;
  }

  /** Looks a later fragment up, and notes that it waits where its first is not known. */
  findLater(place: FragmentPlace, atNs: number): FoundFragment {
    const name = nameOf(place);
    const entry = this.#find(name, atNs);
    if (entry?.first !== undefined) {
      return entry.first.isCarrier ? { kind: "carrier" } : { kind: "ports", ports: entry.first.ports };
    }
    this.#entries.set(name, { seenNs: atNs, waiting: (entry?.waiting ?? 0) + 1 });
    return { kind: "nothing" };
  }

  #find(name: string, atNs: number): Entry | undefined {
    const entry = this.#entries.get(name);
    return entry !== undefined && atNs - entry.seenNs <= LIFETIME_NS ? entry : undefined;
  }
}

function nameOf({ datagram, vlan, tunnelId }: FragmentPlace): string {
  const ends = [datagram.source, datagram.destination].map((address) => Buffer.from(address).toString("hex"));
  return [...ends, datagram.headerProtocol, datagram.identification, datagram.version, vlan, tunnelId].join(
    " ",
  );
}
