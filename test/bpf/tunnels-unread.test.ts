// Tunnels whose inside cannot be read: the flow is that of the last packet that could, and the packet is counted as
// encapsulated_unread beside.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  filler,
  frame,
  ip,
  ipv4,
  ipv6,
  type NetworkPacket,
  type Segment,
  words,
} from "../support/packets.ts";
import { erspan2, erspan3, gre, ipInIp } from "../support/packets-gre.ts";
import { mpls } from "../support/packets-link.ts";
import { geneve, gtp, udpWith, vxlan, vxlanGpe } from "../support/packets-udp-tunnels.ts";
import { opaque, tcp, udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";

const INNER = ip("10.0.0.1", "10.0.0.2", udp([1000, 2000], 12));
const BRIDGED = frame(INNER);
const ENDS = { source: "10.0.0.1", destination: "10.0.0.2" };

let bench: Bench;
beforeAll(() => {
  bench = new Bench();
});
afterAll(() => bench[Symbol.dispose]());
beforeEach(() => bench.reset());

function other(ethertype: number, bytes: Uint8Array = filler(46)): Uint8Array {
  return frame({ ethertype, bytes });
}

const UNREAD: Readonly<Record<string, Segment>> = {
  "ARP in VXLAN": vxlan(other(0x0806)),
  "LLDP in Geneve": geneve(other(0x88cc)),
  "VXLAN without a VNI": vxlan(BRIDGED, { flags: 0 }),
  "VXLAN cut in its header": udpWith([50000, 4789], words(0x0800, 0, 0)),
  "an empty datagram to VXLAN's port": udp([50000, 4789]),
  "VXLAN with nothing inside": vxlan(new Uint8Array(0)),
  "VXLAN cut in the inner Ethernet header": vxlan(BRIDGED.subarray(0, 13)),
  "VXLAN cut in the inner IP header": vxlan(BRIDGED.subarray(0, 33)),
  "VXLAN cut in the inner UDP header": vxlan(BRIDGED.subarray(0, 41)),
  "VXLAN cut in the inner payload": vxlan(BRIDGED.subarray(0, 53)),
  "an inner frame of three tags": vxlan(
    frame(INNER, { tags: [1, 2, 3].map((id) => ({ ethertype: 0x8100, id })) }),
  ),
  "an inner IPv4 header that lies": vxlan(frame(ipv4({ ...ENDS, headerWords: 4 }, udp([1, 2])))),
  "an inner TCP header that lies": vxlan(frame(ipv4(ENDS, tcp([1, 2], { dataOffset: 4 })))),
  "an inner IPv6 packet of nine extension headers": vxlan(
    frame(
      ipv6(
        {
          source: "2001:db8:0:0:0:0:0:1",
          destination: "2001:db8:0:0:0:0:0:2",
          extensions: Array.from({ length: 9 }, () => ({ kind: 60, bytes: new Uint8Array(8) })),
        },
        udp([1, 2]),
      ),
    ),
  ),
  "VXLAN-GPE of another version": vxlanGpe(INNER.bytes, { flags: 0x1c, protocol: 1 }),
  "VXLAN-GPE's own messages": vxlanGpe(INNER.bytes, { flags: 0x0d, protocol: 1 }),
  "VXLAN-GPE with NSH": vxlanGpe(INNER.bytes, { protocol: 4 }),
  "Geneve of another version": geneve(BRIDGED, { version: 1 }),
  "Geneve's own messages": geneve(BRIDGED, { control: true }),
  "Geneve with another protocol": geneve(BRIDGED, { protocol: 0x88b5 }),
  "GTP-U's echo": gtp(filler(4), { type: 1, flags: 0x32 }),
  "GTP' and version 2": gtp(INNER.bytes, { flags: 0x48 }),
  "GTP-U with five extension headers": gtp(INNER.bytes, {
    extensions: Array.from({ length: 5 }, () => [0x85, filler(2)] as const),
  }),
  "GTP-U with neither IPv4 nor IPv6": gtp(filler(40)),
  "GRE with routing": gre(0x0800, INNER.bytes, { flags: 0x4000 }),
  "GRE of version 1": gre(0x880b, INNER.bytes, { flags: 1, key: 5 }),
  "GRE cut behind its flags": { protocol: 47, bytes: words(0xb000, 0x0800, 0) },
  "GRE with a keepalive": gre(0, new Uint8Array(0)),
  "GRE with MPLS of five labels": gre(0x8847, mpls(INNER.bytes, [1, 2, 3, 4, 5]).bytes),
  "GRE with MPLS of neither version": gre(0x8847, mpls(filler(40), [1]).bytes),
  "ERSPAN II of another version": erspan2(BRIDGED, 100, 3),
  "ERSPAN III of another version": erspan3(BRIDGED, { version: 1 }),
  "ERSPAN III with another frame type": erspan3(BRIDGED, { frameType: 1 }),
  "IPv6 behind protocol 4": {
    ...ipInIp(ip("2001:db8:0:0:0:0:0:1", "2001:db8:0:0:0:0:0:2", udp([1, 2]))),
    protocol: 4,
  },
  "IPv4 behind protocol 41": { ...ipInIp(INNER), protocol: 41 },
  "nothing behind protocol 4": opaque(4, 0),
};

describe("descend", () => {
  test.each(Object.entries(UNREAD))("tells %s as the outer flow", (_, segment) => {
    const carrier = ip("192.168.0.1", "192.168.0.2", segment);
    const counted = [1, carrier.bytes.length] as const;
    // The padding is no part of what is carried.
    expect(bench.run(frame(carrier, { padTo: 400 }))).toEqual({
      accounted: counted,
      encapsulated_unread: counted,
    });
    expect(bench.flow()).toMatchObject({
      low: "192.168.0.1",
      high: "192.168.0.2",
      protocol: segment.protocol,
      ways: [{ packets: 1, bytes: carrier.bytes.length }, { packets: 0 }],
      vlan: 0,
      mac: "02:00:00:00:00:0a",
      details: undefined,
    });
  });

  test("does not go round an extension header of GTP-U that has no length", () => {
    const bytes = Buffer.from(gtp(INNER.bytes, { extensions: [[0x85, filler(2)]] }).bytes);
    bytes[20] = 0;
    const carrier = ip("192.168.0.1", "192.168.0.2", { protocol: 17, bytes });
    const counted = [1, carrier.bytes.length] as const;
    expect(bench.run(frame(carrier))).toEqual({ accounted: counted, encapsulated_unread: counted });
  });

  test("keeps the tag of an inner frame that carries no IP out of the outer flow", () => {
    const arp = frame({ ethertype: 0x0806, bytes: filler(46) }, { tags: [{ ethertype: 0x8100, id: 9 }] });
    bench.run(frame(ip("192.168.0.1", "192.168.0.2", vxlan(arp))));
    expect(bench.flow().vlan).toBe(0);
  });

  test("tells the middle packet where only the innermost cannot be read", () => {
    const middle: NetworkPacket = ip("172.16.0.1", "172.16.0.2", gre(0x88b5, filler(20)));
    const carrier = ip("192.168.0.1", "192.168.0.2", vxlan(frame(middle)));
    const counted = [1, 44] as const;
    expect(bench.run(frame(carrier))).toEqual({ accounted: counted, encapsulated_unread: counted });
    expect(bench.flow()).toMatchObject({
      low: "172.16.0.1",
      protocol: 47,
      details: { tunnel: { encapsulation: 1 }, tunnelOverhead: [50, 0] },
    });
  });

  test("counts every packet of a super-packet whose inside cannot be read", () => {
    const carrier = ip("192.168.0.1", "192.168.0.2", udpWith([50000, 4789], filler(3000)));
    const counted = [3, 3000 + 3 * 28] as const;
    expect(bench.run(frame(carrier), { gsoSegments: 3, gsoSize: 1000 })).toEqual({
      accounted: counted,
      encapsulated_unread: counted,
    });
  });
});
