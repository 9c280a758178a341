import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { authenticationHeader, EXTENSION, extension, fragmentHeader } from "../support/extensions.ts";
import {
  type Extension,
  frame,
  type Ipv6Fields,
  ipv6,
  type NetworkPacket,
  type Segment,
} from "../support/packets.ts";
import { esp } from "../support/packets-ipsec.ts";
import { icmpv6, opaque, TCP_FLAG, tcp, udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";
import { NO_DETAILS } from "./decode-details.ts";

const ENDS = { source: "2001:db8:0:0:0:0:0:1", destination: "2001:db8:0:0:0:0:0:2" };
const NO_NEXT = opaque(59, 0);
const AH_SPI = 0x12345678;
const ESP_SPI = 0x9abcdef0;

let bench: Bench;
beforeAll(() => {
  bench = new Bench();
});
afterAll(() => bench[Symbol.dispose]());
beforeEach(() => bench.reset());

function packet(
  extensions: readonly Extension[],
  segment: Segment,
  fields: Partial<Ipv6Fields> = {},
): NetworkPacket {
  return ipv6({ ...ENDS, extensions, ...fields }, segment);
}

const KINDS: Readonly<Record<string, Extension>> = {
  "hop-by-hop": extension(EXTENSION.hopByHop),
  "hop-by-hop of 24 bytes": extension(EXTENSION.hopByHop, 2),
  routing: extension(EXTENSION.routing, 2),
  "destination options": extension(EXTENSION.destination, 1),
  "destination options of 1,600 bytes": extension(EXTENSION.destination, 199),
  "authentication of 12 bytes": authenticationHeader(0, AH_SPI),
  "authentication of 44 bytes": authenticationHeader(32, AH_SPI),
  mobility: extension(EXTENSION.mobility, 1),
  HIP: extension(EXTENSION.hip, 4),
  shim6: extension(EXTENSION.shim6, 1),
  "an atomic fragment": fragmentHeader(0, false),
};

describe("parse_extensions", () => {
  test.each(Object.entries(KINDS))("walks %s to TCP, UDP and a protocol without ports", (_, header) => {
    const isAuthenticated = header.kind === EXTENSION.authentication;
    for (const segment of [tcp([443, 50000], {}, 3), udp([443, 50000], 3), esp(ESP_SPI, 8)]) {
      const built = packet([header], segment);
      expect(bench.run(frame(built))).toEqual({ accounted: [1, built.bytes.length] });
      const isEsp = segment.protocol === 50;
      const [lowPort, highPort] = isEsp ? [0, 0] : [443, 50000];
      const flow = bench.flow();
      expect(flow).toMatchObject({ protocol: segment.protocol, lowPort, highPort });
      expect(flow.details).toEqual(
        isAuthenticated || isEsp
          ? { ...NO_DETAILS, ahSpi: [isAuthenticated ? AH_SPI : 0, 0], espSpi: [isEsp ? ESP_SPI : 0, 0] }
          : undefined,
      );
      bench.reset();
    }
  });

  test.each([
    ["mobility", EXTENSION.mobility],
    ["HIP", EXTENSION.hip],
    ["shim6", EXTENSION.shim6],
  ])("takes %s that stands alone as the conversation", (_, kind) => {
    bench.run(frame(packet([extension(EXTENSION.destination), extension(kind, 1)], NO_NEXT)));
    expect(bench.flow()).toMatchObject({ protocol: kind, lowPort: 0, highPort: 0 });
  });

  test("ends at no next header behind options", () => {
    bench.run(frame(packet([extension(EXTENSION.hopByHop)], NO_NEXT)));
    expect(bench.flow().protocol).toBe(59);
  });

  test.each(
    Object.values(EXTENSION).filter(
      (kind) => kind !== EXTENSION.fragment && kind !== EXTENSION.authentication,
    ),
  )("walks a chain of 8 of kind %d and gives 9 up", (kind) => {
    const chain = Array.from({ length: 9 }, () => extension(kind));
    const eight = packet(chain.slice(1), udp([7, 8]));
    expect(bench.run(frame(eight))).toEqual({ accounted: [1, eight.bytes.length] });
    expect(bench.flow()).toMatchObject({ protocol: 17, lowPort: 7, highPort: 8 });
    bench.reset();
    const nine = packet(chain, udp([7, 8]));
    expect(bench.run(frame(nine))).toEqual({ parse_depth: [1, nine.bytes.length] });
    expect(bench.flows()).toEqual([]);
  });

  test.each([
    ["hop-by-hop", extension(EXTENSION.hopByHop, 3)],
    ["routing", extension(EXTENSION.routing, 3)],
    ["destination options", extension(EXTENSION.destination, 3)],
    ["authentication", authenticationHeader(20)],
    ["HIP", extension(EXTENSION.hip, 3)],
  ])("refuses %s that ends beyond the packet, padded or not", (_, header) => {
    const short = packet([header], NO_NEXT, { payloadLength: header.bytes.length - 1 });
    expect(bench.run(frame(short))).toEqual({ malformed_extension: [1, 40 + header.bytes.length - 1] });
    const lie = { kind: header.kind, bytes: Uint8Array.of(0, 255, ...header.bytes.subarray(2)) };
    const long = packet([lie], udp([7, 8]));
    expect(bench.run(frame(long))).toEqual({ malformed_extension: [1, long.bytes.length] });
    expect(bench.flows()).toEqual([]);
  });

  test("refuses a fragment header cut short by the payload length", () => {
    const cut = packet([fragmentHeader(0, false)], NO_NEXT, { payloadLength: 7 });
    expect(bench.run(frame(cut))).toEqual({ malformed_extension: [1, 47] });
  });

  test("refuses an extension header of which nothing is there", () => {
    const bare = packet([], opaque(EXTENSION.destination, 0));
    expect(bench.run(frame(bare))).toEqual({ malformed_extension: [1, 40] });
  });

  test("gives options up that put the transport beyond the first 2,048 bytes", () => {
    const far = packet([extension(EXTENSION.hopByHop, 255)], udp([7, 8], 100));
    expect(bench.run(frame(far))).toEqual({ parse_depth: [1, far.bytes.length] });
    const farther = packet(
      [extension(EXTENSION.hopByHop, 255), extension(EXTENSION.destination)],
      udp([7, 8], 100),
    );
    expect(bench.run(frame(farther))).toEqual({ parse_depth: [1, farther.bytes.length] });
    expect(bench.flows()).toEqual([]);
    const portless = packet([extension(EXTENSION.hopByHop, 255)], opaque(50, 100));
    expect(bench.run(frame(portless))).toEqual({ accounted: [1, portless.bytes.length] });
    expect(bench.flow()).toMatchObject({ protocol: 50, details: undefined });
  });
});

describe("parse_extensions on fragments", () => {
  /** A datagram of its own each time: what was learned of another one's fragments is not told of it. */
  let identification = 0;
  const part = (offset: number, more: boolean): Extension => {
    identification++;
    return fragmentHeader(offset, more, identification);
  };

  test("keys a first fragment by its ports, behind other headers too", () => {
    const chain = [extension(EXTENSION.hopByHop), part(0, true), extension(EXTENSION.destination)];
    const first = packet(chain, tcp([1000, 2000], { flags: TCP_FLAG.psh }, 1000));
    expect(bench.run(frame(first))).toEqual({ accounted: [1, first.bytes.length] });
    const flow = bench.flow();
    expect(flow).toMatchObject({
      protocol: 6,
      lowPort: 1000,
      highPort: 2000,
      ways: [{ tcpFlags: 8 }, {}],
    });
    expect(flow.details).toEqual({ ...NO_DETAILS, fragments: 1 });
  });

  test.each([
    ["middle", 1480, true],
    ["last", 2960, false],
    ["last possible", 65528, false],
  ])("invents no ports for a %s fragment", (_, offset, more) => {
    for (const protocol of [6, 17, 58, 132]) {
      const later = packet([extension(EXTENSION.hopByHop), part(offset, more)], opaque(protocol, 64));
      const counts = [1, later.bytes.length] as const;
      expect(bench.run(frame(later))).toEqual({ accounted: counts, fragment: counts });
      const flow = bench.flow();
      expect(flow).toMatchObject({
        protocol,
        lowPort: 0,
        highPort: 0,
        icmpPairing: 0,
        ways: [{ tcpFlags: 0 }, {}],
      });
      expect(flow.details).toEqual({ ...NO_DETAILS, fragments: 1 });
      bench.reset();
    }
  });

  test("knows a later fragment by any bit of its offset", () => {
    for (let offset = 8; offset < 65536; offset *= 2) {
      const later = packet([part(offset, false)], opaque(17, 8));
      expect(bench.run(frame(later)).fragment).toEqual([1, 56]);
    }
    expect(bench.flow()).toMatchObject({
      lowPort: 0,
      highPort: 0,
      ways: [{ packets: 13 }, {}],
      details: { fragments: 13 },
    });
  });

  test("does not read a later fragment's payload as extension headers", () => {
    const later = packet([part(8, false)], opaque(EXTENSION.destination, 24));
    const counts = [1, later.bytes.length] as const;
    expect(bench.run(frame(later))).toEqual({ accounted: counts, fragment: counts });
    expect(bench.flow()).toMatchObject({ protocol: EXTENSION.destination, details: { fragments: 1 } });
  });

  test("reads the ports of a first fragment that ends inside the TCP header", () => {
    const segment = { protocol: 6, bytes: tcp([1000, 2000], { flags: TCP_FLAG.syn }).bytes.subarray(0, 8) };
    bench.run(frame(packet([part(0, true)], segment)));
    expect(bench.flow()).toMatchObject({
      lowPort: 1000,
      highPort: 2000,
      initiator: 0,
      ways: [{ tcpFlags: 0 }, {}],
      details: { fragments: 1 },
    });
  });
});

describe("parse_ipv6", () => {
  // 14 + 40 + 8 + 12 = 74 bytes; the bytes of a packet whose length lies are the frame's.
  test.each([
    ["a payload beyond the frame", { payloadLength: 21 }],
    ["a payload of 65,535 bytes", { payloadLength: 65535 }],
    ["version 4", { version: 4 }],
    ["version 0", { version: 0 }],
  ])("refuses %s", (_, fields) => {
    expect(bench.run(frame(packet([], udp([7, 8], 12), fields)))).toEqual({ malformed_ipv6: [1, 74] });
    expect(bench.flows()).toEqual([]);
  });

  test("means a payload length of 0 on a packet of its own", () => {
    expect(bench.run(frame(packet([], udp([7, 8], 12), { payloadLength: 0 })))).toEqual({
      malformed_udp: [1, 40],
    });
    expect(bench.run(frame(packet([], opaque(59, 12), { payloadLength: 0 })))).toEqual({
      accounted: [1, 40],
    });
  });

  test.each([
    ["TCP of 19 bytes", 19, tcp([7, 8]), "malformed_tcp"],
    ["UDP of 7 bytes", 7, udp([7, 8]), "malformed_udp"],
    ["ICMPv6 of 7 bytes", 7, icmpv6({ type: 128 }), "malformed_icmp"],
  ] as const)("refuses %s", (_, payloadLength, segment, reason) => {
    expect(bench.run(frame(packet([], segment, { payloadLength })))).toEqual({
      [reason]: [1, 40 + payloadLength],
    });
  });

  test.each([0x00, 0x0f, 0xf0, 0xff])("keeps traffic class %d and flow label apart", (trafficClass) => {
    bench.run(frame(packet([], udp([7, 8]), { trafficClass, flowLabel: 0xabcde, hopLimit: 255 })));
    expect(bench.flow().ways[0]).toMatchObject({ trafficClass, flowLabel: 0xabcde, ttl: 255 });
  });
});
