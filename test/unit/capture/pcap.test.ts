import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { CaptureFileError, WINDOW_BYTES } from "../../../src/capture/byte-source.ts";
import { openCaptureFile } from "../../../src/capture/capture-file.ts";
import {
  type PcapForm,
  pcap,
  pcapHeader,
  pcapRecord,
  USUAL,
  type Written,
} from "../../replay/pcap-writer.ts";
import { writeTemporaryFile } from "../../replay/temporary-file.ts";

const TIME = 1_700_000_000_123_456_000n;

/** A packet as it was read. */
interface ReadPacket {
  readonly bytes: string;
  readonly originalLength: number;
  readonly time: bigint;
  readonly framing: string;
}

interface ReadFile {
  readonly packets: readonly ReadPacket[];
  readonly error: string | undefined;
}

/** Reads until the end or the first error, whose text comes without the path. */
function read(content: Uint8Array): ReadFile {
  using file = writeTemporaryFile(content);
  const packets: ReadPacket[] = [];
  try {
    using capture = openCaptureFile(file.path);
    while (capture.packets.next()) {
      const { packet } = capture.packets;
      packets.push({
        bytes: packet.bytes.toString("hex", packet.start, packet.start + packet.length),
        originalLength: packet.originalLength,
        time: BigInt(packet.seconds) * 1_000_000_000n + BigInt(packet.nanoseconds),
        framing: packet.framing,
      });
    }
  } catch (error) {
    if (!(error instanceof CaptureFileError)) throw error;
    return { packets, error: error.message.replace(file.path, "FILE") };
  }
  return { packets, error: undefined };
}

function written(length: number, time: bigint = TIME, originalLength: number = length): Written {
  return {
    bytes: Uint8Array.from({ length }, (_, index) => (index * 7 + length) & 0xff),
    time,
    originalLength,
  };
}

function asRead({ bytes, originalLength, time }: Written): ReadPacket {
  return {
    bytes: Buffer.from(bytes).toString("hex"),
    originalLength: originalLength ?? bytes.length,
    time,
    framing: "ethernet",
  };
}

describe("PcapReader reads", () => {
  const forms: readonly PcapForm[] = [true, false].flatMap((isLittle) =>
    ([0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34] as const).map((magic) => ({ isLittle, magic, linkType: 1 })),
  );
  for (const form of forms) {
    test(`magic ${form.magic.toString(16)}, ${form.isLittle ? "little" : "big"} endian`, () => {
      const time = form.magic === 0xa1b23c4d ? TIME + 789n : TIME;
      const packets = [
        written(60, time),
        written(0, time + 1_000_000n),
        written(68, 4_294_967_295_000_000_000n, 1514),
      ];
      expect(read(pcap(packets, form))).toEqual({ packets: packets.map(asRead), error: undefined });
    });
  }

  test("nanoseconds above a second as the next second", () => {
    const record = pcapRecord(written(20), USUAL);
    record.writeUInt32LE(2_500_000, 4);
    expect(read(Buffer.concat([pcapHeader(USUAL), record])).packets[0]?.time).toBe(
      1_700_000_002_500_000_000n,
    );
  });

  test("a link type with the length of a frame check sequence beside it", () => {
    const { packets, error } = read(pcap([written(20)], { ...USUAL, linkType: 0x24000001 }));
    expect([packets.length, error]).toEqual([1, undefined]);
  });

  test("raw IP of every kind", () => {
    const framings = [12, 14, 101, 228, 229].map(
      (linkType) => read(pcap([written(20)], { ...USUAL, linkType })).packets[0]?.framing,
    );
    expect(framings).toEqual(["ip", "ip", "ip", "ipv4", "ipv6"]);
  });

  test("an original length below the captured one as the captured one", () => {
    expect(read(pcap([written(60, TIME, 20)])).packets[0]?.originalLength).toBe(60);
  });

  test("a file of many windows, packets over their edges", () => {
    const packets = Array.from({ length: 90 }, (_, index) =>
      written((index * 7919) % 120_000, TIME + BigInt(index) * 1000n),
    );
    const content = pcap(packets);
    expect(content.length).toBeGreaterThan(2 * WINDOW_BYTES);
    expect(read(content)).toEqual({ packets: packets.map(asRead), error: undefined });
    const { error } = read(Buffer.concat([content, new Uint8Array(3)]));
    expect(error).toContain(`beyond byte ${content.length}: cut short`);
  });

  test("a file without packets", () => {
    expect(read(pcap([]))).toEqual({ packets: [], error: undefined });
  });
});

describe("PcapReader tells everything before", () => {
  const whole = [written(60), written(70)];
  const good = pcap(whole);

  test("a record cut short in its header", () => {
    const { packets, error } = read(Buffer.concat([good, pcapRecord(written(20), USUAL).subarray(0, 9)]));
    expect(packets).toEqual(whole.map(asRead));
    expect(error).toBe(
      `Cannot read "FILE" beyond byte ${good.length}: cut short: 9 of the 16 bytes of a record's header`,
    );
  });

  test("a record cut short in its packet", () => {
    const { packets, error } = read(Buffer.concat([good, pcapRecord(written(20), USUAL).subarray(0, 30)]));
    expect(packets).toEqual(whole.map(asRead));
    expect(error).toBe(
      `Cannot read "FILE" beyond byte ${good.length}: cut short: 14 of the 20 bytes of a packet`,
    );
  });

  test("a length that no packet has", () => {
    for (const length of [0xffffffff, 0x80000000, 1_048_577]) {
      const { packets, error } = read(Buffer.concat([good, pcapRecord(written(20), USUAL, length)]));
      expect(packets).toEqual(whole.map(asRead));
      expect(error).toBe(
        `Cannot read "FILE" beyond byte ${good.length}: corrupt: a record claims ${length} bytes, more than any packet has`,
      );
    }
  });

  test("any cut: a prefix of the packets, and an error unless the cut is between records", () => {
    const ends = [24, 24 + 16 + 60, good.length];
    for (let length = 24; length <= good.length; length++) {
      const { packets, error } = read(good.subarray(0, length));
      expect(packets).toEqual(whole.slice(0, ends.filter((end) => end <= length).length - 1).map(asRead));
      expect(error === undefined).toBe(ends.includes(length));
    }
  });

  test("any bytes at all, and ends", () => {
    const bytes = fc.uint8Array({ maxLength: 400 });
    fc.assert(
      fc.property(bytes, (rest) => {
        expect(read(Buffer.concat([good, rest])).packets.slice(0, 2)).toEqual(whole.map(asRead));
      }),
    );
  });
});

describe("openCaptureFile refuses", () => {
  const cases: readonly (readonly [name: string, content: Uint8Array, message: string])[] = [
    ["an empty file", new Uint8Array(0), 'Cannot read "FILE": it is empty'],
    ["a file of 3 bytes", Uint8Array.of(0xd4, 0xc3, 0xb2), 'Cannot read "FILE": it has 3 bytes'],
    [
      "text",
      new TextEncoder().encode("hello, world"),
      'Cannot read "FILE": it is neither a pcap nor a pcapng file',
    ],
    ["gzip", Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0), 'Cannot read "FILE": it is compressed; unpack it first'],
    [
      "a pcap header cut short",
      pcap([]).subarray(0, 20),
      'Cannot read "FILE" beyond byte 20: a pcap header has 24 bytes',
    ],
    [
      "another version of pcap",
      Buffer.concat([pcap([]).subarray(0, 4), Buffer.from([3, 0, 0, 0]), pcap([]).subarray(8)]),
      'Cannot read "FILE" beyond byte 4: pcap version 3.0 is not read, only 2.4',
    ],
    [
      "packets of a link type that is not read",
      pcap([written(20)], { ...USUAL, linkType: 127 }),
      'Cannot read "FILE" beyond byte 24: packets of link type 127 (IEEE802_11_RADIOTAP) are not read; those read are 0 (NULL), 1 (ETHERNET), 12 (RAW), 14 (RAW), 101 (RAW), 108 (LOOP), 113 (LINUX_SLL), 228 (IPV4), 229 (IPV6), 276 (LINUX_SLL2)',
    ],
    [
      "packets of a link type that nobody named",
      pcap([written(20)], { ...USUAL, linkType: 60_000 }),
      'Cannot read "FILE" beyond byte 24: packets of link type 60000 (a type without a name here) are not read; those read are 0 (NULL), 1 (ETHERNET), 12 (RAW), 14 (RAW), 101 (RAW), 108 (LOOP), 113 (LINUX_SLL), 228 (IPV4), 229 (IPV6), 276 (LINUX_SLL2)',
    ],
  ];
  for (const [name, content, message] of cases) {
    test(name, () => {
      expect(read(content)).toEqual({ packets: [], error: message });
    });
  }

  test("a file that is not there, and a directory", () => {
    expect(() => openCaptureFile("/nowhere/a.pcap")).toThrow('Cannot open "/nowhere/a.pcap": no such file');
    expect(() => openCaptureFile("/tmp")).toThrow('Cannot read "/tmp": it is a folder');
  });
});
