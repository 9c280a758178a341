import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { filler, frame, ip, ipv4, ipv6, type NetworkPacket, SOURCE_MAC } from "../support/packets.ts";
import { mpls, pppoe } from "../support/packets-link.ts";
import { opaque, tcp, udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";

const PACKET = ip("10.0.0.1", "10.0.0.2", udp([1000, 2000], 20));
const LOOPBACK = 1;

let bench: Bench;
beforeAll(() => {
  bench = new Bench();
});
afterAll(() => bench[Symbol.dispose]());
beforeEach(() => bench.reset());

function other(ethertype: number, bytes: Uint8Array = filler(46)): NetworkPacket {
  return { ethertype, bytes };
}

describe("parse_link", () => {
  test.each([
    ["ARP", 0x0806],
    ["LLDP", 0x88cc],
    ["EAPOL", 0x888e],
    ["PPPoE discovery", 0x8863],
    ["an 802.3 length", 0x0026],
  ])("counts %s as not_ip", (_, ethertype) => {
    expect(bench.run(frame(other(ethertype)))).toEqual({ not_ip: [1, 60] });
    expect(bench.flows()).toEqual([]);
  });

  test.each([
    ["MPLS", mpls(PACKET.bytes, [16, 17])],
    ["MPLS multicast", { ...mpls(PACKET.bytes, [16]), ethertype: 0x8848 }],
    ["a PPPoE session", pppoe(PACKET)],
  ])("finds IP in %s behind tags", (_, packet) => {
    const tags = [
      { ethertype: 0x88a8, id: 5 },
      { ethertype: 0x8100, id: 6 },
    ];
    expect(bench.run(frame(packet, { tags }))).toEqual({ accounted: [1, PACKET.bytes.length] });
    expect(bench.flow()).toMatchObject({
      low: "10.0.0.1",
      lowPort: 1000,
      high: "10.0.0.2",
      highPort: 2000,
      ways: [{ packets: 1, bytes: PACKET.bytes.length }, { packets: 0 }],
      vlan: 5,
      mac: SOURCE_MAC,
      details: undefined,
    });
  });

  test("finds ARP and MPLS behind tags", () => {
    const tags = [{ ethertype: 0x8100, id: 5 }];
    expect(bench.run(frame(other(0x0806), { tags }))).toEqual({ not_ip: [1, 64] });
    expect(bench.run(frame(other(0x8847), { tags }))).toEqual({ unsupported_link: [1, 64] });
  });

  test("gives a third tag up as parse_depth", () => {
    const tags = [1, 2, 3].map((id) => ({ ethertype: 0x8100, id }));
    expect(bench.run(frame(PACKET, { tags }))).toEqual({ parse_depth: [1, 14 + 12 + PACKET.bytes.length] });
    expect(bench.flows()).toEqual([]);
  });

  test("takes the inner id where the outer tag is a priority tag", () => {
    bench.run(
      frame(PACKET, {
        tags: [
          { ethertype: 0x8100, id: 0, priority: 7 },
          { ethertype: 0x8100, id: 9 },
        ],
      }),
    );
    expect(bench.flow().vlan).toBe(9);
  });

  test("keeps one flow over several VLANs unless the key includes them", () => {
    for (const id of [1, 2]) bench.run(frame(PACKET, { tags: [{ ethertype: 0x8100, id }] }));
    expect(bench.flow()).toMatchObject({ keyVlan: 0, vlan: 1 });
    using separate = new Bench({ keyIncludes: ["vlan"] });
    for (const id of [1, 2]) separate.run(frame(PACKET, { tags: [{ ethertype: 0x8100, id }] }));
    expect(
      separate
        .flows()
        .map((flow) => flow.keyVlan)
        .sort(),
    ).toEqual([1, 2]);
  });

  test("takes the MAC of the first packet only", () => {
    bench.run(frame(PACKET, { sourceMac: "02:11:22:33:44:55" }));
    bench.run(frame(PACKET, { sourceMac: "02:99:88:77:66:55" }));
    expect(bench.flow().mac).toBe("02:11:22:33:44:55");
  });
});

// A test run takes the protocol from bytes 12 and 13 as if a frame began: here they are a source address's.
describe("parse_link without a link layer", () => {
  beforeAll(() => bench.addInterface(LOOPBACK, "none"));
  afterAll(() => bench.removeInterface(LOOPBACK));

  test.each([
    ["IPv4", ipv4({ source: "8.0.0.1", destination: "9.0.0.1" }, tcp([5, 6], {}, 3))],
    [
      "IPv6",
      ipv6({ source: "2001:db8:86dd:0:0:0:0:1", destination: "2001:db8:86dd:0:0:0:0:2" }, tcp([5, 6])),
    ],
  ])("reads %s from the first byte and tells no MAC", (_, packet) => {
    expect(bench.run(packet.bytes)).toEqual({ accounted: [1, packet.bytes.length] });
    const flow = bench.flow();
    expect(flow).toMatchObject({ lowPort: 5, highPort: 6, protocol: 6, mac: "00:00:00:00:00:00", flags: 0 });
  });
});

describe("observe_interface", () => {
  beforeEach(() => bench.addInterface(LOOPBACK, "ethernet"));
  afterEach(() => bench.removeInterface(LOOPBACK));

  test("counts the segments that only the payload tells", () => {
    const before = bench.interfaceCounts(LOOPBACK).packets[1] ?? 0;
    bench.run(frame(ipv4({ source: "10.0.0.1", destination: "10.0.0.2" }, udp([5, 6], 3000))), {
      egress: true,
      gsoSize: 1000,
    });
    expect(bench.interfaceCounts(LOOPBACK).packets[1]).toBe(before + 3);
  });

  test("counts every packet of an interface by side, whatever becomes of it", () => {
    bench.run(frame(PACKET));
    bench.run(frame(other(0x0806)));
    bench.run(frame(PACKET), { egress: true, gsoSegments: 3 });
    expect(bench.interfaceCounts(LOOPBACK)).toEqual({
      packets: [2, 3],
      bytes: [14 + PACKET.bytes.length + 60, 14 + PACKET.bytes.length],
    });
  });
});

test("a frame with padding counts the packet, not the padding", () => {
  const packet = ip("10.0.0.1", "10.0.0.2", opaque(50, 4));
  expect(bench.run(frame(packet, { padTo: 60 }))).toEqual({ accounted: [1, 24] });
  const packet6 = ip("2001:db8:0:0:0:0:0:1", "2001:db8:0:0:0:0:0:2", tcp([7, 8]));
  expect(bench.run(frame(packet6, { padTo: 200 }))).toEqual({ accounted: [1, 60] });
});
