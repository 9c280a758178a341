// Frames of the kinds whose cost is measured, and what the program is to make of each of them.

import { frame, ipv4, type Segment } from "../test/support/packets.ts";
import { gre } from "../test/support/packets-gre.ts";
import { geneve, vxlan } from "../test/support/packets-udp-tunnels.ts";
import { opaque, tcp, udp } from "../test/support/segments.ts";

/** How the programs are loaded. */
export type Setting = "plain" | "filtering" | "sampling";

/** One kind of packet. */
export interface PacketKind {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly setting: Setting;
  /** The one counter that each such packet adds to. */
  readonly counter: "accounted" | "filtered" | "sampled_out";
  /** A packet that has to come before, not measured. */
  readonly after?: Uint8Array;
  /** Most nanoseconds. */
  readonly reachNs?: number;
}

const ENDS = { source: "10.0.0.1", destination: "10.0.0.2" } as const;
const CARRIER = { source: "192.0.2.1", destination: "192.0.2.2" } as const;
const PORTS = [40_000, 443] as const;
/** With them a frame is 114 bytes. */
const UDP_PAYLOAD = 72;
const TCP_PAYLOAD = 60;
const FRAGMENT = { ...ENDS, identification: 7 } as const;

const UDP: Uint8Array = udpFrame(PORTS[0]);
const ACK: Uint8Array = plain(tcp(PORTS));
const DATA: Uint8Array = plain(tcp(PORTS, {}, TCP_PAYLOAD));
const FIRST: Uint8Array = frame(ipv4({ ...FRAGMENT, moreFragments: true }, udp(PORTS, UDP_PAYLOAD)));
const LATER: Uint8Array = frame(ipv4({ ...FRAGMENT, fragmentOffset: 80 }, opaque(17, 80)));

/** Packets of one header of each layer, and one with a VLAN tag: what earlier programs read too. */
export const PLAIN_KINDS: readonly PacketKind[] = [
  accounted("UDP, 114 bytes", UDP, 118),
  accounted("TCP ACK, 54 bytes", ACK, 125),
  accounted("TCP data, 114 bytes", DATA),
  accounted(
    "UDP with a VLAN tag, 118 bytes",
    frame(ipv4(ENDS, udp(PORTS, UDP_PAYLOAD)), { tags: [{ ethertype: 0x8100, id: 42 }] }),
  ),
];

/** Packets in tunnels, and fragments. */
export const SPECIAL_KINDS: readonly PacketKind[] = [
  accounted("TCP data in VXLAN, 164 bytes", carried(vxlan(DATA))),
  accounted("TCP ACK in VXLAN, 104 bytes", carried(vxlan(ACK))),
  accounted(
    "TCP data in Geneve with options, 172 bytes",
    carried(geneve(DATA, { options: new Uint8Array(8) })),
  ),
  accounted(
    "TCP data in GRE, 138 bytes",
    carried(gre(0x0800, ipv4(ENDS, tcp(PORTS, {}, TCP_PAYLOAD)).bytes)),
  ),
  accounted("UDP, first fragment, 114 bytes", FIRST),
  { ...accounted("UDP, later fragment, 114 bytes", LATER), after: FIRST },
];

/** Packets where filters are on that leave UDP out. */
export const FILTERED_KINDS: readonly PacketKind[] = [
  { name: "UDP of a flow that was filtered", bytes: UDP, setting: "filtering", counter: "filtered" },
  { ...accounted("TCP ACK with filters on", ACK), setting: "filtering" },
];

/** A UDP frame of 114 bytes from a port. */
export function udpFrame(sourcePort: number): Uint8Array {
  return plain(udp([sourcePort, PORTS[1]], UDP_PAYLOAD));
}

function accounted(name: string, bytes: Uint8Array, reachNs?: number): PacketKind {
  const kind = { name, bytes, setting: "plain", counter: "accounted" } as const;
  return reachNs === undefined ? kind : { ...kind, reachNs };
}

function plain(segment: Segment): Uint8Array {
  return frame(ipv4({ ...ENDS, dontFragment: true }, segment));
}

function carried(segment: Segment): Uint8Array {
  return frame(ipv4(CARRIER, segment));
}
