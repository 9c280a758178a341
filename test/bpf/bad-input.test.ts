// Packets that lie, end early or go on for ever: each is told once, and nothing is read that is not the packet's.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { EXTENSION, extension } from "../support/extensions.ts";
import { frame, ip, ipv6, type NetworkPacket } from "../support/packets.ts";
import { gre } from "../support/packets-gre.ts";
import { geneve, gtp, udpWith, vxlan } from "../support/packets-udp-tunnels.ts";
import { tcp, udp } from "../support/segments.ts";
import { Bench, type Counts } from "./bench.ts";

const INNER = ip("10.0.0.1", "10.0.0.2", udp([1000, 2000], 12));
/** What a packet may be counted as beside its verdict. */
const NOTES: readonly string[] = ["encapsulated_unread", "fragment", "fragment_reordered"];

let live: Bench;
let replay: Bench;
beforeAll(() => {
  live = new Bench();
  replay = new Bench({ isReplay: true });
});
afterAll(() => {
  live[Symbol.dispose]();
  replay[Symbol.dispose]();
});
beforeEach(() => {
  live.reset();
  replay.reset();
});

function outer(segment: Parameters<typeof ip>[2]): Uint8Array {
  return frame(ip("192.168.0.1", "192.168.0.2", segment));
}

function verdicts(counts: Counts): number {
  return Object.entries(counts)
    .filter(([name]) => !NOTES.includes(name))
    .reduce((sum, [, [packets]]) => sum + packets, 0);
}

describe("a capture of a tunnel cut at every byte", () => {
  test("has the inner flow as soon as its ports are there, before that the outer one", () => {
    const whole = outer(vxlan(frame(INNER)));
    for (let length = 0; length <= whole.length; length++) {
      replay.reset();
      let isRun = false;
      const counts = replay.counting(() => {
        isRun = replay.runOrRefuse(whole.subarray(0, length), { wireLength: whole.length });
      });
      // The kernel takes no IPv4 frame of fewer than 34 bytes.
      expect([length, isRun]).toEqual([length, length >= 34]);
      if (!isRun) continue;
      // Ethernet 14, IPv4 20, ports 4; VXLAN ends at 50, the inner IPv4 header at 84.
      if (length < 38) expect([length, Object.keys(counts)]).toEqual([length, ["malformed_udp"]]);
      else if (length < 88) {
        expect([length, counts]).toEqual([length, { accounted: [1, 90], encapsulated_unread: [1, 90] }]);
        expect(replay.flow()).toMatchObject({ low: "192.168.0.1", highPort: 4789, details: undefined });
      } else {
        expect([length, counts]).toEqual([length, { accounted: [1, 40] }]);
        expect(replay.flow()).toMatchObject({ low: "10.0.0.1", lowPort: 1000, highPort: 2000 });
      }
    }
  });
});

describe("headers without end", () => {
  test("twenty extension headers are given up, outside and inside", () => {
    const chain = Array.from({ length: 20 }, () => extension(EXTENSION.destination));
    const packet = ipv6(
      { source: "2001:db8:0:0:0:0:0:1", destination: "2001:db8:0:0:0:0:0:2", extensions: chain },
      udp([1, 2]),
    );
    expect(live.run(frame(packet))).toEqual({ parse_depth: [1, 208] });
    const counted = [1, 24 + 208] as const;
    expect(live.run(outer(gre(0x86dd, packet.bytes)))).toEqual({
      accounted: counted,
      encapsulated_unread: counted,
    });
  });

  test("twenty tunnels in one another are the fourth packet's flow", () => {
    let packet: NetworkPacket = INNER;
    for (let depth = 19; depth >= 0; depth--) {
      packet = ip(`192.168.${depth}.1`, `192.168.${depth}.2`, gre(0x0800, packet.bytes));
    }
    const counted = [1, packet.bytes.length - 3 * 24] as const;
    expect(live.run(frame(packet))).toEqual({ accounted: counted, encapsulated_unread: counted });
    expect(live.flow()).toMatchObject({ low: "192.168.3.1", details: { tunnelOverhead: [72, 0] } });
  });
});

describe("every packet is told once", () => {
  const stacks = {
    "VXLAN around TCP": outer(vxlan(frame(ip("10.0.0.1", "10.0.0.2", tcp([1000, 2000], { options: 12 }))))),
    "GTP-U around IPv6": outer(
      gtp(ip("2001:db8:0:0:0:0:0:1", "2001:db8:0:0:0:0:0:2", udp([7, 8], 12)).bytes),
    ),
    "Geneve around GRE": outer(
      geneve(frame(ip("172.16.0.1", "172.16.0.2", gre(0x0800, INNER.bytes, { key: 1, sequence: 2 })))),
    ),
  };

  test.each(Object.entries(stacks))("with any bit of %s flipped", (_, whole) => {
    for (let bit = 0; bit < 8 * whole.length; bit++) {
      const flipped = Uint8Array.from(whole);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const counts = live.counting(() => live.runOrRefuse(flipped));
      expect([bit, verdicts(counts)]).toEqual([bit, 1]);
    }
  });

  test.each([0x00, 0x01, 0x08, 0x30, 0x34, 0x40, 0x45, 0x60, 0x88, 0xff])(
    "with nothing but %d behind each tunnel's header",
    (octet) => {
      for (const port of [4789, 4790, 6081, 2152, 51820, 4500]) {
        for (const length of [0, 1, 7, 8, 20, 40, 200]) {
          const packet = udpWith([50000, port], new Uint8Array(length).fill(octet));
          const counts = live.run(outer(packet));
          expect([port, length, counts.accounted]).toEqual([port, length, [1, 28 + length]]);
          expect([port, length, verdicts(counts)]).toEqual([port, length, 1]);
        }
      }
      for (const protocol of [4, 41, 47, 50, 51]) {
        const bytes = new Uint8Array(60).fill(octet);
        expect(verdicts(live.run(outer({ protocol, bytes })))).toBe(1);
      }
    },
  );
});
