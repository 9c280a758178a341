// A capture of what captures seldom have, so that each attribute is on a span: IPsec, WireGuard, IP in IP inside of
// a tunnel, both behind authentication headers, an ICMP answer whose code has a name.

import { frame, ip, type NetworkPacket } from "../support/packets.ts";
import { ipInIp } from "../support/packets-gre.ts";
import { authenticated, esp, wireguard } from "../support/packets-ipsec.ts";
import { vxlan } from "../support/packets-udp-tunnels.ts";
import { icmp, udp } from "../support/segments.ts";
import { A, B, START } from "./exchange.ts";
import { pcap } from "./pcap-writer.ts";

/** RFC 1256: the answer's code has a name. */
const ROUTER = { solicitation: { type: 10 }, advertisement: { type: 9, code: 0 } };

const PACKETS: readonly NetworkPacket[] = [
  ip(A, B, esp(0x1001)),
  ip(A, B, authenticated(udp([4000, 4001], 12), 0x2002)),
  ip(A, B, wireguard(1, [0x3003])),
  ip(B, A, wireguard(2, [0x4004, 0x3003])),
  ip(A, B, icmp(ROUTER.solicitation)),
  ip(B, A, icmp(ROUTER.advertisement)),
  nested([A, B], [5000, 5001]),
  nested([B, A], [5001, 5000]),
];

/** The capture's bytes. */
export function rareCapture(): Buffer {
  return pcap(
    PACKETS.map((packet, index) => ({ bytes: frame(packet), time: START + BigInt(index) * 1_000_000n })),
  );
}

/** UDP in IP in VXLAN, an authentication header in front of both carriers. */
function nested([from, to]: readonly [string, string], ports: readonly [number, number]): NetworkPacket {
  const inner = ip(from, to, udp(ports, 12));
  const between = ip(
    `172.16.0.${from.at(-1)}`,
    `172.16.0.${to.at(-1)}`,
    authenticated(ipInIp(inner), 0x5005),
  );
  const outer = authenticated(vxlan(frame(between), { vni: 7 }), 0x6006);
  return ip(`192.168.0.${from.at(-1)}`, `192.168.0.${to.at(-1)}`, outer);
}
