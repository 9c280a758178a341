// What a life of a TCP 5-tuple leaves behind in its event and in its details, once the next one began.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { frame, ip, ipv4, ipv6, type NetworkPacket } from "../support/packets.ts";
import { ipInIp } from "../support/packets-gre.ts";
import { vxlan } from "../support/packets-udp-tunnels.ts";
import { opaque, TCP_FLAG, tcp, udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";
import type { FlowEvent } from "./decode.ts";

const { syn, ack, fin, rst } = TCP_FLAG;
const START = 1e15;
const LOOPBACK = 1;
const RING_BYTES = 4096;
const NO_MAC = "00:00:00:00:00:00";
const LOW = "10.0.0.1";
const HIGH = "10.0.0.2";
const LOW6 = "2001:db8:0:0:0:0:0:1";
const HIGH6 = "2001:db8:0:0:0:0:0:2";

let bench: Bench;
beforeAll(() => {
  bench = new Bench({ isReplay: true });
});
afterAll(() => bench[Symbol.dispose]());
beforeEach(() => bench.reset());

interface Headers {
  readonly hopLimit: number;
  readonly trafficClass: number;
  readonly flowLabel: number;
}

function client6(flags: number, headers: Headers): NetworkPacket {
  return ipv6({ ...headers, source: LOW6, destination: HIGH6 }, tcp([1000, 80], { flags }));
}

function server6(flags: number, headers: Headers): NetworkPacket {
  return ipv6({ ...headers, source: HIGH6, destination: LOW6 }, tcp([80, 1000], { flags }));
}

function client(flags: number): NetworkPacket {
  return ip(LOW, HIGH, tcp([1000, 80], { flags }));
}

function server(flags: number): NetworkPacket {
  return ip(HIGH, LOW, tcp([80, 1000], { flags }));
}

/** The only event since the ring was read. */
function onlyEvent(): FlowEvent {
  const [event, ...others] = bench.events();
  if (event === undefined || others.length > 0) throw new Error("Expected one event");
  return event;
}

describe("the event of a reopened flow", () => {
  test("tells handshake, tag, MAC and what the old life's last generation began with", () => {
    const old = { sourceMac: "02:00:00:00:00:01", tags: [{ ethertype: 0x8100, id: 11 }] };
    const next = { sourceMac: "02:00:00:00:00:02", tags: [{ ethertype: 0x8100, id: 22 }] };
    const at = (ns: number): { readonly atNs: number } => ({ atNs: START + ns });
    bench.run(frame(client6(syn, { hopLimit: 1, trafficClass: 1, flowLabel: 1 }), old), at(0));
    bench.run(frame(server6(syn | ack, { hopLimit: 50, trafficClass: 0x02, flowLabel: 0x12345 })), at(777));
    bench.flows();
    bench.run(frame(client6(fin, { hopLimit: 63, trafficClass: 0xb9, flowLabel: 0xfedcb }), old), at(1000));
    bench.run(frame(client6(fin, { hopLimit: 9, trafficClass: 9, flowLabel: 9 }), old), at(1001));
    bench.run(frame(server6(rst, { hopLimit: 51, trafficClass: 0x03, flowLabel: 0x54321 })), at(2000));
    bench.events();
    bench.run(frame(client6(syn, { hopLimit: 7, trafficClass: 7, flowLabel: 7 }), next), at(3000));
    const event = onlyEvent();
    expect(event).toMatchObject({ kind: 2, size: 256, incarnation: 1, timeNs: START + 3000 });
    expect(event.end).toEqual({
      packets: [3, 2],
      bytes: [180, 120],
      firstSeenNs: [START + 1000, START + 2000],
      lastSeenNs: [START + 1001, START + 2000],
    });
    expect(event.reopened).toEqual({
      handshakeNs: 777,
      flowLabel: [0xfedcb, 0x54321],
      trafficClass: [0xb9, 0x03],
      ttl: [63, 51],
      vlan: 11,
      mac: "02:00:00:00:00:01",
      tunnelOverhead: [0, 0],
      ipipOverhead: [0, 0],
      fragments: 0,
      tcp: expect.any(Object),
    });
    expect(bench.flow()).toMatchObject({
      vlan: 22,
      mac: "02:00:00:00:00:02",
      handshakeNs: 0,
      ways: [{ ttl: 7, trafficClass: 7, flowLabel: 7 }, {}],
    });
  });

  test("has nothing of a way that was not seen, nor a latency that is not known", () => {
    bench.run(frame(server(syn)), { atNs: START });
    bench.run(frame(server(rst)), { atNs: START });
    bench.events();
    bench.run(frame(server(syn)), { atNs: START });
    expect(onlyEvent()).toMatchObject({
      way: 1,
      tcpFlags: [0, syn | rst],
      end: { packets: [0, 2], bytes: [0, 80], firstSeenNs: [0, START], lastSeenNs: [0, START] },
      reopened: { handshakeNs: 0, flowLabel: [0, 0], trafficClass: [0, 0], ttl: [0, 64], vlan: 0 },
    });
  });

  // A test run takes the protocol from bytes 12 and 13 as if a frame began: here they are a source address's.
  test("has no MAC where the old life had no Ethernet header, whatever the new one has", () => {
    const packet = (flags: number): NetworkPacket => ip("8.0.0.1", "9.0.0.1", tcp([5, 6], { flags }));
    bench.addInterface(LOOPBACK, "none");
    bench.run(packet(syn).bytes, { atNs: START });
    bench.run(packet(rst).bytes, { atNs: START });
    bench.removeInterface(LOOPBACK);
    bench.events();
    bench.run(frame(packet(syn), { sourceMac: "02:00:00:00:00:05" }), { atNs: START });
    expect(onlyEvent().reopened).toMatchObject({ mac: NO_MAC });
    bench.run(frame(packet(rst)), { atNs: START });
    bench.run(frame(packet(syn)), { atNs: START });
    expect(onlyEvent().reopened).toMatchObject({ mac: "02:00:00:00:00:05" });
  });
});

/** In IP in VXLAN: 20 and 50 bytes beyond the packet. */
function carried(packet: NetworkPacket): Uint8Array {
  return frame(
    ip("192.168.0.1", "192.168.0.2", vxlan(frame(ip("172.16.0.1", "172.16.0.2", ipInIp(packet))))),
  );
}

/** A segment of the client's in two fragments. */
function fragments(identification: number): readonly [NetworkPacket, NetworkPacket] {
  const ends = { source: LOW, destination: HIGH, identification };
  return [
    ipv4({ ...ends, moreFragments: true }, tcp([1000, 80], {}, 28)),
    ipv4({ ...ends, fragmentOffset: 48 }, opaque(6, 100)),
  ];
}

describe("the details of a reopened flow", () => {
  test("run on, and their base is what the old lives had", () => {
    const run = (packet: NetworkPacket): void => void bench.run(carried(packet), { atNs: START });
    for (const packet of [client(syn), server(syn | ack), ...fragments(1), server(rst)]) run(packet);
    expect(bench.flow().details).toMatchObject({
      tunnelOverhead: [150, 100],
      ipipOverhead: [60, 40],
      fragments: 2,
      baseTunnelOverhead: [0, 0],
      baseIpipOverhead: [0, 0],
      baseFragments: 0,
    });
    bench.events();
    run(client(syn));
    const base = { tunnelOverhead: [150, 100], ipipOverhead: [60, 40], fragments: 2 };
    expect(onlyEvent()).toMatchObject({ end: { packets: [3, 2], bytes: [228, 80] }, reopened: base });
    for (const packet of [...fragments(2), server(rst)]) run(packet);
    expect(bench.flow().details).toMatchObject({
      tunnelOverhead: [300, 150],
      ipipOverhead: [120, 60],
      fragments: 4,
      baseTunnelOverhead: base.tunnelOverhead,
      baseIpipOverhead: base.ipipOverhead,
      baseFragments: base.fragments,
    });
    run(client(syn));
    const next = { tunnelOverhead: [300, 150], ipipOverhead: [120, 60], fragments: 4 };
    expect(onlyEvent()).toMatchObject({ incarnation: 2, reopened: next });
  });

  test("are none in the event of a life that began before there were any", () => {
    for (const flags of [syn, rst]) bench.run(frame(client(flags)), { atNs: START });
    bench.events();
    bench.run(carried(client(syn)), { atNs: START });
    expect(onlyEvent().reopened).toMatchObject({
      tunnelOverhead: [0, 0],
      ipipOverhead: [0, 0],
      fragments: 0,
    });
    expect(bench.flow().details).toMatchObject({ tunnelOverhead: [50, 0], baseTunnelOverhead: [0, 0] });
  });

  test("have their base also where the event finds no room", () => {
    using small = new Bench({ isReplay: true, ringBufferBytes: RING_BYTES });
    const run = (packet: NetworkPacket): unknown => small.run(carried(packet), { atNs: START });
    for (const packet of [client(syn), ...fragments(3), server(rst)]) run(packet);
    for (let port = 1; port <= 100; port++)
      small.run(frame(ip("10.1.0.1", "10.1.0.2", udp([port, 53]))), { atNs: START });
    expect(run(client(syn))).toEqual({ accounted: [1, 40], ring_full: [1, 0] });
    const flow = small.flows().find(({ protocol }) => protocol === 6);
    expect(flow?.details).toMatchObject({
      tunnelOverhead: [200, 50],
      baseTunnelOverhead: [150, 50],
      baseIpipOverhead: [60, 20],
      fragments: 2,
      baseFragments: 2,
    });
  });
});
