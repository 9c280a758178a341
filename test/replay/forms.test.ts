// The same packets in every form of file give the same flows, which are tshark's.

import { describe, expect, test } from "bun:test";
import { frame, ip, ipv4, ipv6 } from "../support/packets.ts";
import { mpls, pppoe } from "../support/packets-link.ts";
import { TCP_FLAG, tcp, udp } from "../support/segments.ts";
import { A, A6, B, B6, expectTshark, FRAMES, PACKETS, replayBytes, START, TIMEOUT_MS } from "./exchange.ts";
import { type PcapForm, pcap, pcapRecord, SectionWriter, USUAL, type Written } from "./pcap-writer.ts";
import { accountedFor, replayFile } from "./replayed.ts";
import { tallyRecords } from "./tally.ts";

describe("replay of the same packets", () => {
  const forms: readonly PcapForm[] = [true, false].flatMap((isLittle) =>
    ([0xa1b2c3d4, 0xa1b23c4d] as const).map((magic) => ({ isLittle, magic, linkType: 1 })),
  );
  for (const form of forms) {
    const name = `${form.isLittle ? "little" : "big"} endian, magic ${form.magic.toString(16)}`;
    test(
      `as pcap, ${name}`,
      async () => {
        const packets = PACKETS.map((packet, index) => ({
          ...packet,
          time: packet.time + (form.magic === 0xa1b23c4d ? BigInt(index) : 0n),
        }));
        const { records } = await expectTshark(pcap(packets, form));
        expect(records).toHaveLength(3);
        expect(records.every(({ hasMac, ifindex }) => hasMac && ifindex === 0)).toBe(true);
      },
      TIMEOUT_MS,
    );
  }

  for (const isLittle of [true, false]) {
    test(
      `as pcapng of two interfaces with different resolutions, ${isLittle ? "little" : "big"} endian`,
      async () => {
        const writer = new SectionWriter(isLittle);
        const blocks = PACKETS.map(({ bytes, time }, index) =>
          writer.packet(index % 2, index % 2 === 0 ? time / 1000n : time + 1n, { bytes }),
        );
        const head = [writer.header(), writer.interface(1), writer.interface(1, 9)];
        await expectTshark(Buffer.concat([...head, ...blocks]), "test.pcapng");
      },
      TIMEOUT_MS,
    );
  }

  test(
    "as raw IP, without a MAC address",
    async () => {
      const packets = PACKETS.map((packet) => ({ ...packet, bytes: packet.bytes.subarray(14) }));
      const { records } = await expectTshark(pcap(packets, { ...USUAL, linkType: 101 }));
      expect(records).toHaveLength(3);
      expect(records.some(({ hasMac }) => hasMac)).toBe(false);
    },
    TIMEOUT_MS,
  );

  test(
    "as raw IPv4 and raw IPv6",
    async () => {
      const only = (version: number): readonly Written[] =>
        PACKETS.map((packet) => ({ ...packet, bytes: packet.bytes.subarray(14) })).filter(
          ({ bytes }) => (bytes[0] ?? 0) >> 4 === version,
        );
      await expectTshark(pcap(only(4), { ...USUAL, linkType: 228 }));
      await expectTshark(pcap(only(6), { ...USUAL, linkType: 229 }));
    },
    TIMEOUT_MS,
  );

  test(
    "cut to 68 bytes, with the bytes of the wire",
    async () => {
      const packets = PACKETS.map(({ bytes, time }) => ({
        bytes: bytes.subarray(0, 68),
        originalLength: bytes.length,
        time,
      }));
      const cut = await expectTshark(pcap(packets));
      const whole = await replayBytes(pcap(PACKETS));
      expect(tallyRecords(cut.records)).toEqual(tallyRecords(whole.records));
    },
    TIMEOUT_MS,
  );
});

describe("replay of long packets", () => {
  test(
    "captured before segmentation: one packet of 64 KB",
    async () => {
      const packet = ip(A, B, tcp([40000, 443], { flags: TCP_FLAG.ack }, 65_495));
      const { records } = await expectTshark(pcap([{ bytes: frame(packet), time: START }]));
      expect(records[0]?.forward).toMatchObject({ packets: 1, bytes: 65_535 });
    },
    TIMEOUT_MS,
  );

  test("whose IP length is 0 because it did not fit: as long as the frame", async () => {
    const segment = tcp([40000, 443], { flags: TCP_FLAG.ack }, 150_000);
    const packets = [
      frame(ipv4({ source: A, destination: B, totalLength: 0 }, segment)),
      frame(ipv6({ source: A6, destination: B6, payloadLength: 0 }, segment)),
    ];
    const cut = packets.map((bytes) => ({
      bytes: bytes.subarray(0, 96),
      originalLength: bytes.length,
      time: START,
    }));
    for (const written of [packets.map((bytes) => ({ bytes, time: START })), cut]) {
      const { records } = await replayBytes(pcap(written));
      const sums = records.map(({ forward }) => [forward.packets, forward.bytes]);
      expect(sums.toSorted()).toEqual([
        [1, 150_040],
        [1, 150_060],
      ]);
    }
  });
});

describe("replay of packets that are none", () => {
  test("counts every prefix of a frame whose IP header is not behind the Ethernet header once", async () => {
    const inside = ip(A, B, udp([5000, 53], 8));
    const whole = [mpls(inside.bytes, [100, 200]), pppoe(inside)].map((packet) => frame(packet));
    whole.push(frame(inside, { tags: [{ ethertype: 0x8100, id: 8 }] }));
    const frames = whole.flatMap((bytes) => Array.from(bytes, (_, length) => bytes.subarray(0, length)));
    const replayed = await replayBytes(pcap(frames.map((bytes) => ({ bytes, time: START }))));
    expect(replayed.error).toBeUndefined();
    expect(accountedFor(replayed)).toBe(frames.length);
    expect(replayed.counters["short"]).toBe(3 * 14);
  });

  test("counts every prefix of a frame once", async () => {
    const arp = frame({ ethertype: 0x0806, bytes: new Uint8Array(28) });
    const frames = [...FRAMES, arp].flatMap((bytes) =>
      Array.from({ length: Math.min(bytes.length, 90) + 1 }, (_, length) => bytes.subarray(0, length)),
    );
    const replayed = await replayBytes(pcap(frames.map((bytes) => ({ bytes, time: START }))));
    expect(replayed.packets).toBe(frames.length);
    expect(accountedFor(replayed)).toBe(frames.length);
    expect(replayed.counters["not_ip"]).toBe(29);
    expect(replayed.counters["short"]).toBe(frames.filter(isShort).length);
  });

  test("counts raw IP of no version, and of no bytes", async () => {
    const packets = [Uint8Array.of(0x50, ...new Uint8Array(60)), new Uint8Array(0), Uint8Array.of(0x45)];
    const content = pcap(
      packets.map((bytes) => ({ bytes, time: START })),
      { ...USUAL, linkType: 101 },
    );
    expect((await replayBytes(content)).counters).toEqual({ not_ip: 2, short: 1 });
  });

  test("tells what comes before the end of a file that is cut short", async () => {
    const rest = pcapRecord({ bytes: new Uint8Array(60), time: START }, USUAL).subarray(0, 40);
    const replayed = await replayBytes(Buffer.concat([pcap(PACKETS), rest]));
    expect(replayed.records).toHaveLength(3);
    expect(replayed.packets).toBe(PACKETS.length);
    expect(replayed.error).toContain("cut short: 24 of the 60 bytes of a packet");
  });

  test("is empty for a file without packets", async () => {
    const replayed = await replayBytes(pcap([]));
    expect([replayed.records.length, replayed.packets, replayed.error]).toEqual([0, 0, undefined]);
  });

  test("refuses a file that is not there, or no capture", async () => {
    expect(replayFile("/nowhere/a.pcap")).rejects.toThrow('Cannot open "/nowhere/a.pcap": no such file');
    expect(replayBytes(new Uint8Array(0))).rejects.toThrow("it is empty");
    expect((await replayBytes(pcap(PACKETS, { ...USUAL, linkType: 127 }))).error).toContain(
      "IEEE802_11_RADIOTAP",
    );
  });
});

/** Frames that end before the link header or the fixed IP header does. */
function isShort(bytes: Uint8Array): boolean {
  if (bytes.length < 14) return true;
  const type = ((bytes[12] ?? 0) << 8) | (bytes[13] ?? 0);
  return (type === 0x0800 && bytes.length < 34) || (type === 0x86dd && bytes.length < 54);
}
