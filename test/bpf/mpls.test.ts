import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { filler, frame, ip } from "../support/packets.ts";
import { mpls } from "../support/packets-link.ts";
import { tcp, udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";

const PACKETS = {
  IPv4: ip("10.0.0.1", "10.0.0.2", udp([1000, 2000], 12)),
  IPv6: ip("2001:db8:0:0:0:0:0:1", "2001:db8:0:0:0:0:0:2", tcp([1000, 2000], {}, 12)),
} as const;

let bench: Bench;
beforeAll(() => {
  bench = new Bench();
});
afterAll(() => bench[Symbol.dispose]());
beforeEach(() => bench.reset());

describe("parse_mpls", () => {
  for (const [name, packet] of Object.entries(PACKETS)) {
    test.each([1, 2, 3, 4])(`reads ${name} behind %d labels`, (count) => {
      const labels = Array.from({ length: count }, (_, index) => 0xfffff - index);
      const tags = [{ ethertype: 0x8100, id: 5 }];
      expect(bench.run(frame(mpls(packet.bytes, labels), { tags, sourceMac: "02:11:22:33:44:55" }))).toEqual({
        accounted: [1, packet.bytes.length],
      });
      expect(bench.flow()).toMatchObject({
        lowPort: 1000,
        highPort: 2000,
        vlan: 5,
        mac: "02:11:22:33:44:55",
        details: undefined,
      });
    });
  }

  test("reads the ethertype of labels assigned upstream", () => {
    const { bytes } = mpls(PACKETS.IPv4.bytes, [16]);
    expect(bench.run(frame({ ethertype: 0x8848, bytes }))).toEqual({ accounted: [1, 40] });
  });

  test("gives a fifth label up", () => {
    const built = frame(mpls(PACKETS.IPv4.bytes, [1, 2, 3, 4, 5]));
    expect(bench.run(built)).toEqual({ parse_depth: [1, built.length] });
  });

  test.each([
    ["a pseudowire's control word", filler(60).fill(0, 0, 4)],
    ["version 5", filler(60).fill(0x50, 0, 1)],
  ])("counts %s behind the labels as unsupported_link", (_, bytes) => {
    const built = frame(mpls(bytes, [7]));
    expect(bench.run(built)).toEqual({ unsupported_link: [1, built.length] });
  });

  test("refuses labels that the frame cuts", () => {
    const whole = frame(mpls(PACKETS.IPv4.bytes, [1, 2, 3]));
    for (const length of [14, 17, 18, 21, 25, 26]) {
      expect(bench.run(whole.subarray(0, length))).toEqual({ malformed_link: [1, length] });
    }
    expect(bench.run(whole.subarray(0, 27))).toEqual({ malformed_ipv4: [1, 27] });
    expect(bench.flows()).toEqual([]);
  });

  test("judges an IP header behind the labels by its own rules", () => {
    const bytes = Buffer.from(PACKETS.IPv4.bytes);
    bytes[0] = 0x44;
    const built = frame(mpls(bytes, [1]));
    expect(bench.run(built)).toEqual({ malformed_ipv4: [1, built.length] });
  });
});
