// IPv6 extension headers for tests. The next header in the first octet is filled in by ipv6().

import { type Extension, filler, words } from "./packets.ts";

/** Numbers of the extension headers (IANA, IPv6 Extension Header Types). */
export const EXTENSION = {
  hopByHop: 0,
  routing: 43,
  fragment: 44,
  authentication: 51,
  destination: 60,
  mobility: 135,
  hip: 139,
  shim6: 140,
} as const;

/** A header whose length octet counts 8 bytes beyond the first 8: all but fragment and authentication. */
export function extension(kind: number, extraUnits = 0): Extension {
  return { kind, bytes: Buffer.concat([Uint8Array.of(0, extraUnits), filler(6 + 8 * extraUnits)]) };
}

/** A fragment header; `offset` in bytes, a multiple of 8. */
export function fragmentHeader(offset: number, more: boolean, identification = 0xcafef00d): Extension {
  const id = words(identification >>> 16, identification & 0xffff);
  return { kind: EXTENSION.fragment, bytes: Buffer.concat([words(0, offset | (more ? 1 : 0)), id]) };
}

/** An authentication header with `valueBytes` of integrity value, a multiple of 4. RFC 4302: its length counts 4 bytes, less 2. */
export function authenticationHeader(valueBytes: number, spi = 0x11112222): Extension {
  const index = words(spi >>> 16, spi & 0xffff);
  const fixed = Buffer.concat([Uint8Array.of(0, (12 + valueBytes) / 4 - 2), words(0), index, words(0, 1)]);
  return { kind: EXTENSION.authentication, bytes: Buffer.concat([fixed, filler(valueBytes)]) };
}

/** Linux's BIG TCP hop-by-hop header: one jumbo option with the payload's length. RFC 2675. */
export function jumboHeader(payloadBytes: number): Extension {
  return {
    kind: EXTENSION.hopByHop,
    bytes: Buffer.concat([Uint8Array.of(0, 0, 0xc2, 4), words(payloadBytes >>> 16, payloadBytes & 0xffff)]),
  };
}
