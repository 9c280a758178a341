import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { CaptureFileError } from "../../../src/capture/byte-source.ts";
import { openCaptureFile } from "../../../src/capture/capture-file.ts";
import { SectionWriter } from "../../replay/pcap-writer.ts";
import { writeTemporaryFile } from "../../replay/temporary-file.ts";

const SECONDS = 1_700_000_000n;
const NS = 1_000_000_000n;
const little = new SectionWriter(true);
const big = new SectionWriter(false);

interface ReadFile {
  /** Bytes in hexadecimal, original length, UnixNanos. */
  readonly packets: readonly (readonly [string, number, bigint])[];
  readonly error: string | undefined;
}

function read(...blocks: readonly Uint8Array[]): ReadFile {
  using file = writeTemporaryFile(Buffer.concat(blocks), "test.pcapng");
  const packets: (readonly [string, number, bigint])[] = [];
  try {
    using capture = openCaptureFile(file.path);
    while (capture.packets.next()) {
      const { bytes, start, length, originalLength, seconds, nanoseconds } = capture.packets.packet;
      const time = BigInt(seconds) * NS + BigInt(nanoseconds);
      packets.push([bytes.toString("hex", start, start + length), originalLength, time]);
    }
  } catch (error) {
    if (!(error instanceof CaptureFileError)) throw error;
    return { packets, error: error.message.replace(file.path, "FILE") };
  }
  return { packets, error: undefined };
}

const HELLO = { bytes: Uint8Array.of(1, 2, 3, 4, 5) };
const HELLO_HEX = "0102030405";

describe("PcapngReader reads", () => {
  for (const [order, writer] of [
    ["little", little],
    ["big", big],
  ] as const) {
    test(`${order} endian: enhanced, obsolete and simple packets`, () => {
      const file = read(
        writer.header(),
        writer.interface(1),
        writer.packet(0, SECONDS * 1_000_000n + 5n, { ...HELLO, originalLength: 1500 }),
        writer.obsoletePacket(0, SECONDS * 1_000_000n + 7n, HELLO.bytes),
        writer.simplePacket(HELLO.bytes),
      );
      expect(file).toEqual({
        packets: [
          [HELLO_HEX, 1500, SECONDS * NS + 5000n],
          [HELLO_HEX, 5, SECONDS * NS + 7000n],
          [HELLO_HEX, 5, SECONDS * NS + 7000n],
        ],
        error: undefined,
      });
    });
  }

  test("a simple packet as long as the interface's snap length says, without its padding", () => {
    const blocks = [
      little.header(),
      little.interface(1, undefined, undefined, 3),
      little.simplePacket(HELLO.bytes, 9),
    ];
    expect(read(...blocks).packets).toEqual([["010203", 9, 0n]]);
  });

  test("each interface's own resolution and offset", () => {
    const resolutions: readonly (readonly [resolution: number, ticks: bigint, nanoseconds: bigint])[] = [
      [0, SECONDS, 0n],
      [3, SECONDS * 1000n + 7n, 7_000_000n],
      [6, SECONDS * 1_000_000n + 999_999n, 999_999_000n],
      [9, SECONDS * NS + 123_456_789n, 123_456_789n],
      [0x80 | 10, SECONDS * 1024n + 1n, 976_562n],
      [0x80 | 32, (SECONDS << 32n) + 0x80000000n, 500_000_000n],
    ];
    const blocks = resolutions.flatMap(([resolution, ticks], id) => [
      little.interface(1, resolution, id % 2 === 0 ? undefined : -50n),
      little.packet(id, ticks, HELLO),
    ]);
    const times = read(little.header(), ...blocks).packets.map(([, , time]) => time);
    expect(times).toEqual(
      resolutions.map(([, , nanoseconds], id) => (SECONDS - (id % 2 === 0 ? 0n : 50n)) * NS + nanoseconds),
    );
  });

  test("ticks finer than a nanosecond rounded down", () => {
    const ticks = 10n ** 13n + 123_456_789_999n;
    const { packets } = read(
      little.header(),
      little.interface(1, 12, SECONDS),
      little.packet(0, ticks, HELLO),
    );
    expect(packets[0]?.[2]).toBe((SECONDS + 10n) * NS + 123_456_789n);
  });

  test("any time of any decimal resolution exactly", () => {
    const time = fc.record({
      digits: fc.integer({ min: 0, max: 9 }),
      ticks: fc.bigInt({ min: 0n, max: 2n ** 62n - 1n }),
    });
    fc.assert(
      fc.property(time, ({ digits, ticks }) => {
        const perSecond = 10n ** BigInt(digits);
        const within = ticks % (9_000_000_000n * perSecond);
        const file = read(little.header(), little.interface(1, digits), little.packet(0, within, HELLO));
        expect(file.packets[0]?.[2]).toBe((within * NS) / perSecond);
      }),
    );
  });

  test("sections of both byte orders, each with interfaces of its own", () => {
    const file = read(
      little.header(),
      little.interface(1, 9),
      little.packet(0, SECONDS * NS, HELLO),
      big.header(),
      big.interface(1, 3),
      big.packet(0, SECONDS * 1000n, HELLO),
    );
    expect(file.packets.map(([, , time]) => time)).toEqual([SECONDS * NS, SECONDS * NS]);
  });

  test("blocks of other kinds by passing them, however long", () => {
    const file = read(
      little.header(),
      little.block(0x0000000a, new Uint8Array(5_000_000)),
      little.interface(1),
      little.block(5, new Uint8Array(13)),
      little.packet(0, 0n, HELLO),
      little.block(0x40000bad, new Uint8Array(0)),
    );
    expect(file).toEqual({ packets: [[HELLO_HEX, 5, 0n]], error: undefined });
  });
});

describe("PcapngReader tells everything before", () => {
  const good = [little.header(), little.interface(1), little.packet(0, 1n, HELLO)];
  const at = Buffer.concat(good).length;
  const trailerBroken = little.packet(0, 2n, HELLO);
  trailerBroken.writeUInt32LE(7, trailerBroken.length - 4);
  const lengths = (length: number): Buffer => {
    const block = little.block(5, new Uint8Array(8));
    block.writeUInt32LE(length, 4);
    return block;
  };
  const cases: readonly (readonly [name: string, block: Uint8Array, problem: string])[] = [
    [
      "a block cut short",
      little.packet(0, 2n, HELLO).subarray(0, 30),
      "cut short: 30 of the 40 bytes of a packet",
    ],
    ["a block's header cut short", Uint8Array.of(6, 0, 0), "cut short: 3 bytes of a block's header"],
    ["two lengths that differ", trailerBroken, "corrupt: a block's two lengths are 40 and 7"],
    ["a length below the least", lengths(8), "corrupt: a block claims a length of 8"],
    ["a length between words", lengths(21), "corrupt: a block claims a length of 21"],
    ["a length beyond the file", lengths(0xfffffffc), "cut short in a block of 4294967292 bytes"],
    [
      "an interface that is not described",
      little.packet(3, 2n, HELLO),
      "corrupt: a packet of interface 3, which is not described",
    ],
    [
      "a packet longer than its block",
      little.packet(0, 2n, HELLO, 4_000_000_000),
      "corrupt: a packet claims 4000000000 bytes in a block of 40",
    ],
    [
      "a packet block without room",
      little.block(6, new Uint8Array(8)),
      "corrupt: a packet block is too short",
    ],
    [
      "an interface without a link type",
      little.block(1, new Uint8Array(4)),
      "corrupt: an interface's description is too short",
    ],
    [
      "a section without its magic",
      little.block(0x0a0d0d0a, new Uint8Array(16)),
      "corrupt: a section without the byte-order magic",
    ],
    ["a time after 2262", little.packet(0, 2n ** 64n - 1n, HELLO), "corrupt: a time beyond the year 2262"],
  ];
  for (const [name, block, problem] of cases) {
    test(name, () => {
      expect(read(...good, block)).toEqual({
        packets: [[HELLO_HEX, 5, 1000n]],
        error: `Cannot read "FILE" beyond byte ${at}: ${problem}`,
      });
    });
  }

  test("a packet of a link type that is not read", () => {
    const file = read(...good, little.interface(105), little.packet(1, 2n, HELLO));
    expect(file.packets).toHaveLength(1);
    expect(file.error).toContain("packets of link type 105 (IEEE802_11) are not read");
  });

  test("any bytes at all, and ends", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (rest) => {
        expect(read(...good, rest).packets[0]).toEqual([HELLO_HEX, 5, 1000n]);
      }),
    );
  });

  test("any single byte of a file that is not what it was, and ends", () => {
    const file = Buffer.concat([...good, little.packet(0, 2n, HELLO)]);
    for (let index = 0; index < file.length; index++) {
      const changed = Buffer.from(file);
      changed[index] = 0xff;
      expect(read(changed).packets.length).toBeLessThanOrEqual(2);
    }
  });
});
