// The normalised key of a flow, as text and numbers.

import type { Transport } from "./reference-transport.ts";

/** Both directions of a flow have the same; IPv4 addresses as ::ffff:a.b.c.d, in hex. */
export interface ReferenceKey {
  readonly low: string;
  readonly lowPort: number;
  readonly high: string;
  readonly highPort: number;
  readonly protocol: number;
  readonly ipVersion: number;
  readonly vlan: number;
  readonly tunnelId: number;
  /** `enum icmp_pairing`. */
  readonly icmpPairing: number;
}

export interface OrientedKey {
  readonly key: ReferenceKey;
  /** 0: from the low end to the high one. */
  readonly way: 0 | 1;
}

export interface KeyFields {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly ipVersion: number;
  readonly vlan: number;
  readonly tunnelId: number;
}

/** @param ports of the packet; a fragment's are those of its first */
export function formKey(fields: KeyFields, ports: Transport): OrientedKey {
  const { source, destination, ipVersion, vlan, tunnelId } = fields;
  const order = Buffer.compare(source, destination);
  // The ports of a message that nothing answers are no ports: they say nothing about order.
  const isReversed =
    order > 0 || (order === 0 && ports.icmp !== "oneWay" && ports.sourcePort > ports.destinationPort);
  const way = isReversed ? 1 : 0;
  const ends = [
    { address: Buffer.from(source).toString("hex"), port: ports.sourcePort },
    { address: Buffer.from(destination).toString("hex"), port: ports.destinationPort },
  ] as const;
  const low = ends[way];
  const high = ends[isReversed ? 0 : 1];
  const pairing = { none: 0, paired: 0, echo: 1, oneWay: isReversed ? 3 : 2 }[ports.icmp];
  return {
    way,
    key: {
      low: low.address,
      lowPort: low.port,
      high: high.address,
      highPort: high.port,
      protocol: ports.protocol,
      ipVersion,
      vlan,
      tunnelId,
      icmpPairing: pairing,
    },
  };
}
