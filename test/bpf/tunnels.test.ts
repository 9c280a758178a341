// Each encapsulation around one inner packet, both ways: the flow is the inner one, the outer headers are its details.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { PARSER_DEFAULTS } from "../../src/capture/parser-config.ts";
import { filler, frame, ip, type NetworkPacket, type Segment } from "../support/packets.ts";
import { erspan1, erspan2, erspan3, gre, ipInIp } from "../support/packets-gre.ts";
import { mpls } from "../support/packets-link.ts";
import { geneve, gtp, udpWith, vxlan, vxlanGpe } from "../support/packets-udp-tunnels.ts";
import { udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";

const INNER_MAC = "02:aa:aa:aa:aa:01";
const OUTER_MAC = "02:bb:bb:bb:bb:01";
const NO_MAC = "00:00:00:00:00:00";
/** IPv4 and UDP with 12 bytes. */
const INNER_BYTES = 40;

let bench: Bench;
beforeAll(() => {
  bench = new Bench({ parser: { ...PARSER_DEFAULTS, fou_ports: [5555] } });
});
afterAll(() => bench[Symbol.dispose]());
beforeEach(() => bench.reset());

function inner(isReply: boolean): NetworkPacket {
  return isReply
    ? ip("10.0.0.2", "10.0.0.1", udp([2000, 1000], 12))
    : ip("10.0.0.1", "10.0.0.2", udp([1000, 2000], 12));
}

/** The outer ends stand the other way round than the inner ones. */
function outer(segment: Segment, isReply: boolean): Uint8Array {
  const [source, destination] = isReply ? ["192.168.0.2", "192.168.0.9"] : ["192.168.0.9", "192.168.0.2"];
  return frame(ip(source ?? "", destination ?? "", segment), { sourceMac: OUTER_MAC });
}

interface Row {
  readonly encapsulation: number;
  readonly build: (packet: NetworkPacket, bridged: Uint8Array) => Segment;
  readonly protocol?: number;
  readonly id?: number;
  readonly ports?: readonly [number, number];
  /** Bytes of the outer packet beyond the inner one. */
  readonly overhead: number;
  readonly mac?: string;
}

const ETHERNET_IN_UDP = { protocol: 17, mac: INNER_MAC } as const;
const VXLAN = { ...ETHERNET_IN_UDP, encapsulation: 1, id: 42, ports: [50000, 4789], overhead: 50 } as const;
const GPE = { protocol: 17, encapsulation: 2, id: 42, ports: [50000, 4790] } as const;
const GENEVE = { protocol: 17, encapsulation: 3, id: 42, ports: [50000, 6081] } as const;
const GTP = { protocol: 17, encapsulation: 10, id: 0x01020304, ports: [2152, 2152] } as const;
const GRE = { protocol: 47, encapsulation: 4 } as const;
const ERSPAN = { protocol: 47, encapsulation: 5, mac: INNER_MAC } as const;

const ROWS: Readonly<Record<string, Row>> = {
  VXLAN: { ...VXLAN, build: (_, bridged) => vxlan(bridged) },
  "VXLAN on 8472": {
    ...VXLAN,
    ports: [50000, 8472],
    build: (_, bridged) => vxlan(bridged, { ports: [50000, 8472] }),
  },
  "VXLAN with a VNI of 24 bits": {
    ...VXLAN,
    id: 0xfedcba,
    build: (_, bridged) => vxlan(bridged, { vni: 0xfedcba }),
  },
  "VXLAN-GPE without a protocol": {
    ...GPE,
    overhead: 50,
    mac: INNER_MAC,
    build: (_, bridged) => vxlanGpe(bridged),
  },
  "VXLAN-GPE with Ethernet": {
    ...GPE,
    overhead: 50,
    mac: INNER_MAC,
    build: (_, bridged) => vxlanGpe(bridged, { protocol: 3 }),
  },
  "VXLAN-GPE with IPv4": { ...GPE, overhead: 36, build: ({ bytes }) => vxlanGpe(bytes, { protocol: 1 }) },
  "VXLAN-GPE with MPLS": {
    ...GPE,
    overhead: 40,
    build: ({ bytes }) => vxlanGpe(mpls(bytes, [7]).bytes, { protocol: 5 }),
  },
  Geneve: { ...GENEVE, overhead: 50, mac: INNER_MAC, build: (_, bridged) => geneve(bridged) },
  "Geneve with options": {
    ...GENEVE,
    overhead: 302,
    mac: INNER_MAC,
    build: (_, bridged) => geneve(bridged, { options: filler(252) }),
  },
  "Geneve with IPv4": {
    ...GENEVE,
    overhead: 44,
    build: ({ bytes }) => geneve(bytes, { protocol: 0x0800, options: filler(8) }),
  },
  "Geneve with MPLS": {
    ...GENEVE,
    overhead: 40,
    build: ({ bytes }) => geneve(mpls(bytes, [7]).bytes, { protocol: 0x8847 }),
  },
  "GTP-U": { ...GTP, overhead: 36, build: ({ bytes }) => gtp(bytes) },
  "GTP-U with a sequence number": { ...GTP, overhead: 40, build: ({ bytes }) => gtp(bytes, { flags: 0x32 }) },
  "GTP-U with an N-PDU number": { ...GTP, overhead: 40, build: ({ bytes }) => gtp(bytes, { flags: 0x31 }) },
  "GTP-U with four extension headers": {
    ...GTP,
    overhead: 40 + 4 + 8 + 4 + 12,
    build: ({ bytes }) =>
      gtp(bytes, {
        extensions: [
          [0x85, filler(2)],
          [0xc0, filler(6)],
          [0x40, filler(2)],
          [0x20, filler(10)],
        ],
      }),
  },
  NVGRE: {
    ...GRE,
    id: 0x00112233,
    overhead: 42,
    mac: INNER_MAC,
    build: (_, bridged) => gre(0x6558, bridged, { key: 0x00112233 }),
  },
  "GRE with MPLS": { ...GRE, overhead: 28, build: ({ bytes }) => gre(0x8847, mpls(bytes, [7]).bytes) },
  "ERSPAN I": { ...ERSPAN, overhead: 38, build: (_, bridged) => erspan1(bridged) },
  "ERSPAN II": { ...ERSPAN, id: 100, overhead: 50, build: (_, bridged) => erspan2(bridged) },
  "ERSPAN II with every bit of the session": {
    ...ERSPAN,
    id: 0x3ff,
    overhead: 50,
    build: (_, bridged) => erspan2(bridged, 0xffff),
  },
  "ERSPAN III": { ...ERSPAN, id: 100, overhead: 54, build: (_, bridged) => erspan3(bridged) },
  "ERSPAN III with a platform's header": {
    ...ERSPAN,
    id: 100,
    overhead: 62,
    build: (_, bridged) => erspan3(bridged, { hasPlatform: true }),
  },
  "ERSPAN III with IP": {
    protocol: 47,
    encapsulation: 5,
    id: 100,
    overhead: 40,
    build: ({ bytes }) => erspan3(bytes, { frameType: 2 }),
  },
  "IP in IP": { protocol: 4, encapsulation: 6, overhead: 20, build: ipInIp },
  "IP directly in UDP": {
    protocol: 17,
    encapsulation: 11,
    ports: [50000, 5555],
    overhead: 28,
    build: ({ bytes }) => udpWith([50000, 5555], bytes),
  },
  "GRE in UDP": {
    protocol: 17,
    encapsulation: 11,
    id: 9,
    ports: [50000, 5555],
    overhead: 36,
    build: ({ bytes }) => udpWith([50000, 5555], gre(0x0800, bytes, { key: 9 }).bytes),
  },
};

for (const checksum of [false, true]) {
  for (const key of [undefined, 0xfedcba98]) {
    for (const sequence of [undefined, 77]) {
      const fields = {
        checksum,
        ...(key === undefined ? {} : { key }),
        ...(sequence === undefined ? {} : { sequence }),
      };
      const count = Number(checksum) + Number(key !== undefined) + Number(sequence !== undefined);
      Object.assign(ROWS, {
        [`GRE with ${JSON.stringify(fields)}`]: {
          ...GRE,
          ...(key === undefined ? {} : { id: key }),
          overhead: 24 + 4 * count,
          build: ({ bytes, ethertype }: NetworkPacket) => gre(ethertype, bytes, fields),
        },
      });
    }
  }
}

describe("open_encapsulation", () => {
  test.each(Object.entries(ROWS))("%s: the flow is the inner packet's, both ways", (_, row) => {
    const total = INNER_BYTES + row.overhead;
    for (const isReply of [false, true, false]) {
      const packet = inner(isReply);
      const built = outer(row.build(packet, frame(packet, { sourceMac: INNER_MAC })), isReply);
      expect(built.length).toBe(14 + total);
      expect(bench.run(built)).toEqual({ accounted: [1, INNER_BYTES] });
    }
    const ports = row.ports ?? [0, 0];
    expect(bench.flow()).toMatchObject({
      low: "10.0.0.1",
      lowPort: 1000,
      high: "10.0.0.2",
      highPort: 2000,
      protocol: 17,
      ways: [
        { packets: 2, bytes: 2 * INNER_BYTES },
        { packets: 1, bytes: INNER_BYTES },
      ],
      mac: row.mac ?? NO_MAC,
      details: {
        tunnel: {
          ends: [
            ["192.168.0.9", "192.168.0.2"],
            ["192.168.0.2", "192.168.0.9"],
          ],
          ids: [row.id, row.id],
          ports: [ports, ports],
          ahSpi: [0, 0],
          encapsulation: row.encapsulation,
          ipVersion: 4,
          protocol: row.protocol ?? 17,
        },
        ipip: undefined,
        tunnelOverhead: [2 * row.overhead, row.overhead],
        ipipOverhead: [0, 0],
        fragments: 0,
        tunnelMac: OUTER_MAC,
        flags: 1,
      },
    });
  });
});
