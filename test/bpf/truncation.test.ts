// Every prefix of a set of frames: as a frame that ends too early, as a packet whose lengths admit to be short, and as
// a capture that kept less than was on the wire.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { EXTENSION, extension, fragmentHeader } from "../support/extensions.ts";
import { filler, frame, ipv4, ipv6, type NetworkPacket, type Segment } from "../support/packets.ts";
import { authenticated } from "../support/packets-ipsec.ts";
import { icmp, icmpv6, sctp, TCP_FLAG, tcp, udp } from "../support/segments.ts";
import { Bench, type Counts } from "./bench.ts";

/** Up to `end`, exclusive, a frame cut there is told as `reason`. */
interface Boundary {
  readonly end: number;
  readonly reason: string;
}

interface Sample {
  readonly bytes: Uint8Array;
  readonly linkBytes: number;
  readonly packet: NetworkPacket;
  readonly port: number;
  /** Shortest frame of the kind that the kernel takes in a test run. */
  readonly shortest: number;
  /** Where IP, extension headers and transport are enough for a key, from the beginning of the IP header. */
  readonly captured: readonly Boundary[];
  /** Where the IP header with its options ends, and where the headers that are walked do. */
  readonly headerEnd: number;
  readonly chainEnd: number;
  /** Where the transport is whole, in a packet that ends there. */
  readonly transport: Boundary;
  /** Where TCP flags are read, else 0. */
  readonly flagsEnd: number;
}

const IPV6_CHAIN = [
  extension(EXTENSION.hopByHop),
  extension(EXTENSION.destination, 1),
  fragmentHeader(0, false),
];

/** Bytes of a transport that a key needs, and those of its header. */
const NEEDS: Readonly<Record<number, readonly [reason: string, forKey: number, header: number]>> = {
  6: ["malformed_tcp", 4, 32],
  17: ["malformed_udp", 4, 8],
  132: ["malformed_sctp", 4, 12],
  1: ["malformed_icmp", 8, 8],
  58: ["malformed_icmp", 8, 8],
};

const TAGS = [
  { ethertype: 0x88a8, id: 5 },
  { ethertype: 0x8100, id: 6 },
];

const SEGMENTS = [
  tcp([1000, 2000], { flags: TCP_FLAG.psh, options: 12 }, 9),
  udp([1000, 2000], 9),
  sctp([1000, 2000], 9),
];

function sample4(segment: Segment, isTagged: boolean): Sample {
  const packet = ipv4({ source: "10.0.0.1", destination: "10.0.0.2", options: filler(8) }, segment);
  const captured = [{ end: 20, reason: "malformed_ipv4" }];
  return sample(packet, segment, { isTagged, captured, headerEnd: 28, chainEnd: 28 });
}

/** With an authentication header of 24 bytes, of which the first 8 are read. */
function sampleAuthenticated(segment: Segment, isTagged: boolean): Sample {
  const ends = { source: "10.0.0.1", destination: "10.0.0.2" };
  const packet = ipv4(ends, authenticated(segment, 0x01020304));
  const captured = [
    { end: 20, reason: "malformed_ipv4" },
    { end: 20 + 8, reason: "malformed_extension" },
  ];
  return sample(packet, segment, { isTagged, captured, headerEnd: 20, chainEnd: 44 });
}

function sample6(segment: Segment, isTagged: boolean): Sample {
  const ends = { source: "2001:db8:0:0:0:0:0:1", destination: "2001:db8:0:0:0:0:0:2" };
  const packet = ipv6({ ...ends, extensions: IPV6_CHAIN }, segment);
  const captured = [
    { end: 40, reason: "malformed_ipv6" },
    { end: 40 + 8 + 16 + 8, reason: "malformed_extension" },
  ];
  return sample(packet, segment, { isTagged, captured, headerEnd: 40, chainEnd: 72 });
}

function sample(
  packet: NetworkPacket,
  segment: Segment,
  layout: Pick<Sample, "captured" | "headerEnd" | "chainEnd"> & { readonly isTagged: boolean },
): Sample {
  const { isTagged, captured, headerEnd, chainEnd } = layout;
  const linkBytes = isTagged ? 22 : 14;
  const [reason, forKey, header] = NEEDS[segment.protocol] ?? ["", 0, 0];
  return {
    bytes: frame(packet, { tags: isTagged ? TAGS : [] }),
    linkBytes,
    packet,
    port: forKey === 8 ? 0x0707 : 1000,
    shortest: isTagged ? 14 : packet.ethertype === 0x0800 ? 34 : 54,
    captured: [...captured, { end: chainEnd + forKey, reason }],
    headerEnd,
    chainEnd,
    transport: { end: chainEnd + header, reason },
    flagsEnd: segment.protocol === 6 ? chainEnd + 20 : 0,
  };
}

function samples(): (readonly [string, Sample])[] {
  const named: [string, Sample][] = [];
  for (const isTagged of [false, true]) {
    const link = isTagged ? "QinQ" : "Ethernet";
    for (const segment of [...SEGMENTS, icmp({ type: 8, identifier: 0x0707 }, 9)]) {
      named.push([`${link} / IPv4 / protocol ${segment.protocol}`, sample4(segment, isTagged)]);
      const walked = sampleAuthenticated(segment, isTagged);
      named.push([`${link} / IPv4 with authentication / protocol ${segment.protocol}`, walked]);
    }
    for (const segment of [...SEGMENTS, icmpv6({ type: 128, identifier: 0x0707 }, 9)]) {
      named.push([`${link} / IPv6 / protocol ${segment.protocol}`, sample6(segment, isTagged)]);
    }
  }
  return named;
}

let live: Bench;
let replay: Bench;
beforeAll(() => {
  live = new Bench();
  replay = new Bench({ isReplay: true });
});
afterAll(() => {
  live[Symbol.dispose]();
  replay[Symbol.dispose]();
});

function setLength(bytes: Uint8Array, { linkBytes, packet }: Sample, networkBytes: number): Uint8Array {
  const copy = bytes.slice();
  const isIpv4 = packet.ethertype === 0x0800;
  const length = isIpv4 ? networkBytes : networkBytes - 40;
  const offset = linkBytes + (isIpv4 ? 2 : 4);
  copy.set([length >> 8, length & 0xff], offset);
  return copy;
}

/** Runs the frame cut to `length`; undefined where the kernel does not take so short a frame. */
function runPrefix(bench: Bench, bytes: Uint8Array, sampled: Sample, wireLength = 0): Counts | undefined {
  bench.reset();
  let isRun = false;
  const counts = bench.counting(() => {
    isRun = bench.runOrRefuse(bytes, { wireLength });
  });
  if (!isRun) expect(bytes.length).toBeLessThan(sampled.shortest);
  return isRun ? counts : undefined;
}

function linkReason(sampled: Sample, length: number): string | undefined {
  return length < sampled.linkBytes ? "malformed_link" : undefined;
}

describe("a frame cut at every byte", () => {
  test.each(samples())("%s is in no flow and in one counter", (_, sampled) => {
    const network = sampled.packet.ethertype === 0x0800 ? "malformed_ipv4" : "malformed_ipv6";
    for (let length = 0; length < sampled.bytes.length; length++) {
      const counts = runPrefix(live, sampled.bytes.subarray(0, length), sampled);
      if (counts === undefined) continue;
      const reason = linkReason(sampled, length) ?? network;
      expect([length, counts]).toEqual([length, { [reason]: [1, length] }]);
      expect(live.flows()).toEqual([]);
    }
    expect(runPrefix(live, sampled.bytes, sampled)).toEqual({ accounted: [1, sampled.packet.bytes.length] });
  });
});

describe("a packet that ends at every byte and says so", () => {
  test.each(samples())("%s has its key or none", (_, sampled) => {
    for (let length = sampled.linkBytes + sampled.headerEnd; length <= sampled.bytes.length; length++) {
      const networkBytes = length - sampled.linkBytes;
      const bytes = setLength(sampled.bytes.subarray(0, length), sampled, networkBytes);
      const counts = runPrefix(live, bytes, sampled);
      if (counts === undefined) continue;
      const reason =
        networkBytes < sampled.chainEnd
          ? "malformed_extension"
          : networkBytes < sampled.transport.end
            ? sampled.transport.reason
            : "accounted";
      expect([length, counts]).toEqual([length, { [reason]: [1, networkBytes] }]);
      const ports = live.flows().map((flow) => flow.lowPort);
      expect([length, ports]).toEqual([length, reason === "accounted" ? [sampled.port] : []]);
    }
  });
});

describe("a capture cut at every byte", () => {
  test.each(samples())(
    "%s has its key as soon as the headers are there, with the bytes of the wire",
    (_, sampled) => {
      for (let length = 0; length <= sampled.bytes.length; length++) {
        const counts = runPrefix(replay, sampled.bytes.subarray(0, length), sampled, sampled.bytes.length);
        if (counts === undefined) continue;
        const networkBytes = length - sampled.linkBytes;
        const reason =
          linkReason(sampled, length) ??
          sampled.captured.find(({ end }) => networkBytes < end)?.reason ??
          "accounted";
        expect([length, Object.keys(counts)]).toEqual([length, [reason]]);
        expect([length, counts[reason as keyof Counts]?.[0]]).toEqual([length, 1]);
        const flows = replay.flows();
        expect([length, flows.length]).toEqual([length, reason === "accounted" ? 1 : 0]);
        for (const flow of flows) {
          const hasFlags = sampled.flagsEnd > 0 && networkBytes >= sampled.flagsEnd;
          expect(flow).toMatchObject({ lowPort: sampled.port, protocol: flow.protocol });
          expect(flow.ways[0]).toMatchObject({
            packets: 1,
            bytes: sampled.packet.bytes.length,
            tcpFlags: hasFlags ? TCP_FLAG.psh : 0,
          });
        }
      }
    },
  );
});
