// Captures of interfaces without Ethernet headers: the same packets behind other link headers.

import { describe, expect, test } from "bun:test";
import { frame, ip } from "../support/packets.ts";
import { TCP_FLAG, tcp, udp } from "../support/segments.ts";
import { A, A6, B, B6, expectTshark, FRAMES, PACKETS, replayBytes, START, TIMEOUT_MS } from "./exchange.ts";
import { pcap, SectionWriter, USUAL } from "./pcap-writer.ts";
import { accountedFor } from "./replayed.ts";

describe("replay of the same packets", () => {
  const tags = [
    { ethertype: 0x88a8, id: 7 },
    { ethertype: 0x8100, id: 8 },
  ];
  const tagged = [
    frame(ip(A, B, udp([5000, 53], 40)), { tags: tags.slice(1) }),
    frame(ip(B6, A6, tcp([443, 40000], { flags: TCP_FLAG.ack }, 100)), { tags }),
    frame({ ethertype: 0x0806, bytes: new Uint8Array(28) }),
  ];
  for (const [name, linkType, recast] of [
    ["cooked by Linux", 113, cooked],
    ["cooked by Linux, second form", 276, cooked2],
  ] as const) {
    test(
      `${name}, tags among them, without a MAC address`,
      async () => {
        const packets = [...FRAMES, ...tagged].map((bytes) => ({ bytes: recast(bytes), time: START }));
        const { records, counters } = await expectTshark(pcap(packets, { ...USUAL, linkType }));
        expect(records.map(({ vlanId }) => vlanId).toSorted()).toEqual([0, 0, 0, 7, 8]);
        expect(records.some(({ hasMac }) => hasMac)).toBe(false);
        expect(counters["not_ip"]).toBe(1);
      },
      TIMEOUT_MS,
    );
  }

  for (const [name, linkType, isLittle, family6] of [
    ["of a little-endian machine, IPv6 as on macOS", 0, true, 30],
    ["of a big-endian machine, IPv6 as on NetBSD", 0, false, 24],
    ["in network order, IPv6 as on FreeBSD", 108, false, 28],
  ] as const) {
    test(
      `behind a protocol family ${name}`,
      async () => {
        const packets = FRAMES.map((bytes) => ({
          bytes: behindFamily(bytes, family6, isLittle),
          time: START,
        }));
        const { records } = await expectTshark(pcap(packets, { ...USUAL, linkType }));
        expect(records).toHaveLength(3);
      },
      TIMEOUT_MS,
    );
  }

  test(
    "cooked, on one interface of a pcapng",
    async () => {
      const writer = new SectionWriter(true);
      const blocks = PACKETS.map(({ bytes, time }, index) =>
        writer.packet(index % 2, time / 1000n, { bytes: index % 2 === 0 ? bytes : cooked(bytes) }),
      );
      const head = [writer.header(), writer.interface(1), writer.interface(113)];
      await expectTshark(Buffer.concat([...head, ...blocks]), "test.pcapng");
    },
    TIMEOUT_MS,
  );
});

describe("replay of packets that are none", () => {
  test("counts every prefix of a packet with another link header once", async () => {
    const ipv4Frame = FRAMES[0] ?? new Uint8Array(0);
    for (const [linkType, headerBytes, bytes] of [
      [113, 16, cooked(ipv4Frame)],
      [276, 20, cooked2(ipv4Frame)],
      [0, 4, behindFamily(ipv4Frame, 24, true)],
    ] as const) {
      const packets = Array.from(bytes, (_, length) => ({ bytes: bytes.subarray(0, length), time: START }));
      const replayed = await replayBytes(pcap(packets, { ...USUAL, linkType }));
      expect(replayed.error).toBeUndefined();
      expect(accountedFor(replayed)).toBe(packets.length);
      expect(replayed.counters["short"]).toBe(headerBytes + 20);
    }
  });

  test("counts a protocol family that is not IP's, and Linux' own number of IPv6", async () => {
    const ipv6Frame = FRAMES[3] ?? new Uint8Array(0);
    const packets = [7, 10].map((family) => ({
      bytes: behindFamily(ipv6Frame, family, true),
      time: START,
    }));
    const { counters } = await replayBytes(pcap(packets, { ...USUAL, linkType: 0 }));
    expect(counters).toEqual({ not_ip: 1, accounted: 1 });
  });
});

/** The frame as Linux' "any" interface gives it (LINKTYPE_LINUX_SLL): no destination, the ethertype at the end. */
function cooked(bytes: Uint8Array): Uint8Array {
  const lead = [0, 0, 0, 1, 0, 6, ...bytes.subarray(6, 12), 0, 0];
  return Buffer.concat([Uint8Array.from(lead), bytes.subarray(12)]);
}

/** LINKTYPE_LINUX_SLL2: the ethertype first, and the interface's index. */
function cooked2(bytes: Uint8Array): Uint8Array {
  const rest = [0, 0, 0, 0, 0, 3, 0, 1, 0, 6, ...bytes.subarray(6, 12), 0, 0];
  return Buffer.concat([bytes.subarray(12, 14), Uint8Array.from(rest), bytes.subarray(14)]);
}

/** The packet of a frame behind its protocol family (LINKTYPE_NULL, LINKTYPE_LOOP): 2, or `family6` for IPv6. */
function behindFamily(bytes: Uint8Array, family6: number, isLittle: boolean): Uint8Array {
  const head = Buffer.alloc(4);
  const family = bytes[12] === 0x08 ? 2 : family6;
  if (isLittle) head.writeUInt32LE(family);
  else head.writeUInt32BE(family);
  return Buffer.concat([head, bytes.subarray(14)]);
}
