import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { frame, type Ipv4Fields, ipv4, type Segment } from "../support/packets.ts";
import { icmp, opaque, sctp, TCP_FLAG, tcp, udp } from "../support/segments.ts";
import { Bench, type Counts } from "./bench.ts";
import { NO_DETAILS } from "./decode-details.ts";

const ENDS = { source: "10.0.0.1", destination: "10.0.0.2" };

let bench: Bench;
beforeAll(() => {
  bench = new Bench();
});
afterAll(() => bench[Symbol.dispose]());
beforeEach(() => bench.reset());

/** A datagram of its own each time: what was learned of another one's fragments is not told of it. */
let identification = 0;

function run(fields: Partial<Ipv4Fields>, segment: Segment, padTo = 0): Counts {
  identification++;
  return bench.run(frame(ipv4({ ...ENDS, identification, ...fields }, segment), { padTo }));
}

describe("parse_ipv4", () => {
  // The frame is 14 + 20 + 8 + 12 = 54 bytes long.
  test.each([
    ["a total length beyond the frame", { totalLength: 41 }],
    ["a total length of 65,535", { totalLength: 65535 }],
    ["a total length shorter than the header", { totalLength: 19 }],
    ["a total length of 0 on a packet of its own", { totalLength: 0 }],
    ["a header of 4 words", { headerWords: 4 }],
    ["a header of 0 words", { headerWords: 0 }],
    ["a header beyond the total length", { headerWords: 15 }],
    ["version 6", { version: 6 }],
    ["version 0", { version: 0 }],
  ])("refuses %s", (_, fields) => {
    expect(run(fields, udp([1000, 2000], 12))).toEqual({ malformed_ipv4: [1, 54] });
    expect(bench.flows()).toEqual([]);
  });

  test("believes a total length shorter than the frame", () => {
    expect(run({ totalLength: 36 }, udp([1000, 2000], 12))).toEqual({ accounted: [1, 36] });
  });

  test("accepts a total length that ends with the header", () => {
    expect(run({ totalLength: 20 }, opaque(253, 40))).toEqual({ accounted: [1, 20] });
  });

  test("is not mistaken by options that look like ports", () => {
    run({ options: Uint8Array.of(1, 2, 3, 4) }, udp([1000, 2000]));
    expect(bench.flow()).toMatchObject({ lowPort: 1000, highPort: 2000 });
  });
});

describe("parse_ipv4 on fragments", () => {
  const later: Readonly<Record<string, Partial<Ipv4Fields>>> = {
    middle: { fragmentOffset: 1480, moreFragments: true },
    last: { fragmentOffset: 2960 },
    "last possible": { fragmentOffset: 65528 },
  };

  test.each([
    ["TCP", tcp([1000, 2000], { flags: TCP_FLAG.ack }, 1460), TCP_FLAG.ack],
    ["UDP", udp([1000, 2000], 1472), 0],
    ["SCTP", sctp([1000, 2000], 1468), 0],
  ])("keys a first fragment of %s by its ports", (_, segment, tcpFlags) => {
    expect(run({ moreFragments: true }, segment)).toEqual({ accounted: [1, 1500] });
    const flow = bench.flow();
    expect(flow).toMatchObject({ lowPort: 1000, highPort: 2000, ways: [{ tcpFlags }, {}] });
    expect(flow.details).toEqual({ ...NO_DETAILS, fragments: 1 });
  });

  test.each(
    Object.entries(later).flatMap(([name, fields]) =>
      [6, 17, 132, 1].map((protocol) => [name, protocol, fields] as const),
    ),
  )("invents no ports for a %s fragment of protocol %d", (_, protocol, fields) => {
    expect(run(fields, opaque(protocol, 8))).toEqual({ accounted: [1, 28], fragment: [1, 28] });
    const flow = bench.flow();
    expect(flow).toMatchObject({
      protocol,
      lowPort: 0,
      highPort: 0,
      icmpPairing: 0,
      ways: [{ tcpFlags: 0, icmpType: 0, packets: 1 }, { packets: 0 }],
    });
    expect(flow.details).toEqual({ ...NO_DETAILS, fragments: 1 });
  });

  test("knows a later fragment by any bit of its offset", () => {
    for (let offset = 8; offset < 65536; offset *= 2) {
      expect(run({ fragmentOffset: offset }, opaque(17, 8)).fragment).toEqual([1, 28]);
    }
    expect(bench.flow()).toMatchObject({
      lowPort: 0,
      highPort: 0,
      ways: [{ packets: 13 }, {}],
      details: { fragments: 13 },
    });
  });

  test("reads the ports, not the flags, of a first fragment that ends inside the TCP header", () => {
    const segment = { protocol: 6, bytes: tcp([1000, 2000], { flags: TCP_FLAG.syn }).bytes.subarray(0, 16) };
    expect(run({ moreFragments: true }, segment, 60)).toEqual({ accounted: [1, 36] });
    expect(bench.flow()).toMatchObject({
      lowPort: 1000,
      highPort: 2000,
      initiator: 0,
      ways: [{ tcpFlags: 0 }, {}],
      details: { fragments: 1 },
    });
  });

  test("does not take DF for a fragment", () => {
    expect(run({ dontFragment: true }, udp([1000, 2000]))).toEqual({ accounted: [1, 28] });
    expect(bench.flow()).toMatchObject({ lowPort: 1000, details: undefined });
  });
});

describe("parse_transport", () => {
  test.each([
    ["TCP of 19 bytes", { totalLength: 39 }, tcp([1, 2], {}, 8), "malformed_tcp"],
    ["TCP of 0 bytes", { totalLength: 20 }, tcp([1, 2], {}, 8), "malformed_tcp"],
    ["UDP of 7 bytes", { totalLength: 27 }, udp([1, 2], 12), "malformed_udp"],
    ["UDP-Lite of 7 bytes", { totalLength: 27 }, udp([1, 2], 12, 136), "malformed_udp"],
    ["SCTP of 11 bytes", { totalLength: 31 }, sctp([1, 2], 4), "malformed_sctp"],
    ["ICMP of 7 bytes", { totalLength: 27 }, icmp({ type: 8 }, 20), "malformed_icmp"],
  ] as const)("refuses %s, whatever padding follows", (_, fields, segment, reason) => {
    expect(run(fields, segment, 100)).toEqual({ [reason]: [1, fields.totalLength] });
    expect(bench.flows()).toEqual([]);
  });

  test.each([
    ["of 4 words", 4],
    ["of 0 words", 0],
    ["beyond the packet", 8],
    ["of 15 words", 15],
  ])("refuses a TCP header %s", (_, dataOffset) => {
    expect(run({}, tcp([1, 2], { dataOffset }, 8))).toEqual({ malformed_tcp: [1, 48] });
    expect(bench.flows()).toEqual([]);
  });

  test("accepts a TCP header that fills the packet", () => {
    expect(run({}, tcp([1, 2], { options: 40 }))).toEqual({ accounted: [1, 80] });
    expect(run({}, tcp([1, 2], { dataOffset: 7 }, 8))).toEqual({ accounted: [1, 48] });
  });

  test("unites the TCP flags of each way, all eight of them", () => {
    for (let bit = 0; bit < 8; bit++) {
      bench.reset();
      run({}, tcp([1, 2], { flags: 0 }));
      run({}, tcp([1, 2], { flags: 1 << bit }));
      bench.run(
        frame(
          ipv4({ source: ENDS.destination, destination: ENDS.source }, tcp([2, 1], { flags: TCP_FLAG.psh })),
        ),
      );
      expect(bench.flow().ways.map((way) => way.tcpFlags)).toEqual([1 << bit, TCP_FLAG.psh]);
    }
  });
});
