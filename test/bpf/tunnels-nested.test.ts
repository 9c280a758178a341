// Tunnels in tunnels: the innermost flow, the outermost layer and the first IP-in-IP inside of it.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { frame, ip, type NetworkPacket } from "../support/packets.ts";
import { gre, ipInIp } from "../support/packets-gre.ts";
import { authenticated } from "../support/packets-ipsec.ts";
import { geneve, vxlan } from "../support/packets-udp-tunnels.ts";
import { tcp, udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";

const INNER = ip("10.0.0.1", "10.0.0.2", udp([1000, 2000], 12));
const INNER_BYTES = 40;

let bench: Bench;
beforeAll(() => {
  bench = new Bench();
});
afterAll(() => bench[Symbol.dispose]());
beforeEach(() => bench.reset());

function inVxlan(packet: NetworkPacket, sourceMac: string, net: number): NetworkPacket {
  return ip(`192.168.${net}.1`, `192.168.${net}.2`, vxlan(frame(packet, { sourceMac }), { vni: net }));
}

function inIp(packet: NetworkPacket, net: number): NetworkPacket {
  return ip(`172.16.${net}.1`, `172.16.${net}.2`, ipInIp(packet));
}

describe("descend", () => {
  test("opens two encapsulations and tells IP in IP beside the tunnel", () => {
    const built = frame(inVxlan(inIp(INNER, 1), "02:00:00:00:00:77", 1));
    expect(bench.run(built)).toEqual({ accounted: [1, INNER_BYTES] });
    expect(bench.flow()).toMatchObject({
      low: "10.0.0.1",
      lowPort: 1000,
      mac: "00:00:00:00:00:00",
      details: {
        tunnel: { ends: [["192.168.1.1", "192.168.1.2"], undefined], encapsulation: 1, ids: [1, undefined] },
        ipip: {
          ends: [["172.16.1.1", "172.16.1.2"], undefined],
          encapsulation: 6,
          ipVersion: 4,
          protocol: 4,
        },
        tunnelOverhead: [50, 0],
        ipipOverhead: [20, 0],
        tunnelMac: "02:00:00:00:00:0a",
      },
    });
  });

  test("takes IP in IP that is the outermost for the tunnel, and the next one for ipip", () => {
    bench.run(frame(inIp(INNER, 1)));
    expect(bench.flow().details).toMatchObject({ tunnel: { encapsulation: 6 }, ipip: undefined });
    bench.reset();
    bench.run(frame(inIp(inIp(INNER, 1), 2)));
    expect(bench.flow().details).toMatchObject({
      tunnel: { ends: [["172.16.2.1", "172.16.2.2"], undefined], encapsulation: 6 },
      ipip: { ends: [["172.16.1.1", "172.16.1.2"], undefined], encapsulation: 6 },
      tunnelOverhead: [20, 0],
      ipipOverhead: [20, 0],
    });
  });

  test("opens three encapsulations; one in the middle counts to the layer around it", () => {
    const middle = ip("172.16.5.1", "172.16.5.2", gre(0x0800, inIp(INNER, 1).bytes, { key: 5 }));
    expect(bench.run(frame(inVxlan(middle, "02:00:00:00:00:77", 1)))).toEqual({
      accounted: [1, INNER_BYTES],
    });
    expect(bench.flow()).toMatchObject({
      low: "10.0.0.1",
      details: {
        tunnel: { encapsulation: 1 },
        ipip: { ends: [["172.16.1.1", "172.16.1.2"], undefined], encapsulation: 6 },
        // VXLAN 50 and GRE 28; IP in IP 20: with the flow's 40 the 138 bytes of the outermost packet.
        tunnelOverhead: [78, 0],
        ipipOverhead: [20, 0],
      },
    });
  });

  test("does not open a fourth", () => {
    const fourth = inVxlan(INNER, "02:00:00:00:00:01", 4);
    const nested = [3, 2, 1].reduce((packet, net) => inVxlan(packet, `02:00:00:00:00:0${net}`, net), fourth);
    const bytes = fourth.bytes.length;
    expect(bench.run(frame(nested))).toEqual({ accounted: [1, bytes], encapsulated_unread: [1, bytes] });
    expect(bench.flow()).toMatchObject({
      low: "192.168.4.1",
      lowPort: 50000,
      highPort: 4789,
      mac: "02:00:00:00:00:03",
      details: {
        tunnel: { ends: [["192.168.1.1", "192.168.1.2"], undefined], ids: [1, undefined] },
        tunnelOverhead: [150, 0],
      },
    });
  });

  test("keeps two inner flows of one tunnel apart, and another tunnel's packets in the flow", () => {
    const other = ip("10.0.0.1", "10.0.0.2", udp([1001, 2000], 12));
    for (const packet of [INNER, other, INNER]) bench.run(frame(inVxlan(packet, "02:00:00:00:00:77", 1)));
    bench.run(frame(inVxlan(INNER, "02:00:00:00:00:77", 9)));
    const flows = bench.flows().sort((left, right) => left.lowPort - right.lowPort);
    expect(flows).toMatchObject([
      {
        lowPort: 1000,
        ways: [{ packets: 3, bytes: 120 }, {}],
        details: { tunnel: { ids: [1, undefined] }, tunnelOverhead: [150, 0] },
      },
      { lowPort: 1001, ways: [{ packets: 1, bytes: 40 }, {}], details: { tunnelOverhead: [50, 0] } },
    ]);
  });

  test("tells the index of an authentication header before the tunnel and of one before the transport", () => {
    const inner = ip("10.0.0.1", "10.0.0.2", authenticated(udp([1000, 2000], 12), 0x2222));
    const carrier = ip("192.168.0.1", "192.168.0.2", authenticated(gre(0x0800, inner.bytes), 0x1111));
    bench.run(frame(carrier));
    expect(bench.flow()).toMatchObject({
      protocol: 17,
      lowPort: 1000,
      details: { tunnel: { ahSpi: [0x1111, 0], protocol: 47 }, ahSpi: [0x2222, 0], tunnelOverhead: [48, 0] },
    });
  });

  test("reads a tunnel behind extension headers of an outer IPv6 packet", () => {
    const carrier = ip("2001:db8:0:0:0:0:0:1", "2001:db8:0:0:0:0:0:2", geneve(frame(INNER)));
    expect(bench.run(frame(carrier))).toEqual({ accounted: [1, INNER_BYTES] });
    expect(bench.flow().details).toMatchObject({ tunnel: { ipVersion: 6 }, tunnelOverhead: [70, 0] });
  });
});

describe("super-packets in tunnels", () => {
  const payload = 3000;
  const inner = ip("10.0.0.1", "10.0.0.2", tcp([1000, 2000], {}, payload));

  test.each([
    ["3 segments", { gsoSegments: 3, gsoSize: 1000 }],
    ["segments of 1,000 bytes", { gsoSize: 1000 }],
  ])("count %s in the flow and in the overhead", (_, offload) => {
    const built = frame(inVxlan(inner, "02:00:00:00:00:77", 1));
    expect(bench.run(built, offload)).toEqual({ accounted: [3, payload + 3 * 40] });
    expect(bench.flow()).toMatchObject({
      ways: [{ packets: 3, bytes: payload + 120 }, {}],
      details: { tunnelOverhead: [150, 0] },
    });
  });

  test("count the overhead of both layers", () => {
    const built = frame(inVxlan(inIp(inner, 1), "02:00:00:00:00:77", 1));
    expect(bench.run(built, { gsoSize: 1000 })).toEqual({ accounted: [3, payload + 120] });
    expect(bench.flow().details).toMatchObject({ tunnelOverhead: [150, 0], ipipOverhead: [60, 0] });
  });
});
