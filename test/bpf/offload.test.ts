import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { EXTENSION, extension, jumboHeader } from "../support/extensions.ts";
import { filler, frame, ipv4, ipv6 } from "../support/packets.ts";
import { sctp, tcp, udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";

const ENDS4 = { source: "10.0.0.1", destination: "10.0.0.2" };
const ENDS6 = { source: "2001:db8:0:0:0:0:0:1", destination: "2001:db8:0:0:0:0:0:2" };
const PORTS = [40000, 443] as const;

let bench: Bench;
let replay: Bench;
beforeAll(() => {
  bench = new Bench();
  replay = new Bench({ isReplay: true });
});
afterAll(() => {
  bench[Symbol.dispose]();
  replay[Symbol.dispose]();
});
beforeEach(() => {
  bench.reset();
  replay.reset();
});

describe("count_segments", () => {
  const payload = 3000;
  const samples = [
    ["TCP over IPv4", ipv4(ENDS4, tcp(PORTS, {}, payload)), 40],
    [
      "TCP with options over IPv4 with options",
      ipv4({ ...ENDS4, options: filler(8) }, tcp(PORTS, { options: 12 }, payload)),
      60,
    ],
    ["TCP over IPv6", ipv6(ENDS6, tcp(PORTS, { options: 12 }, payload)), 72],
    [
      "TCP behind destination options",
      ipv6({ ...ENDS6, extensions: [extension(EXTENSION.destination)] }, tcp(PORTS, {}, payload)),
      68,
    ],
    ["UDP over IPv4", ipv4(ENDS4, udp(PORTS, payload)), 28],
    ["UDP over IPv6", ipv6(ENDS6, udp(PORTS, payload)), 48],
  ] as const;

  test.each(samples)("counts segments of %s, each with its headers", (_, packet, headerBytes) => {
    const bytes = 3 * headerBytes + payload;
    expect(bench.run(frame(packet), { gsoSegments: 3, gsoSize: 1000 })).toEqual({ accounted: [3, bytes] });
    expect(bench.run(frame(packet), { gsoSegments: 3, gsoSize: 1000 })).toEqual({ accounted: [3, bytes] });
    expect(bench.flow().ways[0]).toMatchObject({ packets: 6, bytes: 2 * bytes });
  });

  test.each(samples)(
    "derives the segments of %s from their size where the kernel gives no number",
    (_, packet, headerBytes) => {
      for (const [gsoSize, segments] of [
        [1000, 3],
        [1001, 3],
        [999, 4],
        [2999, 2],
        [3000, 1],
        [1, 3000],
      ] as const) {
        const bytes = segments * headerBytes + payload;
        expect(bench.run(frame(packet), { gsoSize })).toEqual({ accounted: [segments, bytes] });
      }
    },
  );

  test("derives nothing from a size of 0xffff", () => {
    const packet = ipv4(ENDS4, sctp(PORTS, 2000));
    expect(bench.run(frame(packet), { gsoSize: 0xffff })).toEqual({ accounted: [1, 2032] });
    const long = frame(ipv4({ ...ENDS4, totalLength: 0 }, sctp(PORTS, 1000)));
    expect(replay.run(long, { gsoSize: 0xffff, wireLength: 200_014 })).toEqual({ accounted: [1, 200_000] });
    const segments = Math.ceil((200_000 - 32) / 0xfffe);
    expect(replay.run(long, { gsoSize: 0xfffe, wireLength: 200_014 })).toEqual({
      accounted: [segments, 200_000 + (segments - 1) * 32],
    });
    expect(bench.run(frame(packet), { gsoSize: 0xffff, gsoSegments: 2 })).toEqual({ accounted: [2, 2064] });
  });

  test("counts a super-packet without payload once", () => {
    expect(bench.run(frame(ipv4(ENDS4, tcp(PORTS))), { gsoSize: 1000 })).toEqual({ accounted: [1, 40] });
  });

  test("counts every segment of what it cannot read", () => {
    const packet = ipv4({ ...ENDS4, headerWords: 4 }, tcp(PORTS, {}, 3000));
    expect(bench.run(frame(packet), { gsoSegments: 3, gsoSize: 1000 })).toEqual({
      malformed_ipv4: [3, 3054],
    });
  });
});

describe("BIG TCP", () => {
  const gso = { gsoSegments: 3, gsoSize: 1000 };

  test("takes the length of the frame where an IPv4 super-packet says 0", () => {
    const packet = ipv4({ ...ENDS4, totalLength: 0 }, tcp(PORTS, { options: 12 }, 3000));
    expect(bench.run(frame(packet), gso)).toEqual({ accounted: [3, 3 * 52 + 3000] });
    expect(bench.run(frame(packet), { gsoSize: 1000 })).toEqual({ accounted: [3, 3 * 52 + 3000] });
  });

  test("takes the length of the frame where an IPv6 super-packet says 0, without the jumbo header", () => {
    const extensions = [jumboHeader(3040)];
    const packet = ipv6({ ...ENDS6, extensions, payloadLength: 0 }, tcp(PORTS, { options: 12 }, 3000));
    expect(bench.run(frame(packet), gso)).toEqual({ accounted: [3, 3 * 72 + 3000] });
    expect(bench.run(frame(packet), { gsoSize: 1000 })).toEqual({ accounted: [3, 3 * 72 + 3000] });
    expect(bench.flow()).toMatchObject({ protocol: 6, lowPort: 40000, highPort: 443 });
  });

  test("takes the length of the frame where an IPv6 super-packet says 0 and has no jumbo header", () => {
    const packet = ipv6({ ...ENDS6, payloadLength: 0 }, tcp(PORTS, { options: 12 }, 3000));
    expect(bench.run(frame(packet), gso)).toEqual({ accounted: [3, 3 * 72 + 3000] });
  });

  test.each([65535 + 14, 65536 + 14, 200_000, 524_280])(
    "counts a frame of %d bytes on the wire",
    (wireLength) => {
      const packet4 = ipv4({ ...ENDS4, totalLength: 0 }, tcp(PORTS, {}, 1000));
      expect(replay.run(frame(packet4), { wireLength })).toEqual({ accounted: [1, wireLength - 14] });
      const payload = wireLength - 14 - 40;
      const jumbo = ipv6(
        { ...ENDS6, extensions: [jumboHeader(payload)], payloadLength: 0 },
        tcp(PORTS, {}, 1000),
      );
      expect(replay.run(frame(jumbo), { wireLength })).toEqual({ accounted: [1, wireLength - 14 - 8] });
      const segments = Math.ceil((payload - 8 - 20) / 1428);
      expect(replay.run(frame(jumbo), { wireLength, gsoSize: 1428 })).toEqual({
        accounted: [segments, payload - 8 - 20 + segments * 60],
      });
    },
  );

  test("counts the largest super-packet that states its length", () => {
    const packet = ipv4({ ...ENDS4, totalLength: 65535 }, tcp(PORTS, {}, 1000));
    const counts = replay.run(frame(packet), { wireLength: 65549, gsoSize: 1460 });
    expect(counts).toEqual({ accounted: [45, 65535 + 44 * 40] });
  });
});
