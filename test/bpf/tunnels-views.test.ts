// One tunnelled flow as several hooks and lives show it: the fullest view is told, and none of another life.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { frame, ip, type NetworkPacket, type Segment } from "../support/packets.ts";
import { gtp, vxlan } from "../support/packets-udp-tunnels.ts";
import { tcp, udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";
import type { Details } from "./decode-details.ts";
import { ThreadNamespace } from "./thread-namespace.ts";

const ASKED = ip("10.0.0.1", "10.0.0.2", udp([1000, 2000], 12));
const ANSWERED = ip("10.0.0.2", "10.0.0.1", udp([2000, 1000], 12));
const MS = 1_000_000;
const [SYN, RST] = [2, 4];
/** Outer IPv4, UDP and VXLAN headers, and the inner Ethernet header. */
const VXLAN_OVERHEAD = 50;

let namespace: ThreadNamespace;
let bench: Bench;
beforeAll(() => {
  namespace = new ThreadNamespace();
  for (const name of ["d0", "d1"]) namespace.addLink(name, "ifb");
  bench = new Bench();
});
afterAll(() => {
  bench[Symbol.dispose]();
  namespace[Symbol.dispose]();
});
beforeEach(() => bench.reset());

function details(): Details {
  const found = bench.flow().details;
  if (found === undefined) throw new Error("The flow has no details");
  return found;
}

function inVxlan(packet: NetworkPacket, vni: number, ends: readonly [string, string]): NetworkPacket {
  return ip(...ends, vxlan(frame(packet), { vni }));
}

describe("hooks that see different depths", () => {
  const shallow = (packet: NetworkPacket): NetworkPacket => inVxlan(packet, 7, ["172.16.0.1", "172.16.0.2"]);
  const deep = (packet: NetworkPacket): NetworkPacket =>
    inVxlan(shallow(packet), 42, ["192.168.0.1", "192.168.0.2"]);

  test("tell the outermost encapsulation, with the overhead of all, whichever came first", () => {
    for (const order of [
      [shallow, deep],
      [deep, shallow],
    ] as const) {
      bench.reset();
      for (const [i, packet] of [ASKED, ANSWERED, ASKED].entries()) {
        for (const [ifindex, wrap] of order.entries()) {
          bench.run(frame(wrap(packet)), { ifindex: ifindex + 2, atNs: (1000 + i * 10) * MS });
        }
      }
      expect(details().tunnel).toMatchObject({ ids: [42, 42] });
      expect(details().tunnelOverhead).toEqual([4 * VXLAN_OVERHEAD, 2 * VXLAN_OVERHEAD]);
    }
  });
});

describe("a connection that is opened again", () => {
  const run = (flags: number, wrap: (packet: NetworkPacket) => NetworkPacket): void => {
    bench.run(frame(wrap(ip("10.0.0.1", "10.0.0.2", tcp([1000, 2000], { flags })))));
  };
  const inFirst = (packet: NetworkPacket): NetworkPacket =>
    inVxlan(packet, 42, ["192.168.0.1", "192.168.0.2"]);
  const inSecond = (packet: NetworkPacket): NetworkPacket =>
    inVxlan(packet, 77, ["172.16.0.1", "172.16.0.9"]);

  test("through another tunnel tells that one's headers", () => {
    run(SYN, inFirst);
    run(RST, inFirst);
    run(SYN, inSecond);
    expect(details().tunnel).toMatchObject({
      ids: [77, undefined],
      ends: [["172.16.0.1", "172.16.0.9"], undefined],
    });
  });

  test("bare tells none, until it is carried again", () => {
    run(SYN, inFirst);
    run(RST, inFirst);
    run(SYN, (packet) => packet);
    expect(details().tunnel).toBeUndefined();
    run(0, inFirst);
    expect(details().tunnel).toMatchObject({ ids: [42, undefined] });
  });
});

describe("a super-packet of a tunnel's datagrams", () => {
  const inner = ip("10.0.0.1", "10.0.0.2", udp([1000, 2000], 100));
  const carried = (segment: Segment): Uint8Array => frame(ip("192.168.0.1", "192.168.0.2", segment));

  test("is of the outer flow where each segment carries a packet of its own", () => {
    const one = gtp(inner.bytes);
    // The second datagram's payload stands behind the first's, as UDP_SEGMENT sends it.
    const both = Buffer.concat([one.bytes, one.bytes.subarray(8)]);
    const counters = bench.run(carried({ ...one, bytes: both }), {
      gsoSegments: 2,
      gsoSize: one.bytes.length - 8,
    });
    const bytes = 2 * (20 + one.bytes.length);
    expect(counters).toEqual({ accounted: [2, bytes], encapsulated_unread: [2, bytes] });
    expect(bench.flow()).toMatchObject({ highPort: 2152 });
  });

  test("is of the inner one where it is one packet cut into segments", () => {
    const large = ip("10.0.0.1", "10.0.0.2", tcp([1000, 2000], {}, 3000));
    const counters = bench.run(carried(vxlan(frame(large))), { gsoSegments: 3, gsoSize: 1000 });
    expect(Object.keys(counters)).toEqual(["accounted"]);
    expect(bench.flow()).toMatchObject({ protocol: 6 });
    expect(details().tunnelOverhead).toEqual([3 * VXLAN_OVERHEAD, 0]);
  });
});
