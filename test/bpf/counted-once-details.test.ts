// One packet at several hooks, inside of a tunnel and out of it: what is kept beside its flow is counted once too.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { frame, ip, ipv4, type NetworkPacket } from "../support/packets.ts";
import { vxlan } from "../support/packets-udp-tunnels.ts";
import { opaque, udp } from "../support/segments.ts";
import { Bench, type Counts } from "./bench.ts";
import type { Details } from "./decode-details.ts";
import { ThreadNamespace } from "./thread-namespace.ts";

const MS = 1e6;
const START = 1e15;
const BYTES = 128;
/** Of VXLAN in IPv4 around an Ethernet frame. */
const OVERHEAD = 50;

/** Interfaces, and their hooks as flow.h numbers them. */
const DEVICE = 100;
const NIC = 110;
const OTHER = 120;
const ingress = (ifindex: number): number => ifindex * 2;

let namespace: ThreadNamespace;
let bench: Bench;
beforeAll(() => {
  namespace = new ThreadNamespace();
  namespace.addPairs([DEVICE, DEVICE + 1], [NIC, NIC + 1], [OTHER, OTHER + 1]);
  bench = new Bench({ isReplay: true });
});
afterAll(() => {
  bench[Symbol.dispose]();
  namespace[Symbol.dispose]();
});
beforeEach(() => bench.reset());

const PACKET = ip("10.0.0.1", "10.0.0.2", udp([1000, 2000], 100));
const ANSWER = ip("10.0.0.2", "10.0.0.1", udp([2000, 1000], 100));

function at(ms: number, ifindex: number, packet: NetworkPacket = PACKET): Counts {
  return bench.run(frame(packet), { ifindex, atNs: START + ms * MS });
}

function tunnelled(ms: number, ifindex: number, packet: NetworkPacket = PACKET): Counts {
  return at(ms, ifindex, ip("192.168.0.1", "192.168.0.2", vxlan(frame(packet))));
}

function details(): Details {
  const found = bench.flow().details;
  if (found === undefined) throw new Error("The flow has no details");
  return found;
}

const counted: Counts = { accounted: [1, BYTES] };
const copied: Counts = { duplicate: [1, BYTES] };

describe("a tunnel's headers", () => {
  test("are told by a hook that owns nothing of the flow, and make no second count of it", () => {
    for (const ms of [0, 1, 2]) {
      expect(at(ms, DEVICE)).toEqual(counted);
      expect(tunnelled(ms, NIC)).toEqual(copied);
    }
    const flow = bench.flow();
    expect(flow.ways[0]).toMatchObject({ packets: 3, bytes: 3 * BYTES, ownerHook: ingress(DEVICE) });
    expect(flow.details).toMatchObject({
      tunnel: { ends: [["192.168.0.1", "192.168.0.2"], undefined], encapsulation: 1, ids: [42, undefined] },
      tunnelOverhead: [3 * OVERHEAD, 0],
      tunnelHook: [ingress(NIC), 0],
      tunnelSeenNs: [START + 2 * MS, 0],
    });
  });

  test("are counted at the first hook that sees them, where that one owns the flow too", () => {
    expect(tunnelled(0, NIC)).toEqual(counted);
    expect(at(0, DEVICE)).toEqual(copied);
    expect(tunnelled(0, OTHER)).toEqual(copied);
    expect(details()).toMatchObject({ tunnelOverhead: [OVERHEAD, 0], tunnelHook: [ingress(NIC), 0] });
  });

  test("are counted at another hook once the one before was silent for a second", () => {
    at(0, DEVICE);
    tunnelled(0, NIC);
    tunnelled(999, OTHER);
    expect(details()).toMatchObject({ tunnelOverhead: [OVERHEAD, 0], tunnelHook: [ingress(NIC), 0] });
    tunnelled(1000, OTHER);
    tunnelled(1001, NIC);
    expect(details()).toMatchObject({
      tunnelOverhead: [2 * OVERHEAD, 0],
      tunnelHook: [ingress(OTHER), 0],
      tunnelSeenNs: [START + 1000 * MS, 0],
    });
  });

  test("have a hook of their own in each direction", () => {
    tunnelled(0, NIC);
    tunnelled(1, OTHER, ANSWER);
    tunnelled(2, NIC, ANSWER);
    expect(details()).toMatchObject({
      tunnelOverhead: [OVERHEAD, OVERHEAD],
      tunnelHook: [ingress(NIC), ingress(OTHER)],
    });
  });
});

describe("fragments", () => {
  const ends = { source: "10.0.0.1", destination: "10.0.0.2", identification: 7 };
  const first = ipv4({ ...ends, moreFragments: true }, udp([1000, 2000], 100));
  const later = ipv4({ ...ends, fragmentOffset: 112 }, opaque(17, 108));

  test("are counted by the flow's owner alone", () => {
    for (const [packet, fragments] of [
      [first, 1],
      [later, 2],
    ] as const) {
      expect(at(0, DEVICE, packet)).toEqual(counted);
      expect(at(0, NIC, packet)).toEqual(copied);
      expect(at(0, OTHER, packet)).toEqual(copied);
      expect(bench.flow()).toMatchObject({
        lowPort: 1000,
        ways: [{ packets: fragments }, { packets: 0 }],
        details: { fragments },
      });
    }
  });

  test("find their first one whichever hook saw it", () => {
    at(0, DEVICE);
    expect(at(1, NIC, { ...first, bytes: renumbered(first, 8) })).toEqual(copied);
    expect(at(1, DEVICE, { ...later, bytes: renumbered(later, 8) })).toEqual(counted);
    expect(bench.flow()).toMatchObject({ lowPort: 1000, details: { fragments: 1 } });
  });
});

/** The packet with another identification. */
function renumbered({ bytes }: NetworkPacket, identification: number): Uint8Array {
  const copy = bytes.slice();
  copy.set([0, identification], 4);
  return copy;
}
