// Packets whose inside is encrypted: their numbers are told with their own flow.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { authenticationHeader } from "../support/extensions.ts";
import { filler, frame, ip, ipv4, ipv6, type NetworkPacket, words } from "../support/packets.ts";
import { gre } from "../support/packets-gre.ts";
import { authenticated, esp, espInUdp, wireguard } from "../support/packets-ipsec.ts";
import { udpWith } from "../support/packets-udp-tunnels.ts";
import { opaque, tcp, udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";

const LOW = "10.0.0.1";
const HIGH = "10.0.0.2";
const LOW6 = "2001:db8:0:0:0:0:0:1";
const HIGH6 = "2001:db8:0:0:0:0:0:2";
const SPI = 0xfedcba98;

let bench: Bench;
beforeAll(() => {
  bench = new Bench();
});
afterAll(() => bench[Symbol.dispose]());
beforeEach(() => bench.reset());

function runWhole(packet: NetworkPacket): void {
  expect(bench.run(frame(packet))).toEqual({ accounted: [1, packet.bytes.length] });
}

describe("ESP", () => {
  test.each([
    ["IPv4", LOW, HIGH],
    ["IPv6", LOW6, HIGH6],
  ])("in %s tells each direction's index", (_, low, high) => {
    runWhole(ip(low, high, esp(SPI)));
    runWhole(ip(high, low, esp(7)));
    expect(bench.flow()).toMatchObject({
      protocol: 50,
      lowPort: 0,
      highPort: 0,
      details: { espSpi: [SPI, 7], ahSpi: [0, 0], tunnel: undefined, flags: 0 },
    });
  });

  test("of fewer than 8 bytes has no index", () => {
    runWhole(ip(LOW, HIGH, opaque(50, 7)));
    expect(bench.flow().details).toBeUndefined();
  });

  test("behind an authentication header has both indices", () => {
    runWhole(ip(LOW, HIGH, authenticated(esp(SPI), 5)));
    expect(bench.flow()).toMatchObject({ protocol: 50, details: { espSpi: [SPI, 0], ahSpi: [5, 0] } });
  });
});

describe("ESP in UDP", () => {
  test.each([
    ["between its ports", 4500, 4500],
    ["behind a translator", 33333, 4500],
    ["from its port", 4500, 33333],
  ])("is known %s", (_, source, destination) => {
    runWhole(ip(LOW, HIGH, espInUdp(SPI, [source, destination])));
    expect(bench.flow()).toMatchObject({
      protocol: 17,
      lowPort: source,
      highPort: destination,
      details: { espSpi: [SPI, 0], tunnel: undefined },
    });
  });

  test.each([
    ["a keepalive", Uint8Array.of(0xff)],
    ["IKE behind its marker", Buffer.concat([words(0, 0), filler(28)])],
    ["7 bytes", filler(7)],
    ["nothing", new Uint8Array(0)],
  ])("is not taken for it: %s", (_, payload) => {
    runWhole(ip(LOW, HIGH, udpWith([4500, 4500], payload)));
    expect(bench.flow().details).toBeUndefined();
  });
});

describe("an authentication header in IPv4", () => {
  test.each([0, 4, 12, 32])("with a value of %d bytes is looked behind", (valueBytes) => {
    runWhole(ip(LOW, HIGH, authenticated(tcp([443, 50000], {}, 9), SPI, valueBytes)));
    expect(bench.flow()).toMatchObject({
      protocol: 6,
      lowPort: 443,
      highPort: 50000,
      details: { ahSpi: [SPI, 0], espSpi: [0, 0] },
    });
  });

  test("before nothing is the conversation", () => {
    runWhole(ip(LOW, HIGH, authenticated(opaque(59, 0), SPI)));
    expect(bench.flow()).toMatchObject({ protocol: 51, details: { ahSpi: [SPI, 0] } });
  });

  test("before another is looked behind once", () => {
    runWhole(ip(LOW, HIGH, authenticated(authenticated(udp([1, 2]), 6), 5)));
    expect(bench.flow()).toMatchObject({ protocol: 51, lowPort: 0, details: { ahSpi: [5, 0] } });
  });

  test("beyond the packet's end is refused, padded or not", () => {
    const whole = authenticated(opaque(59, 0), SPI);
    const cut = ipv4({ source: LOW, destination: HIGH, totalLength: 20 + whole.bytes.length - 1 }, whole);
    expect(bench.run(frame(cut))).toEqual({ malformed_extension: [1, 20 + whole.bytes.length - 1] });
    const lies = { protocol: 51, bytes: Uint8Array.of(17, 255, ...whole.bytes.subarray(2)) };
    expect(bench.run(frame(ip(LOW, HIGH, lies), { padTo: 1500 }))).toEqual({
      malformed_extension: [1, 20 + whole.bytes.length],
    });
    expect(bench.run(frame(ip(LOW, HIGH, opaque(51, 7)), { padTo: 100 }))).toEqual({
      malformed_extension: [1, 27],
    });
    expect(bench.flows()).toEqual([]);
  });

  test("of a later fragment is not sought", () => {
    const later = ipv4({ source: LOW, destination: HIGH, fragmentOffset: 8 }, opaque(51, 3));
    expect(bench.run(frame(later)).accounted).toEqual([1, 23]);
    expect(bench.flow()).toMatchObject({ protocol: 51, details: { fragments: 1, ahSpi: [0, 0] } });
  });
});

describe("an authentication header in IPv6", () => {
  test("tells its index by direction", () => {
    const build = (source: string, destination: string, spi: number): NetworkPacket =>
      ipv6({ source, destination, extensions: [authenticationHeader(12, spi)] }, udp([7, 7]));
    runWhole(build(HIGH6, LOW6, 9));
    runWhole(build(LOW6, HIGH6, SPI));
    expect(bench.flow()).toMatchObject({ protocol: 17, details: { ahSpi: [SPI, 9] } });
  });
});

describe("WireGuard", () => {
  const INITIATION = wireguard(1, [0xa1b2c3d4]);
  const RESPONSE = wireguard(2, [0x11223344, 0xa1b2c3d4]);

  test("tells the index that each end chose, from a handshake both ways", () => {
    runWhole(ip(HIGH, LOW, INITIATION));
    expect(bench.flow().details).toMatchObject({ wireguardIndex: [0, 0xa1b2c3d4], flags: 4 });
    runWhole(ip(LOW, HIGH, RESPONSE));
    expect(bench.flow()).toMatchObject({
      lowPort: 51820,
      ways: [{ packets: 1 }, { packets: 1 }],
      details: { wireguardIndex: [0x11223344, 0xa1b2c3d4], flags: 4, tunnel: undefined, espSpi: [0, 0] },
    });
  });

  test.each([
    ["a cookie reply", 3],
    ["transport data", 4],
  ])("tells the receiver's index of %s", (_, type) => {
    runWhole(ip(LOW, HIGH, wireguard(type, [0x01020304])));
    expect(bench.flow().details).toMatchObject({ wireguardIndex: [0, 0x01020304], flags: 4 });
  });

  test("is known by either port", () => {
    runWhole(ip(LOW, HIGH, wireguard(4, [5], [51820, 9999])));
    runWhole(ip(HIGH, LOW, wireguard(4, [6], [9999, 51820])));
    expect(bench.flow().details).toMatchObject({ wireguardIndex: [6, 5] });
  });

  test.each([
    ["type 0", wireguard(0, [5]).bytes.subarray(8)],
    ["type 5", wireguard(5, [5]).bytes.subarray(8)],
    ["reserved bytes that are not zero", Uint8Array.of(4, 1, 0, 0, ...filler(28))],
    ["an initiation of 147 bytes", INITIATION.bytes.subarray(8, 8 + 147)],
    ["a response of 91 bytes", RESPONSE.bytes.subarray(8, 8 + 91)],
    ["data of 31 bytes", wireguard(4, [5]).bytes.subarray(8, 8 + 31)],
    ["nothing", new Uint8Array(0)],
  ])("is not taken for it: %s", (_, payload) => {
    const packet = ip(LOW, HIGH, udpWith([51820, 51820], payload));
    runWhole(packet);
    expect(bench.flow().details).toBeUndefined();
    bench.reset();
    expect(bench.run(frame(ip("192.168.0.1", "192.168.0.2", gre(0x0800, packet.bytes))))).toEqual({
      accounted: [1, packet.bytes.length],
    });
    expect(bench.flow().details).toMatchObject({ tunnel: { encapsulation: 4 }, flags: 1 });
  });
});
