// The parser's UDP ports as the program looks them up: the arrays `udp_tunnel_ports` and `udp_tunnels` of
// bpf/knobs.bpf.h.

import type { ParserConfig } from "./parser-config.ts";
import { ENCAPSULATION } from "./record.ts";

/** Values of the two knobs, each over its own ArrayBuffer. */
export interface UdpTunnelKnobs {
  /** A bit by port, as 64-bit words. */
  readonly ports: Uint8Array;
  /** Places of `struct udp_tunnel`: port, encapsulation, a zero byte. */
  readonly tunnels: Uint8Array;
}

const PORT_BITMAP_BYTES = 65_536 / 8;
const TUNNELS = 64;
const TUNNEL_BYTES = 4;

const ENCAPSULATIONS: Readonly<Record<keyof ParserConfig, number>> = {
  vxlan_ports: ENCAPSULATION.vxlan,
  vxlan_gpe_ports: ENCAPSULATION.vxlanGpe,
  geneve_ports: ENCAPSULATION.geneve,
  gtp_ports: ENCAPSULATION.gtp,
  teredo_ports: ENCAPSULATION.teredo,
  fou_ports: ENCAPSULATION.fou,
  wireguard_ports: ENCAPSULATION.wireguard,
  esp_ports: ENCAPSULATION.espInUdp,
};

/** @throws RangeError where there are more ports than places; the config allows no more */
export function encodeUdpTunnels(parser: ParserConfig): UdpTunnelKnobs {
  const ports = new Uint8Array(new ArrayBuffer(PORT_BITMAP_BYTES));
  const tunnels = new Uint8Array(new ArrayBuffer(TUNNELS * TUNNEL_BYTES));
  const places = new DataView(tunnels.buffer);
  let at = 0;
  for (const [list, encapsulation] of Object.entries(ENCAPSULATIONS) as [keyof ParserConfig, number][]) {
    for (const port of parser[list]) {
      // Bit n of a little-endian word is bit n % 8 of its byte n / 8.
      ports[port >>> 3] = (ports[port >>> 3] ?? 0) | (1 << (port & 7));
      places.setUint16(at, port, true);
      places.setUint8(at + 2, encapsulation);
      at += TUNNEL_BYTES;
    }
  }
  return { ports, tunnels };
}
