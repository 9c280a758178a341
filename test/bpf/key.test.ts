import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { frame, ip } from "../support/packets.ts";
import { icmp, icmpv6, tcp, udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";

let bench: Bench;
beforeAll(() => {
  bench = new Bench();
});
afterAll(() => bench[Symbol.dispose]());
beforeEach(() => bench.reset());

describe("form_key", () => {
  // Each pair differs where a comparison in host order, by sign, or of one half only would go wrong.
  test.each([
    ["10.0.0.255", "10.0.1.0"],
    ["1.0.0.2", "2.0.0.1"],
    ["127.255.255.255", "128.0.0.0"],
    ["0.0.0.1", "255.255.255.255"],
    ["2001:db8:0:0:0:0:0:ff", "2001:db8:0:0:0:0:1:0"],
    ["2001:db8:0:0:ffff:ffff:ffff:ffff", "2001:db8:0:1:0:0:0:0"],
    ["7fff:0:0:0:0:0:0:0", "8000:0:0:0:0:0:0:0"],
    ["2001:db8:0:0:7fff:0:0:0", "2001:db8:0:0:8000:0:0:0"],
  ])("orders %s below %s", (low, high) => {
    bench.run(frame(ip(high, low, udp([1, 60000]))));
    bench.run(frame(ip(low, high, udp([60000, 1]))));
    const flow = bench.flow();
    expect(flow).toMatchObject({ low, lowPort: 60000, high, highPort: 1, firstWay: 1 });
    expect(flow.ways.map((way) => way.packets)).toEqual([1, 1]);
  });

  test.each([
    [1, 256],
    [255, 256],
    [32767, 32768],
    [0, 65535],
  ])("orders port %d below %d between equal addresses", (low, high) => {
    bench.run(frame(ip("127.0.0.1", "127.0.0.1", tcp([high, low]))));
    bench.run(frame(ip("127.0.0.1", "127.0.0.1", tcp([low, high]))));
    const flow = bench.flow();
    expect(flow).toMatchObject({ lowPort: low, highPort: high, firstWay: 1 });
    expect(flow.ways.map((way) => way.packets)).toEqual([1, 1]);
  });

  test("counts packets between equal ends low to high", () => {
    bench.run(frame(ip("10.0.0.1", "10.0.0.1", udp([7, 7]))));
    bench.run(frame(ip("10.0.0.1", "10.0.0.1", udp([7, 7]))));
    expect(bench.flow().ways.map((way) => way.packets)).toEqual([2, 0]);
  });

  test("keeps IPv4 apart from the IPv6 addresses that map it, and protocols from one another", () => {
    bench.run(frame(ip("10.0.0.1", "10.0.0.2", udp([7, 8]))));
    bench.run(frame(ip("0:0:0:0:0:ffff:a00:1", "0:0:0:0:0:ffff:a00:2", udp([7, 8]))));
    bench.run(frame(ip("10.0.0.1", "10.0.0.2", tcp([7, 8]))));
    bench.run(frame(ip("10.0.0.1", "10.0.0.2", udp([7, 8], 0, 136))));
    const kinds = bench.flows().map((flow) => `${flow.ipVersion}/${flow.protocol}`);
    expect(kinds.sort()).toEqual(["4/136", "4/17", "4/6", "6/17"]);
  });
});

interface Family {
  readonly low: string;
  readonly high: string;
  readonly build: typeof icmp;
  /** Community ID v1, "ICMP": message type and the type that answers it. */
  readonly pairs: readonly (readonly [number, number])[];
  readonly echo: readonly [number, number];
}

const FAMILIES: Readonly<Record<string, Family>> = {
  ICMP: {
    low: "10.0.0.1",
    high: "10.0.0.2",
    build: icmp,
    echo: [8, 0],
    pairs: [
      [10, 9],
      [13, 14],
      [15, 16],
      [17, 18],
    ],
  },
  ICMPv6: {
    low: "2001:db8:0:0:0:0:0:1",
    high: "2001:db8:0:0:0:0:0:2",
    build: icmpv6,
    echo: [128, 129],
    pairs: [
      [130, 131],
      [133, 134],
      [135, 136],
      [139, 140],
      [144, 145],
    ],
  },
};

for (const [name, { low, high, build, pairs, echo }] of Object.entries(FAMILIES)) {
  const answered = new Set([...echo, ...pairs.flat()]);

  describe(`parse_icmp, ${name}`, () => {
    test("joins an echo request and its reply by the identifier, not others", () => {
      bench.run(frame(ip(high, low, build({ type: echo[0], identifier: 0xbeef }))));
      bench.run(frame(ip(low, high, build({ type: echo[1], identifier: 0xbeef }))));
      bench.run(frame(ip(low, high, build({ type: echo[1], identifier: 0xbee0 }))));
      const flows = bench.flows().sort((left, right) => right.lowPort - left.lowPort);
      expect(flows).toMatchObject([
        { lowPort: 0xbeef, highPort: 0xbeef, icmpPairing: 1, firstWay: 1 },
        { lowPort: 0xbee0, highPort: 0xbee0, icmpPairing: 1, firstWay: 0 },
      ]);
      expect(flows[0]?.ways).toMatchObject([
        { packets: 1, icmpType: echo[1] },
        { packets: 1, icmpType: echo[0] },
      ]);
    });

    test.each(
      pairs.flatMap(
        ([type, answer]) =>
          [
            [type, answer],
            [answer, type],
          ] as const,
      ),
    )("pairs type %d with %d", (type, answer) => {
      bench.run(frame(ip(low, high, build({ type }))));
      bench.run(frame(ip(high, low, build({ type: answer }))));
      const flow = bench.flow();
      expect(flow).toMatchObject({ low, high, lowPort: type, highPort: answer, icmpPairing: 0, firstWay: 0 });
      expect(flow.ways).toMatchObject([
        { packets: 1, icmpType: type },
        { packets: 1, icmpType: answer },
      ]);
    });

    test("keeps every other type one way, with its code, apart from what the other end sends", () => {
      for (let type = 0; type < 256; type++) {
        if (answered.has(type)) continue;
        bench.run(frame(ip(low, high, build({ type, code: 3 }, 28))));
        bench.run(frame(ip(high, low, build({ type, code: 3 }, 28))));
        const flows = bench.flows().sort((left, right) => left.icmpPairing - right.icmpPairing);
        const way = { packets: 1, icmpType: type, icmpCode: 3 };
        expect(flows).toMatchObject([
          { low, high, lowPort: type, highPort: 3, icmpPairing: 2, firstWay: 0, ways: [way, { packets: 0 }] },
          { low, high, lowPort: 3, highPort: type, icmpPairing: 3, firstWay: 1, ways: [{ packets: 0 }, way] },
        ]);
        bench.reset();
      }
    });

    test("keeps one-way messages between equal addresses in one direction", () => {
      const [type, code] = name === "ICMP" ? [3, 1] : [1, 4];
      bench.run(frame(ip(low, low, build({ type, code }))));
      expect(bench.flow()).toMatchObject({ lowPort: type, highPort: code, icmpPairing: 2, firstWay: 0 });
    });

    test("does not take the packet that an error quotes for traffic", () => {
      const [type, code] = name === "ICMP" ? [3, 3] : [1, 4];
      const quoted = ip(high, low, udp([5000, 6000], 8));
      const error = build({ type, code });
      const packet = ip(low, high, {
        protocol: error.protocol,
        bytes: Buffer.concat([error.bytes, quoted.bytes]),
      });
      expect(bench.run(frame(packet))).toEqual({ accounted: [1, packet.bytes.length] });
      expect(bench.flow()).toMatchObject({ protocol: error.protocol, lowPort: type, highPort: code });
    });
  });
}
