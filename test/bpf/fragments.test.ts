// Fragments: later ones belong to the flow of the first, whenever it comes.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { EXTENSION, extension, fragmentHeader } from "../support/extensions.ts";
import { frame, ipv4, ipv6, type NetworkPacket, type Segment } from "../support/packets.ts";
import { authenticated } from "../support/packets-ipsec.ts";
import { vxlan } from "../support/packets-udp-tunnels.ts";
import { icmp, opaque, TCP_FLAG, tcp, udp } from "../support/segments.ts";
import { Bench, type Counts } from "./bench.ts";

const SECOND_NS = 1e9;
const ENDS4 = { source: "10.0.0.1", destination: "10.0.0.2" };
const ENDS6 = { source: "2001:db8:0:0:0:0:0:1", destination: "2001:db8:0:0:0:0:0:2" };
/** Bytes of the first fragment's data. */
const CUT = 1480;

let bench: Bench;
/** Each test has datagrams of its own: what is known of fragments outlives it. */
let identification = 0;
let nowNs = 1e12;
beforeAll(() => {
  bench = new Bench({ isReplay: true });
});
afterAll(() => bench[Symbol.dispose]());
beforeEach(() => {
  bench.reset();
  identification++;
  nowNs += 100 * SECOND_NS;
});

interface Family {
  readonly first: (segment: Segment) => NetworkPacket;
  readonly later: (segment: Segment, more: boolean) => NetworkPacket;
  readonly headerBytes: number;
}

const FAMILIES: Readonly<Record<string, Family>> = {
  IPv4: {
    headerBytes: 20,
    first: (segment) => ipv4({ ...ENDS4, identification, moreFragments: true }, segment),
    later: (segment, more) =>
      ipv4({ ...ENDS4, identification, fragmentOffset: more ? CUT : 2 * CUT, moreFragments: more }, segment),
  },
  IPv6: {
    headerBytes: 48,
    first: (segment) => ipv6({ ...ENDS6, extensions: [fragmentHeader(0, true, identification)] }, segment),
    later: (segment, more) =>
      ipv6({ ...ENDS6, extensions: [fragmentHeader(more ? CUT : 2 * CUT, more, identification)] }, segment),
  },
};

const SEGMENTS = {
  TCP: tcp([1000, 2000], { flags: TCP_FLAG.psh }, CUT - 20),
  UDP: udp([1000, 2000], CUT - 8),
} as const;

function run(packet: NetworkPacket, delayNs = 1): Counts {
  nowNs += delayNs;
  return bench.run(frame(packet), { atNs: nowNs });
}

for (const [family, { first, later, headerBytes }] of Object.entries(FAMILIES)) {
  describe(`follow_fragment, ${family}`, () => {
    const bytes = headerBytes + CUT;
    const all = 3 * headerBytes + 2 * CUT + 100;

    test.each(Object.entries(SEGMENTS))(
      "joins later fragments of %s to the first one's flow",
      (_, segment) => {
        const { protocol } = segment;
        expect(run(first(segment))).toEqual({ accounted: [1, bytes] });
        expect(run(later(opaque(protocol, CUT), true))).toEqual({ accounted: [1, bytes] });
        expect(run(later(opaque(protocol, 100), false))).toEqual({ accounted: [1, headerBytes + 100] });
        expect(bench.flow()).toMatchObject({
          lowPort: 1000,
          highPort: 2000,
          protocol,
          ways: [{ packets: 3, bytes: all, tcpFlags: protocol === 6 ? TCP_FLAG.psh : 0 }, {}],
          details: { fragments: 3, tunnel: undefined },
        });
      },
    );

    test("counts fragments that come before the first without ports, and tells how many they were", () => {
      const early = [1, bytes] as const;
      expect(run(later(opaque(17, CUT), true))).toEqual({ accounted: early, fragment: early });
      expect(run(later(opaque(17, CUT), false))).toEqual({ accounted: early, fragment: early });
      expect(run(first(SEGMENTS.UDP))).toEqual({ accounted: early, fragment_reordered: [2, 0] });
      expect(run(later(opaque(17, CUT), true))).toEqual({ accounted: early });
      const flows = bench.flows().sort((left, right) => left.lowPort - right.lowPort);
      expect(flows).toMatchObject([
        { lowPort: 0, highPort: 0, protocol: 17, ways: [{ packets: 2 }, {}], details: { fragments: 2 } },
        {
          lowPort: 1000,
          highPort: 2000,
          protocol: 17,
          ways: [{ packets: 2 }, {}],
          details: { fragments: 2 },
        },
      ]);
    });

    test("keeps fragments without a first in a flow of their own", () => {
      const counted = [1, bytes] as const;
      for (let count = 0; count < 3; count++) {
        expect(run(later(opaque(6, CUT), true))).toEqual({ accounted: counted, fragment: counted });
      }
      expect(bench.flow()).toMatchObject({
        lowPort: 0,
        protocol: 6,
        ways: [{ packets: 3, tcpFlags: 0 }, {}],
      });
    });

    test("knows a first fragment for 30 seconds", () => {
      const counted = [1, bytes] as const;
      run(first(SEGMENTS.UDP));
      expect(run(later(opaque(17, CUT), true), 29 * SECOND_NS)).toEqual({ accounted: counted });
      expect(run(later(opaque(17, CUT), true), 2 * SECOND_NS)).toEqual({
        accounted: counted,
        fragment: counted,
      });
      expect(run(first(SEGMENTS.UDP))).toEqual({ accounted: counted, fragment_reordered: [1, 0] });
    });

    test("forgets after 30 seconds that fragments wait", () => {
      run(later(opaque(17, CUT), true));
      expect(run(first(SEGMENTS.UDP), 31 * SECOND_NS)).toEqual({ accounted: [1, bytes] });
    });

    test("tells datagrams apart by their identification", () => {
      run(first(SEGMENTS.UDP));
      identification++;
      expect(run(later(opaque(17, CUT), true)).fragment).toEqual([1, bytes]);
    });

    test("remembers nothing of a first fragment that cannot be read", () => {
      expect(run(first({ protocol: 17, bytes: new Uint8Array(7) }))).toEqual({
        malformed_udp: [1, headerBytes + 7],
      });
      expect(run(later(opaque(17, CUT), true)).fragment).toEqual([1, bytes]);
    });

    test("counts later fragments of a datagram that carries another packet, in no flow", () => {
      const inner = ipv4({ source: "10.9.0.1", destination: "10.9.0.2" }, udp([7, 8], 3000));
      const tunnel = vxlan(frame(inner));
      const part = { protocol: 17, bytes: tunnel.bytes.slice(0, CUT) };
      const rest = opaque(17, tunnel.bytes.length - CUT);
      expect(run(first(part))).toEqual({ accounted: [1, inner.bytes.length] });
      const unseen = [1, headerBytes + rest.bytes.length] as const;
      expect(run(later(rest, true))).toEqual({ fragment_encapsulated: unseen });
      expect(bench.flow()).toMatchObject({
        low: "10.9.0.1",
        lowPort: 7,
        ways: [{ packets: 1, bytes: 3028 }, {}],
        details: { tunnel: { encapsulation: 1 }, tunnelOverhead: [headerBytes + 30, 0], fragments: 0 },
      });
    });

    test("joins fragments of a tunnel that was not read to the outer flow", () => {
      expect(run(first(udp([50000, 4789], CUT - 8)))).toEqual({
        accounted: [1, bytes],
        encapsulated_unread: [1, bytes],
      });
      expect(run(later(opaque(17, CUT), true))).toEqual({ accounted: [1, bytes] });
      expect(bench.flow()).toMatchObject({
        highPort: 4789,
        ways: [{ packets: 2 }, {}],
        details: { fragments: 2 },
      });
    });

    test("joins fragments inside of a tunnel", () => {
      const carry = (packet: NetworkPacket): NetworkPacket =>
        ipv4({ source: "192.168.0.1", destination: "192.168.0.2" }, vxlan(frame(packet)));
      expect(run(carry(first(udp([1000, 2000], 200))))).toEqual({ accounted: [1, headerBytes + 208] });
      expect(run(carry(later(opaque(17, 100), false)))).toEqual({ accounted: [1, headerBytes + 100] });
      expect(bench.flow()).toMatchObject({
        lowPort: 1000,
        ways: [{ packets: 2 }, {}],
        details: { fragments: 2, tunnelOverhead: [100, 0] },
      });
    });

    test("does not take what stands behind a short first fragment for the packet it carries", () => {
      const inner = ipv4({ source: "10.9.0.1", destination: "10.9.0.2" }, udp([7, 8], 100));
      const tunnel = vxlan(frame(inner));
      const cut = first({ protocol: 17, bytes: tunnel.bytes.slice(0, 32) });
      const trailer = tunnel.bytes.subarray(32);
      const counted = [1, headerBytes + 32] as const;
      nowNs++;
      expect(bench.run(Buffer.concat([frame(cut), trailer]), { atNs: nowNs })).toEqual({
        accounted: counted,
        encapsulated_unread: counted,
      });
      expect(bench.flow()).toMatchObject({ lowPort: 50000, highPort: 4789 });
    });
  });
}

describe("follow_fragment", () => {
  test("finds an ICMP message's fragments by its identifier", () => {
    run(ipv4({ ...ENDS4, identification, moreFragments: true }, icmp({ type: 8, identifier: 0xbeef }, 1472)));
    run(ipv4({ ...ENDS4, identification, fragmentOffset: 1480 }, opaque(1, 100)));
    expect(bench.flow()).toMatchObject({
      lowPort: 0xbeef,
      icmpPairing: 1,
      ways: [{ packets: 2, icmpType: 8 }, {}],
    });
  });

  test("finds fragments behind an authentication header by the protocol that the IP header names", () => {
    const whole = authenticated(udp([1000, 2000], 100), 5);
    run(ipv4({ ...ENDS4, identification, moreFragments: true }, whole));
    expect(run(ipv4({ ...ENDS4, identification, fragmentOffset: 1480 }, opaque(51, 100)))).toEqual({
      accounted: [1, 120],
    });
    expect(bench.flow()).toMatchObject({ protocol: 17, lowPort: 1000, ways: [{ packets: 2 }, {}] });
  });

  test("takes an atomic fragment for none, and reads the tunnel in it", () => {
    const inner = ipv4({ source: "10.9.0.1", destination: "10.9.0.2" }, udp([7, 8], 12));
    const extensions = [fragmentHeader(0, false, identification)];
    expect(run(ipv6({ ...ENDS6, extensions }, vxlan(frame(inner))))).toEqual({ accounted: [1, 40] });
    expect(bench.flow().details).toMatchObject({ fragments: 0, tunnelOverhead: [78, 0] });
    bench.reset();
    run(ipv6({ ...ENDS6, extensions }, udp([1000, 2000], 12)));
    expect(bench.flow()).toMatchObject({ lowPort: 1000, details: undefined });
  });

  test("finds an IPv6 fragment whatever next header the later one names", () => {
    const chain = [fragmentHeader(0, true, identification), extension(EXTENSION.destination)];
    run(ipv6({ ...ENDS6, extensions: chain }, udp([1000, 2000], 64)));
    const later = ipv6({ ...ENDS6, extensions: [fragmentHeader(80, false, identification)] }, opaque(60, 64));
    expect(run(later)).toEqual({ accounted: [1, 112] });
    expect(bench.flow()).toMatchObject({ protocol: 17, lowPort: 1000, ways: [{ packets: 2 }, {}] });
  });
});
