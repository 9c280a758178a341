// Packets whose inside cannot be read: ESP, ESP in UDP, WireGuard; and authentication headers in IPv4.

import { filler, type Segment, words } from "./packets.ts";
import { type TunnelPorts, udpWith } from "./packets-udp-tunnels.ts";

/** RFC 4303: index, sequence number and `bytes` of ciphertext. */
export function esp(spi: number, bytes = 24): Segment {
  return { protocol: 50, bytes: Buffer.concat([words(spi >>> 16, spi & 0xffff, 0, 1), filler(bytes)]) };
}

/** RFC 3948. */
export function espInUdp(spi: number, ports: TunnelPorts = [4500, 4500]): Segment {
  return udpWith(ports, esp(spi).bytes);
}

/** RFC 4302 in IPv4: an authentication header before a transport. */
export function authenticated(segment: Segment, spi: number, valueBytes = 12): Segment {
  const header = Uint8Array.of(
    segment.protocol,
    (12 + valueBytes) / 4 - 2,
    ...words(0, spi >>> 16, spi & 0xffff, 0, 1),
  );
  return { protocol: 51, bytes: Buffer.concat([header, filler(valueBytes), segment.bytes]) };
}

/** Bytes of each type of WireGuard's messages; of transport data at least. */
const WIREGUARD_BYTES: Readonly<Record<number, number>> = { 1: 148, 2: 92, 3: 64, 4: 32 };

/** A WireGuard message with its indices in order: sender, receiver, as its type has them. */
export function wireguard(
  type: number,
  indices: readonly number[],
  ports: TunnelPorts = [51820, 51820],
): Segment {
  const bytes = Buffer.from(filler(WIREGUARD_BYTES[type] ?? 32));
  bytes.writeUInt32LE(type, 0);
  for (const [place, index] of indices.entries()) bytes.writeUInt32LE(index, 4 + 4 * place);
  return udpWith(ports, bytes);
}
