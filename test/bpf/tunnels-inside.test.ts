// What an encapsulation may carry, and where none is looked for.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { PARSER_DEFAULTS } from "../../src/capture/parser-config.ts";
import { frame, ip, type NetworkPacket, type Segment } from "../support/packets.ts";
import { gre, ipInIp } from "../support/packets-gre.ts";
import { geneve, gtp, teredo, udpWith, vxlan, vxlanGpe } from "../support/packets-udp-tunnels.ts";
import { udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";

const LOW6 = "2001:db8:0:0:0:0:0:1";
const IPV4 = ip("10.0.0.1", "10.0.0.2", udp([1000, 2000], 12));
const IPV6 = ip(LOW6, "2001:db8:0:0:0:0:0:2", udp([1000, 2000], 12));

let bench: Bench;
beforeAll(() => {
  bench = new Bench({ parser: { ...PARSER_DEFAULTS, teredo_ports: [3544], fou_ports: [5555] } });
});
afterAll(() => bench[Symbol.dispose]());
beforeEach(() => bench.reset());

function outer(segment: Segment): Uint8Array {
  return frame(ip("192.168.0.9", "192.168.0.2", segment));
}

describe("open_encapsulation", () => {
  test.each([
    ["GRE", 4, (packet: NetworkPacket) => gre(0x86dd, packet.bytes), 24],
    ["VXLAN-GPE", 2, (packet: NetworkPacket) => vxlanGpe(packet.bytes, { protocol: 2 }), 36],
    ["Geneve", 3, (packet: NetworkPacket) => geneve(packet.bytes, { protocol: 0x86dd }), 36],
    ["GTP-U", 10, (packet: NetworkPacket) => gtp(packet.bytes), 36],
    ["6in4", 8, ipInIp, 20],
    ["UDP", 11, (packet: NetworkPacket) => udpWith([50000, 5555], packet.bytes), 28],
    ["Teredo", 12, (packet: NetworkPacket) => teredo(packet.bytes), 28],
    [
      "Teredo towards a client",
      12,
      (packet: NetworkPacket) => teredo(packet.bytes, { ports: [3544, 50000] }),
      28,
    ],
    ["Teredo with origin", 12, (packet: NetworkPacket) => teredo(packet.bytes, { hasOrigin: true }), 36],
    [
      "Teredo with authentication",
      12,
      (packet: NetworkPacket) => teredo(packet.bytes, { authentication: [4, 8] }),
      53,
    ],
    [
      "Teredo with both",
      12,
      (packet: NetworkPacket) => teredo(packet.bytes, { authentication: [0, 0], hasOrigin: true }),
      49,
    ],
  ] as const)("reads IPv6 in %s", (_, encapsulation, build, overhead) => {
    expect(bench.run(outer(build(IPV6)))).toEqual({ accounted: [1, 60] });
    expect(bench.flow()).toMatchObject({
      low: LOW6,
      lowPort: 1000,
      highPort: 2000,
      ipVersion: 6,
      mac: "00:00:00:00:00:00",
      details: { tunnel: { encapsulation }, tunnelOverhead: [overhead, 0] },
    });
  });

  test.each([
    ["4in6", 9, 4, IPV4, 40],
    ["IPv6 in IPv6", 7, 41, IPV6, 60],
  ] as const)("reads %s", (_, encapsulation, protocol, packet, bytes) => {
    const carrier = ip("2001:db8:0:0:0:0:1:9", "2001:db8:0:0:0:0:1:2", ipInIp(packet));
    expect(bench.run(frame(carrier))).toEqual({ accounted: [1, bytes] });
    expect(bench.flow().details).toMatchObject({
      tunnel: {
        ends: [["2001:db8:0:0:0:0:1:9", "2001:db8:0:0:0:0:1:2"], undefined],
        encapsulation,
        ipVersion: 6,
        protocol,
      },
      tunnelOverhead: [40, 0],
    });
  });

  test("keeps what an inner Ethernet frame was padded with out of the flow", () => {
    const padded = frame(IPV4, { padTo: 60 });
    expect(bench.run(outer(vxlan(padded)))).toEqual({ accounted: [1, 40] });
    expect(bench.flow().details?.tunnelOverhead).toEqual([50 + 6, 0]);
  });

  test("takes the inner frame's VLAN where the outer frame has none", () => {
    const tagged = (id: number): Uint8Array => frame(IPV4, { tags: [{ ethertype: 0x8100, id }] });
    bench.run(outer(vxlan(tagged(7))));
    expect(bench.flow()).toMatchObject({ vlan: 7, details: { tunnelOverhead: [54, 0] } });
    bench.reset();
    const carrier = ip("192.168.0.9", "192.168.0.2", vxlan(tagged(7)));
    bench.run(frame(carrier, { tags: [{ ethertype: 0x8100, id: 3 }] }));
    expect(bench.flow().vlan).toBe(3);
  });

  test("does not look for tunnels behind the source port, nor in TCP and UDP-Lite", () => {
    const answer = vxlan(frame(IPV4), { ports: [4789, 50000] });
    expect(bench.run(outer(answer))).toEqual({ accounted: [1, 90] });
    expect(bench.flow()).toMatchObject({ low: "192.168.0.2", details: undefined });
    bench.reset();
    const lite = { ...vxlan(frame(IPV4)), protocol: 136 };
    expect(bench.run(outer(lite))).toEqual({ accounted: [1, 90] });
    expect(bench.flow().protocol).toBe(136);
  });
});
