import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { filler, frame, ip } from "../support/packets.ts";
import { type PppoeFields, pppoe } from "../support/packets-link.ts";
import { tcp, udp } from "../support/segments.ts";
import { Bench, type Counts } from "./bench.ts";

const IPV4 = ip("10.0.0.1", "10.0.0.2", udp([1000, 2000], 12));
const IPV6 = ip("2001:db8:0:0:0:0:0:1", "2001:db8:0:0:0:0:0:2", tcp([1000, 2000], {}, 12));

let bench: Bench;
beforeAll(() => {
  bench = new Bench();
});
afterAll(() => bench[Symbol.dispose]());
beforeEach(() => bench.reset());

function run(fields: PppoeFields, padTo = 0): Counts {
  return bench.run(frame(pppoe(IPV4, fields), { padTo }));
}

describe("parse_pppoe", () => {
  test.each([
    ["IPv4", IPV4],
    ["IPv6", IPV6],
  ] as const)("reads %s of a session, behind tags too", (_, packet) => {
    for (const tags of [[], [{ ethertype: 0x8100, id: 7 }]]) {
      expect(bench.run(frame(pppoe(packet), { tags }))).toEqual({ accounted: [1, packet.bytes.length] });
    }
    expect(bench.flow()).toMatchObject({
      lowPort: 1000,
      highPort: 2000,
      ways: [{ packets: 2 }, {}],
      mac: "02:00:00:00:00:0a",
      details: undefined,
    });
  });

  test.each([
    ["LCP", 0xc021],
    ["IPCP", 0x8021],
    ["PAP", 0xc023],
    ["a compressed datagram", 0x00fd],
  ])("counts %s as not_ip", (_, protocol) => {
    expect(run({ protocol })).toEqual({ not_ip: [1, 14 + 8 + 40] });
  });

  test.each<[string, PppoeFields]>([
    ["another version", { versionAndType: 0x21 }],
    ["another type", { versionAndType: 0x12 }],
    ["a code of discovery", { code: 9 }],
    ["a length beyond the frame", { length: 43 }],
    ["a length of 65,535", { length: 0xffff }],
    ["a length without room for PPP's protocol", { length: 1 }],
    ["a length of 0", { length: 0 }],
  ])("refuses %s", (_, fields) => {
    expect(run(fields)).toEqual({ malformed_link: [1, 62] });
    expect(bench.flows()).toEqual([]);
  });

  test("refuses a header that the frame cuts", () => {
    const whole = frame(pppoe(IPV4));
    for (const length of [14, 19, 20, 21]) {
      expect(bench.run(whole.subarray(0, length))).toEqual({ malformed_link: [1, length] });
    }
  });

  test("ends the IP packet where its own length says, not the padding", () => {
    expect(run({ length: 41 })).toEqual({ malformed_ipv4: [1, 62] });
    expect(run({}, 100)).toEqual({ accounted: [1, 40] });
    expect(run({ length: 50 }, 100)).toEqual({ accounted: [1, 40] });
  });

  test("takes no packet of IPv6 that ends inside its header for one", () => {
    using replay = new Bench({ isReplay: true });
    const lacksLength = Buffer.concat([
      IPV6.bytes.subarray(0, 4),
      Uint8Array.of(0, 0, 89),
      IPV6.bytes.subarray(7),
    ]);
    const cut = pppoe({ ethertype: 0x86dd, bytes: lacksLength }, { length: 2 + 39 });
    const built = frame(cut);
    expect(replay.run(built, { wireLength: built.length })).toEqual({ malformed_ipv6: [1, built.length] });
    expect(replay.flows()).toEqual([]);
  });

  test("does not read discovery", () => {
    expect(bench.run(frame({ ethertype: 0x8863, bytes: filler(46) }))).toEqual({ not_ip: [1, 60] });
  });
});
