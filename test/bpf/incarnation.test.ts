// Lives of a TCP 5-tuple, handshake latency and first_* of a generation, at times that the packets bring along.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { frame, ip, ipv4, ipv6, type NetworkPacket } from "../support/packets.ts";
import { TCP_FLAG, tcp, udp } from "../support/segments.ts";
import { Bench, type Counts } from "./bench.ts";

const { syn, ack, fin, rst, psh } = TCP_FLAG;
const START = 2 ** 45 + 12345;
const LOW = "10.0.0.1";
const HIGH = "10.0.0.2";
const SYN_REPEATED = 1;

let bench: Bench;
beforeAll(() => {
  bench = new Bench({ isReplay: true });
});
afterAll(() => bench[Symbol.dispose]());
beforeEach(() => bench.reset());

/** The low end is the client, port 1000. */
function client(ns: number, flags: number, payload = 0): Counts {
  return bench.run(frame(ip(LOW, HIGH, tcp([1000, 80], { flags }, payload))), { atNs: START + ns });
}

function server(ns: number, flags: number, payload = 0): Counts {
  return bench.run(frame(ip(HIGH, LOW, tcp([80, 1000], { flags }, payload))), { atNs: START + ns });
}

describe("reopen", () => {
  test("takes the MAC and the VLAN from the new life's first packet, whoever sends it", () => {
    const sent = (
      from: readonly [string, number],
      to: readonly [string, number],
      flags: number,
    ): NetworkPacket => ip(from[0], to[0], tcp([from[1], to[1]], { flags }));
    const low = [LOW, 1000] as const;
    const high = [HIGH, 80] as const;
    bench.run(frame(sent(low, high, syn), { sourceMac: "02:00:00:00:00:01" }), { atNs: START });
    bench.run(frame(sent(high, low, rst), { sourceMac: "02:00:00:00:00:02" }), { atNs: START + 1 });
    expect(bench.flow()).toMatchObject({ firstWay: 0, mac: "02:00:00:00:00:01" });
    bench.run(
      frame(sent(high, low, syn), { sourceMac: "02:00:00:00:00:02", tags: [{ ethertype: 0x8100, id: 7 }] }),
      { atNs: START + 2 },
    );
    expect(bench.flow()).toMatchObject({
      incarnation: 1,
      firstWay: 1,
      mac: "02:00:00:00:00:02",
      vlan: 7,
    });
  });
});

describe("observe_handshake", () => {
  test("measures SYN to SYN-ACK to the nanosecond", () => {
    client(0, syn);
    server(123_456_789, syn | ack);
    client(123_500_000, ack);
    expect(bench.flow()).toMatchObject({ initiator: 1, synNs: START, handshakeNs: 123_456_789, flags: 2 });
  });

  test("measures it where the high end is the client", () => {
    server(0, syn);
    client(77, syn | ack);
    expect(bench.flow()).toMatchObject({ initiator: 2, synNs: START, handshakeNs: 77, firstWay: 1 });
  });

  test("measures the first SYN-ACK only", () => {
    client(0, syn);
    server(500, syn | ack);
    server(900, syn | ack);
    expect(bench.flow().handshakeNs).toBe(500);
  });

  test("does not know it after a repeated SYN", () => {
    client(0, syn);
    client(1e9, syn);
    server(1e9 + 500, syn | ack);
    const flow = bench.flow();
    expect(flow).toMatchObject({ initiator: 1, handshakeNs: 0, incarnation: 0 });
    expect(flow.flags & SYN_REPEATED).toBe(SYN_REPEATED);
  });

  test("does not know it without a SYN, and takes who answers for the responder", () => {
    server(0, syn | ack);
    expect(bench.flow()).toMatchObject({ initiator: 1, synNs: 0, handshakeNs: 0, firstWay: 1 });
  });

  test("does not guess the initiator of a conversation under way", () => {
    client(0, ack, 10);
    server(1, ack | psh, 10);
    expect(bench.flow()).toMatchObject({ initiator: 0, firstWay: 0, synNs: 0, handshakeNs: 0 });
  });

  test("takes the first SYN's end for the initiator of a simultaneous open", () => {
    server(0, syn);
    client(100, syn);
    server(250, syn | ack);
    client(300, syn | ack);
    const flow = bench.flow();
    expect(flow).toMatchObject({ initiator: 2, synNs: START, handshakeNs: 300, incarnation: 0 });
    expect(flow.flags & SYN_REPEATED).toBe(0);
  });

  test("gives a latency beyond 32 bits as the most there is", () => {
    client(0, syn);
    server(5e9, syn | ack);
    expect(bench.flow().handshakeNs).toBe(0xffffffff);
  });
});

describe("reopen", () => {
  test.each([
    ["FIN both ways", (): void => void [client(20, fin | ack), server(30, fin | ack)], fin, fin],
    ["RST by the server", (): void => void [client(20, ack), server(30, rst)], 0, rst],
    ["RST by the client", (): void => void [client(20, rst), server(30, ack)], rst, 0],
  ] as const)(
    "ends a life closed by %s at the next SYN, with its counters and times",
    (_, close, low, high) => {
      client(0, syn);
      server(10, syn | ack, 5);
      close();
      bench.events();
      client(1000, syn);
      expect(bench.events()).toEqual([
        {
          low: LOW,
          lowPort: 1000,
          high: HIGH,
          highPort: 80,
          protocol: 6,
          ipVersion: 4,
          keyVlan: 0,
          keyTunnelId: 0,
          icmpPairing: 0,
          size: 256,
          kind: 2,
          way: 0,
          timeNs: START + 1000,
          tcpFlags: [syn | low | (low === rst ? 0 : ack), syn | ack | high],
          incarnation: 1,
          end: {
            packets: [2, 2],
            bytes: [80, 85],
            firstSeenNs: [START, START + 10],
            lastSeenNs: [START + 20, START + 30],
          },
          reopened: {
            handshakeNs: 10,
            flowLabel: [0, 0],
            trafficClass: [0, 0],
            ttl: [64, 64],
            vlan: 0,
            mac: "02:00:00:00:00:0a",
            tunnelOverhead: [0, 0],
            ipipOverhead: [0, 0],
            fragments: 0,
            tcp: expect.any(Object),
          },
        },
      ]);
    },
  );

  test("begins the new life with nothing of the old but the running counters", () => {
    client(0, syn);
    client(5, syn);
    server(10, syn | ack);
    server(20, rst);
    server(1000, syn);
    client(1600, syn | ack);
    const flow = bench.flow();
    expect(flow).toMatchObject({
      incarnation: 1,
      basePackets: [2, 2],
      baseBytes: [80, 80],
      firstWay: 1,
      initiator: 2,
      synNs: START + 1000,
      handshakeNs: 600,
    });
    expect(flow.flags & SYN_REPEATED).toBe(0);
    expect(flow.ways).toMatchObject([
      { packets: 3, tcpFlags: syn | ack, firstSeenNs: START + 1600 },
      { packets: 3, tcpFlags: syn, firstSeenNs: START + 1000 },
    ]);
  });

  test("counts many lives, each with its base", () => {
    for (let life = 0; life < 5; life++) {
      client(life * 100, syn);
      server(life * 100 + 1, rst);
    }
    expect(bench.events().map((event) => [event.size, event.incarnation, event.end?.packets])).toEqual([
      [64, 0, undefined],
      [256, 1, [1, 1]],
      [256, 2, [2, 2]],
      [256, 3, [3, 3]],
      [256, 4, [4, 4]],
    ]);
    expect(bench.flow()).toMatchObject({ incarnation: 4, basePackets: [4, 4] });
  });

  test.each([
    ["an open flow", ack, ack, syn],
    ["a FIN of one side only", fin | ack, ack, syn],
    ["a SYN-ACK", fin, fin, syn | ack],
    ["a late segment", rst, ack, ack],
  ])("does not begin for %s", (_, low, high, last) => {
    client(0, low);
    server(1, high);
    client(2, last);
    expect(bench.flow()).toMatchObject({ incarnation: 0, basePackets: [0, 0] });
    expect(bench.events().map((event) => event.size)).toEqual([64]);
  });

  test("does not begin for a flow that is not TCP", () => {
    const packet = frame(ip(LOW, HIGH, udp([0x0203, 0x0706], 100)));
    for (let index = 0; index < 3; index++) bench.run(packet, { atNs: START });
    expect(bench.flow().incarnation).toBe(0);
  });
});

describe("restart_first", () => {
  const packet4 = (ttl: number, tos: number): Uint8Array =>
    frame(ipv4({ source: LOW, destination: HIGH, ttl, tos }, udp([1, 2])));
  const packet6 = (hopLimit: number, trafficClass: number, flowLabel: number): Uint8Array => {
    const ends = { source: "2001:db8:0:0:0:0:0:1", destination: "2001:db8:0:0:0:0:0:2" };
    return frame(ipv6({ ...ends, hopLimit, trafficClass, flowLabel }, udp([1, 2])));
  };

  test("keeps the first packet's fields within a generation and takes the next one's after a scan", () => {
    bench.run(packet4(64, 0x10), { atNs: START });
    bench.run(packet4(63, 0x20), { atNs: START + 1 });
    const { generation } = bench.reader;
    expect(bench.flow().ways[0]).toMatchObject({
      firstSeenNs: START,
      ttl: 64,
      trafficClass: 0x10,
      generation,
    });
    expect(bench.flow().ways[0].firstSeenNs).toBe(START);
    bench.run(packet4(62, 0x30), { atNs: START + 2 });
    bench.run(packet4(61, 0x40), { atNs: START + 3 });
    const next = bench.reader.generation;
    expect(bench.flow().ways[0]).toMatchObject({
      firstSeenNs: START + 2,
      lastSeenNs: START + 3,
      ttl: 62,
      trafficClass: 0x30,
      generation: next,
      packets: 4,
    });
    expect(next).toBeGreaterThan(generation);
  });

  test("takes the flow label with them", () => {
    bench.run(packet6(10, 1, 0xaaaaa), { atNs: START });
    bench.run(packet6(11, 2, 0xbbbbb), { atNs: START });
    expect(bench.flow().ways[0]).toMatchObject({ flowLabel: 0xaaaaa, ttl: 10, trafficClass: 1 });
    bench.run(packet6(12, 3, 0xccccc), { atNs: START });
    expect(bench.flow().ways[0]).toMatchObject({ flowLabel: 0xccccc, ttl: 12, trafficClass: 3 });
  });

  test("restarts each direction by itself", () => {
    bench.run(packet4(64, 0), { atNs: START });
    const answer = ipv4({ source: HIGH, destination: LOW, ttl: 33 }, udp([2, 1]));
    bench.run(frame(answer), { atNs: START + 5 });
    bench.flows();
    bench.run(frame(answer), { atNs: START + 9 });
    const { ways } = bench.flow();
    expect(ways.map((way) => way.firstSeenNs)).toEqual([START, START + 9]);
  });

  test("widens the time of a flow by packets out of order, and never narrows it", () => {
    for (const ns of [10, 5, 7]) bench.run(packet4(64, 0), { atNs: START + ns });
    expect(bench.flow().ways[0]).toMatchObject({ firstSeenNs: START + 5, lastSeenNs: START + 10 });
  });
});
