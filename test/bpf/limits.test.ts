// What happens where the ring, the table or what is kept beside it has no room.

import { describe, expect, test } from "bun:test";
import { DETAILS_BYTES, KEY_BYTES } from "../../src/capture/record.ts";
import { frame, ip, ipv4, ipv6 } from "../support/packets.ts";
import { esp } from "../support/packets-ipsec.ts";
import { vxlan } from "../support/packets-udp-tunnels.ts";
import { icmp, TCP_FLAG, tcp, udp } from "../support/segments.ts";
import { Bench, type RunOptions } from "./bench.ts";
import type { FlowEvent } from "./decode.ts";
import { NO_DETAILS } from "./decode-details.ts";
import { KernelMap } from "./kernel-map.ts";

const RING_BYTES = 4096;
const FLOWS = 200;

/** Bytes of a record in the ring: a header of 8, and the event. */
const OPENED_BYTES = 8 + 64;
const OVERFLOW_BYTES = 8 + 96;

const OVERFLOW = 3;
const HAS_MAC = 2;
const HAS_DETAILS = 4;
const START = 1e15;
const LOOPBACK = 1;
const LOW6 = "2001:db8:0:0:0:0:0:1";
const HIGH6 = "2001:db8:0:0:0:0:0:2";

function packet(port: number): Uint8Array {
  return frame(ip("10.0.0.1", "10.0.0.2", udp([port, 53], 12)));
}

/** Packets and bytes that overflow events tell. */
function sums(events: readonly FlowEvent[]): readonly [number, number] {
  const told = events.map(({ overflow }) => overflow ?? { packets: 0, bytes: 0 });
  return [
    told.reduce((sum, { packets }) => sum + packets, 0),
    told.reduce((sum, { bytes }) => sum + bytes, 0),
  ];
}

describe("a full ring", () => {
  test("loses events, counted, and not one flow or packet", () => {
    using bench = new Bench({ ringBufferBytes: RING_BYTES });
    const counts = bench.counting(() => {
      for (let port = 1; port <= FLOWS; port++) bench.runOrRefuse(packet(port));
    });
    const events = bench.events();
    expect(events.length).toBe(Math.floor((RING_BYTES - 1) / OPENED_BYTES));
    expect(counts).toEqual({ accounted: [FLOWS, FLOWS * 40], ring_full: [FLOWS - events.length, 0] });
    const ports = bench.flows().map((flow) => flow.lowPort);
    expect(ports.sort((left, right) => left - right)).toEqual(
      Array.from({ length: FLOWS }, (_, index) => index + 1),
    );
  });

  test("keeps the base of a life whose end could not be sent", () => {
    using bench = new Bench({ ringBufferBytes: RING_BYTES, isReplay: true });
    const opening = frame(ip("10.0.0.1", "10.0.0.2", tcp([1, 80], { flags: TCP_FLAG.syn })));
    const reset = frame(ip("10.0.0.2", "10.0.0.1", tcp([80, 1], { flags: TCP_FLAG.rst })));
    bench.run(opening, { atNs: 1e12 });
    bench.run(reset, { atNs: 1e12 });
    for (let port = 1; port <= FLOWS; port++) bench.runOrRefuse(packet(port), { atNs: 1e12 });
    expect(bench.run(opening, { atNs: 1e12 })).toEqual({ accounted: [1, 40], ring_full: [1, 0] });
    const flow = bench.flows().find(({ protocol }) => protocol === 6);
    expect(flow).toMatchObject({ incarnation: 1, basePackets: [1, 1], baseBytes: [40, 40] });
    expect(bench.events().every((event) => event.size === 64)).toBe(true);
  });

  test("takes events again once it was read", () => {
    using bench = new Bench({ ringBufferBytes: RING_BYTES });
    for (let port = 1; port <= FLOWS; port++) bench.runOrRefuse(packet(port));
    bench.events();
    expect(bench.run(packet(FLOWS + 1))).toEqual({ accounted: [1, 40] });
    expect(bench.events()).toMatchObject([{ lowPort: FLOWS + 1, size: 64 }]);
  });
});

describe("a full table", () => {
  test("sends each packet of a flow that has no room, and goes on with those that have", () => {
    using bench = new Bench({ tableCapacity: 1 });
    expect(bench.run(packet(1))).toEqual({ accounted: [1, 40] });
    bench.events();
    for (let port = 2; port < 20; port++) expect(bench.run(packet(port))).toEqual({ overflow: [1, 40] });
    expect(bench.run(packet(5), { gsoSegments: 3 })).toEqual({ overflow: [3, 96] });
    expect(bench.run(packet(1))).toEqual({ accounted: [1, 40] });
    expect(bench.flow()).toMatchObject({ lowPort: 1, ways: [{ packets: 2 }, { packets: 0 }] });
    const events = bench.events();
    expect(events.map(({ kind, size }) => [kind, size])).toEqual(events.map(() => [OVERFLOW, 96]));
    const ports = Array.from({ length: 18 }, (_, index) => index + 2);
    expect(events.map(({ lowPort }) => lowPort)).toEqual([...ports, 5]);
    expect(sums(events)).toEqual([21, 18 * 40 + 96]);
    bench.reset();
    expect(bench.run(packet(7))).toEqual({ accounted: [1, 40] });
  });

  test("loses only what the ring has no room for either, counted", () => {
    using bench = new Bench({ tableCapacity: 1, ringBufferBytes: RING_BYTES });
    bench.run(packet(1));
    bench.events();
    const counts = bench.counting(() => {
      for (let port = 2; port <= FLOWS; port++) bench.runOrRefuse(packet(port), { gsoSegments: 2 });
    });
    const events = bench.events();
    const sent = Math.floor((RING_BYTES - 1) / OVERFLOW_BYTES);
    const lost = FLOWS - 1 - sent;
    expect(counts).toEqual({ overflow: [2 * sent, 68 * sent], map_full: [2 * lost, 68 * lost] });
    expect(sums(events)).toEqual([2 * sent, 68 * sent]);
    expect(bench.run(packet(FLOWS + 1))).toEqual({ overflow: [1, 40] });
  });
});

/** A table with one flow, which is full, and nothing in the ring. */
function fullBench(): Bench {
  const bench = new Bench({ tableCapacity: 1, isReplay: true });
  bench.run(packet(1), { atNs: START });
  bench.events();
  return bench;
}

/** The one event of a packet that finds no room. */
function overflowOf(bytes: Uint8Array, options: RunOptions = {}): FlowEvent {
  using bench = fullBench();
  expect(Object.keys(bench.run(bytes, { ...options, atNs: START + 7 }))).toEqual(["overflow"]);
  const [event, ...others] = bench.events();
  if (event === undefined || others.length > 0) throw new Error("Expected one event");
  return event;
}

describe("an overflow event", () => {
  test("has all that there is of an IPv6 segment from the high end", () => {
    const fields = { trafficClass: 0xb9, flowLabel: 0xfedcb, hopLimit: 63 };
    const built = ipv6(
      { ...fields, source: HIGH6, destination: LOW6 },
      tcp([80, 1000], { flags: TCP_FLAG.syn | TCP_FLAG.ack }, 10),
    );
    const link = { sourceMac: "02:11:22:33:44:55", tags: [{ ethertype: 0x8100, id: 1234, priority: 7 }] };
    expect(overflowOf(frame(built, link))).toEqual({
      low: LOW6,
      lowPort: 1000,
      high: HIGH6,
      highPort: 80,
      protocol: 6,
      ipVersion: 6,
      keyVlan: 0,
      keyTunnelId: 0,
      icmpPairing: 0,
      size: 96,
      kind: OVERFLOW,
      way: 1,
      timeNs: START + 7,
      tcpFlags: [0, TCP_FLAG.syn | TCP_FLAG.ack],
      incarnation: 0,
      overflow: {
        packets: 1,
        bytes: 70,
        hook: 2,
        flowLabel: 0xfedcb,
        vlan: 1234,
        trafficClass: 0xb9,
        ttl: 63,
        icmpType: 0,
        icmpCode: 0,
        hasEntered: false,
        mac: "02:11:22:33:44:55",
      },
    });
  });

  test("has type and code of an ICMP message", () => {
    const message = ipv4(
      { source: "10.0.0.1", destination: "10.0.0.2", tos: 0x2e, ttl: 255 },
      icmp({ type: 3, code: 4 }, 28),
    );
    expect(overflowOf(frame(message))).toMatchObject({
      protocol: 1,
      icmpPairing: 2,
      lowPort: 3,
      highPort: 4,
      overflow: { packets: 1, bytes: 56, icmpType: 3, icmpCode: 4, ttl: 255, trafficClass: 0x2e, vlan: 0 },
    });
  });

  test("has the segments of a super-packet, each with its headers", () => {
    const large = frame(ip("10.0.0.1", "10.0.0.2", udp([5, 6], 3000)));
    expect(overflowOf(large, { gsoSize: 1000 }).overflow).toMatchObject({ packets: 3, bytes: 3000 + 3 * 28 });
  });

  test.each([
    ["arrives", {}, 2, false],
    ["leaves from here", { egress: true }, 3, false],
    ["leaves and had entered", { egress: true, ingressIfindex: LOOPBACK }, 3, true],
    ["arrives and had entered", { ingressIfindex: LOOPBACK }, 2, false],
  ] as const)("says at which hook a packet was seen that %s", (_, options, hook, hasEntered) => {
    expect(overflowOf(packet(2), options).overflow).toMatchObject({ hook, hasEntered });
  });

  // A test run takes the protocol from bytes 12 and 13 as if a frame began: here they are a source address's.
  test("has no MAC where there is no Ethernet header", () => {
    using bench = fullBench();
    bench.addInterface(LOOPBACK, "none");
    bench.run(ip("8.0.0.1", "9.0.0.1", tcp([5, 6])).bytes);
    bench.removeInterface(LOOPBACK);
    expect(bench.events()).toMatchObject([{ low: "8.0.0.1", overflow: { mac: "00:00:00:00:00:00" } }]);
  });

  test("has the packet inside of a tunnel", () => {
    const inner = frame(ip("10.0.0.1", "10.0.0.2", udp([5, 6], 12)), { sourceMac: "02:aa:aa:aa:aa:01" });
    const carrier = ip("192.168.0.1", "192.168.0.2", vxlan(inner));
    expect(overflowOf(frame(carrier, { sourceMac: "02:bb:bb:bb:bb:01" }))).toMatchObject({
      low: "10.0.0.1",
      highPort: 6,
      overflow: { packets: 1, bytes: 40, mac: "02:aa:aa:aa:aa:01" },
    });
  });
});

describe("a full FLOW_DETAILS", () => {
  test("counts a flow without what it has no room for, and says so", () => {
    using bench = new Bench({ tableCapacity: 3 });
    const details = KernelMap.named("FLOW_DETAILS");
    const keys = [1, 2, 3, 4].map((octet) => new Uint8Array(KEY_BYTES).fill(octet));
    for (const key of keys) details.update(key, new Uint8Array(DETAILS_BYTES));
    const carrier = frame(ip("10.0.0.1", "10.0.0.2", esp(7)));
    expect(bench.run(carrier)).toEqual({ accounted: [1, 52], details_full: [1, 0] });
    expect(bench.flow()).toMatchObject({ protocol: 50, flags: HAS_MAC, details: undefined });
    details.delete(keys[0] ?? new Uint8Array(0));
    expect(bench.run(carrier)).toEqual({ accounted: [1, 52] });
    expect(bench.flow()).toMatchObject({ flags: HAS_MAC | HAS_DETAILS, details: { espSpi: [7, 0] } });
  });

  test("gives a new flow none of what an entry holds that outlived its flow", () => {
    using bench = new Bench();
    const carrier = frame(ip("10.0.0.1", "10.0.0.2", esp(7)));
    bench.run(carrier);
    const key = Buffer.concat([mapped(10, 0, 0, 1), mapped(10, 0, 0, 2), new Uint8Array(16)]);
    key.set([50, 4], 36);
    const details = KernelMap.named("FLOW_DETAILS");
    expect(details.lookup(key)).toBeDefined();
    bench.reset();
    expect(details.lookup(key)).toBeUndefined();
    details.update(key, new Uint8Array(DETAILS_BYTES).fill(0x11));
    bench.run(carrier);
    expect(bench.flow().details).toEqual({ ...NO_DETAILS, espSpi: [7, 0] });
  });
});

/** An IPv4 address as keys have it. */
function mapped(...octets: readonly number[]): Uint8Array {
  return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...octets);
}
