// What stands between an Ethernet header and IP: MPLS labels and PPPoE.

import { type NetworkPacket, words } from "./packets.ts";

export interface PppoeFields {
  /** PPP's protocol; IPv4 or IPv6 by the packet unless told. */
  readonly protocol?: number;
  /** Overrides that make the header lie. */
  readonly versionAndType?: number;
  readonly code?: number;
  readonly length?: number;
}

/** RFC 3032: `labels` outermost first, the last one with the bottom-of-stack bit unless `hasBottom` is false. */
export function mpls(inside: Uint8Array, labels: readonly number[], hasBottom = true): NetworkPacket {
  const stack = labels.map((label, index) => {
    const bottom = hasBottom && index === labels.length - 1 ? 0x100 : 0;
    return words(label >>> 4, ((label & 0x0f) << 12) | bottom | 64);
  });
  return { ethertype: 0x8847, bytes: Buffer.concat([...stack, inside]) };
}

/** RFC 2516: a packet of a session. */
export function pppoe(inside: NetworkPacket, fields: PppoeFields = {}): NetworkPacket {
  const protocol = fields.protocol ?? (inside.ethertype === 0x86dd ? 0x0057 : 0x0021);
  const header = Uint8Array.of(
    fields.versionAndType ?? 0x11,
    fields.code ?? 0,
    ...words(0x0007, fields.length ?? inside.bytes.length + 2, protocol),
  );
  return { ethertype: 0x8864, bytes: Buffer.concat([header, inside.bytes]) };
}
