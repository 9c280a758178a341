// What makes a flow beside its 5-tuple, and which flows are taken at all.

import { describe, expect, test } from "bun:test";
import { fragmentHeader } from "../support/extensions.ts";
import { frame, ip, ipv6, type NetworkPacket } from "../support/packets.ts";
import { gre } from "../support/packets-gre.ts";
import { gtp, vxlan } from "../support/packets-udp-tunnels.ts";
import { opaque, tcp, udp } from "../support/segments.ts";
import { Bench, type BenchOptions } from "./bench.ts";

const INNER = ip("10.0.0.1", "10.0.0.2", udp([1000, 2000], 12));

function inVxlan(vni: number, packet: NetworkPacket = INNER): Uint8Array {
  return frame(ip("192.168.0.1", "192.168.0.2", vxlan(frame(packet), { vni })));
}

function tunnelIds(options: BenchOptions, ...frames: readonly Uint8Array[]): readonly number[] {
  using bench = new Bench(options);
  for (const bytes of frames) bench.run(bytes);
  return bench
    .flows()
    .map((flow) => flow.keyTunnelId)
    .sort((left, right) => left - right);
}

describe("a key with the tunnel's id", () => {
  const options: BenchOptions = { keyIncludes: ["tunnel_id"] };

  test("keeps equal addresses of two networks apart", () => {
    expect(tunnelIds(options, inVxlan(1), inVxlan(2), inVxlan(1), frame(INNER))).toEqual([0, 1, 2]);
    expect(tunnelIds({}, inVxlan(1), inVxlan(2), frame(INNER))).toEqual([0]);
  });

  test("takes the innermost tunnel that has one, and never a TEID", () => {
    const keyless = ip("172.16.0.1", "172.16.0.2", gre(0x0800, INNER.bytes));
    const keyed = ip("172.16.0.1", "172.16.0.2", gre(0x0800, INNER.bytes, { key: 77 }));
    const mobile = ip("172.16.0.1", "172.16.0.2", gtp(INNER.bytes, { teid: 99 }));
    expect(tunnelIds(options, inVxlan(5, keyless))).toEqual([5]);
    expect(tunnelIds(options, inVxlan(5, keyed))).toEqual([77]);
    expect(tunnelIds(options, inVxlan(5, mobile))).toEqual([5]);
    expect(tunnelIds(options, frame(mobile))).toEqual([0]);
  });

  test("keeps fragments of two networks apart", () => {
    const ends = { source: "2001:db8:0:0:0:0:0:1", destination: "2001:db8:0:0:0:0:0:2" };
    const first = ipv6({ ...ends, extensions: [fragmentHeader(0, true)] }, udp([1000, 2000], 64));
    const later = ipv6({ ...ends, extensions: [fragmentHeader(72, false)] }, opaque(17, 64));
    using bench = new Bench(options);
    bench.run(inVxlan(1, first));
    expect(bench.run(inVxlan(2, later)).fragment).toEqual([1, 112]);
    expect(bench.run(inVxlan(1, later))).toEqual({ accounted: [1, 112] });
  });
});

describe("a key with the VLAN", () => {
  test("takes the frame's tag, else that of the frame inside", () => {
    using bench = new Bench({ keyIncludes: ["vlan"] });
    const tags = (id: number): { tags: readonly { ethertype: number; id: number }[] } => ({
      tags: [{ ethertype: 0x8100, id }],
    });
    const carrier = ip("192.168.0.1", "192.168.0.2", vxlan(frame(INNER, tags(7))));
    bench.run(frame(carrier));
    bench.run(frame(carrier, tags(3)));
    bench.run(frame(INNER));
    const vlans = bench.flows().map((flow) => flow.keyVlan);
    expect(vlans.sort((left, right) => left - right)).toEqual([0, 3, 7]);
  });
});

describe("sampling", () => {
  const FLOWS = 10_000;

  function request(index: number): readonly [string, readonly [number, number]] {
    return [`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`, [1024 + (index % 60_000), 443]];
  }

  test.each([2, 10, 100])("takes one flow in %d, whole, both ways alike, and counts the rest", (sampling) => {
    using bench = new Bench({ sampling, tableCapacity: 16_384 });
    const counts = bench.counting(() => {
      for (let index = 0; index < FLOWS; index++) {
        const [client, [source, destination]] = request(index);
        bench.runOrRefuse(frame(ip(client, "192.0.2.1", tcp([source, destination]))));
        bench.runOrRefuse(frame(ip("192.0.2.1", client, tcp([destination, source]))));
      }
    });
    const flows = bench.flows();
    for (const flow of flows) expect(flow.ways).toMatchObject([{ packets: 1 }, { packets: 1 }]);
    // Binomial: five standard deviations either side.
    const mean = FLOWS / sampling;
    expect(Math.abs(flows.length - mean)).toBeLessThan(5 * Math.sqrt(mean * (1 - 1 / sampling)));
    const taken = 2 * flows.length;
    expect(counts.accounted).toEqual([taken, taken * 40]);
    expect(counts.sampled_out).toEqual([2 * FLOWS - taken, (2 * FLOWS - taken) * 40]);
  });

  test("decides by the inner flow, whatever carries it", () => {
    using bench = new Bench({ sampling: 4, tableCapacity: 4096 });
    for (let index = 0; index < 400; index++) {
      const [client, ports] = request(index);
      const packet = ip(client, "192.0.2.1", udp(ports, 12));
      const plain = bench.run(frame(packet));
      expect(Object.keys(bench.run(inVxlan(index, packet)))).toEqual(Object.keys(plain));
    }
    const flows = bench.flows().length;
    expect(flows).toBeGreaterThan(0);
    expect(flows).toBeLessThan(400);
  });
});
