// [filter.*] in the programs, against the filter on texts: what is left out, and that it leaves no trace.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { compileKernelFilter } from "../../src/flow/filter-kernel.ts";
import { frame, ip, ipv4, type Segment } from "../support/packets.ts";
import { icmp, icmpv6, opaque, sctp, tcp, udp } from "../support/segments.ts";
import { kernelConfigs, parseFilter, records, spellOut } from "../unit/flow/filter-arbitraries.ts";
import { acceptsEnds, type PlainRecord } from "../unit/flow/filter-record.ts";
import { Bench, type BenchOptions, type Counts } from "./bench.ts";

const CONFIGS = 12;
const RECORDS = 60;

/** Each config is one load of the programs, which the kernel proves anew: seconds where it has other work. */
const DEADLINE_MS = 180_000;

function filtering(filter: unknown, options: BenchOptions = {}): Bench {
  const compiled = compileKernelFilter(parseFilter(filter));
  if (compiled === undefined) throw new Error("Nothing of this is for the kernel");
  return new Bench({ ...options, filter: compiled });
}

function packetOf({ source, destination, transport }: PlainRecord): Uint8Array {
  return frame(
    ip(source.address, destination.address, segmentOf(transport[1], [source.port, destination.port])),
  );
}

function segmentOf(protocol: number, ports: readonly [number, number]): Segment {
  switch (protocol) {
    case 1:
      return icmp({ type: 8, identifier: 80 });
    case 58:
      return icmpv6({ type: 128, identifier: 80 });
    case 6:
      return tcp(ports);
    case 17:
      return udp(ports, 20);
    case 132:
      return sctp(ports);
    default:
      return opaque(protocol, 20);
  }
}

function turn(record: PlainRecord): PlainRecord {
  return { ...record, source: record.destination, destination: record.source };
}

describe("filters in the kernel", () => {
  test(
    "leave out a flow that is refused whichever end is the source, and no other",
    () => {
      const configs = fc.sample(kernelConfigs, { numRuns: CONFIGS * 2, seed: 7 });
      const samples = fc.sample(records, { numRuns: RECORDS, seed: 7 });
      const seen = { filtered: 0, accounted: 0 };
      for (const config of configs) {
        const filter = compileKernelFilter(config);
        if (filter === undefined) continue;
        using bench = new Bench({ filter });
        const plain = spellOut(config);
        for (const record of samples) {
          const isAccepted = acceptsEnds(plain, record) || acceptsEnds(plain, turn(record));
          const verdict = isAccepted ? "accounted" : "filtered";
          for (const packet of [record, turn(record), record].map(packetOf)) {
            expect(Object.keys(bench.run(packet))).toEqual([verdict]);
          }
          seen[verdict]++;
        }
      }
      expect(Math.min(seen.filtered, seen.accounted)).toBeGreaterThan(RECORDS);
    },
    DEADLINE_MS,
  );

  test("count every packet of a filtered flow, both ways, and make no flow and no event", () => {
    using bench = filtering({
      destination: { port: { not_match: [443] } },
      source: { port: { not_match: [443] } },
    });
    const there = frame(ip("10.0.0.1", "10.0.0.2", tcp([40000, 443])));
    const back = frame(ip("10.0.0.2", "10.0.0.1", tcp([443, 40000], {}, 100)));
    for (const [packet, counts] of [
      [there, { filtered: [1, 40] }],
      [back, { filtered: [1, 140] }],
      [there, { filtered: [1, 40] }],
    ] as const) {
      expect<Counts>(bench.run(packet)).toEqual(counts);
    }
    const large = frame(ip("10.0.0.1", "10.0.0.2", tcp([40000, 443], {}, 3000)));
    expect(bench.run(large, { gsoSegments: 3, gsoSize: 1000 })).toEqual({ filtered: [3, 3120] });
    expect(bench.flows()).toEqual([]);
    expect(bench.events()).toEqual([]);
    expect(bench.run(frame(ip("10.0.0.1", "10.0.0.2", tcp([40000, 80]))))).toEqual({ accounted: [1, 40] });
    expect(bench.flow()).toMatchObject({ ways: [{ packets: 1 }, { packets: 0 }] });
    expect(bench.events().length).toBe(1);
  });

  test("leave what only the orientation decides to the agent", () => {
    using bench = filtering({ destination: { port: { match: [443] } } });
    expect(bench.run(frame(ip("10.0.0.1", "10.0.0.2", tcp([40000, 443]))))).toEqual({ accounted: [1, 40] });
    expect(bench.run(frame(ip("10.0.0.1", "10.0.0.2", tcp([443, 40001]))))).toEqual({ accounted: [1, 40] });
    expect(bench.run(frame(ip("10.0.0.1", "10.0.0.2", tcp([40000, 80]))))).toEqual({ filtered: [1, 40] });
  });

  test("take ICMP for a protocol without ports", () => {
    using bench = filtering({ source: { port: { match: [0] } } });
    expect(bench.run(frame(ip("10.0.0.1", "10.0.0.2", icmp({ type: 8, identifier: 80 }))))).toEqual({
      accounted: [1, 28],
    });
    expect(bench.run(frame(ip("10.0.0.1", "10.0.0.2", udp([80, 81]))))).toEqual({ filtered: [1, 28] });
  });

  test("leave a flow out also where the table has no room for it", () => {
    using bench = filtering({ network: { transport: { not_match: ["udp"] } } }, { tableCapacity: 1 });
    bench.run(frame(ip("10.0.0.1", "10.0.0.2", tcp([1, 80]))));
    bench.events();
    expect(bench.run(frame(ip("10.0.0.1", "10.0.0.2", udp([1, 53]))))).toEqual({ filtered: [1, 28] });
    expect(bench.run(frame(ip("10.0.0.1", "10.0.0.2", tcp([2, 80]))))).toEqual({ overflow: [1, 40] });
    expect(bench.events()).toMatchObject([{ kind: 3, lowPort: 2 }]);
  });

  test("leave out the later fragments of a flow that they leave out", () => {
    using bench = filtering({ network: { transport: { not_match: ["udp"] } } });
    const fields = { source: "10.0.0.1", destination: "10.0.0.2", identification: 7 };
    const first = frame(ipv4({ ...fields, moreFragments: true }, udp([1, 2], 16)));
    const later = frame(ipv4({ ...fields, fragmentOffset: 24 }, opaque(17, 16)));
    expect(bench.run(first)).toEqual({ filtered: [1, 44] });
    expect(bench.run(later)).toEqual({ filtered: [1, 36] });
    expect(bench.flows()).toEqual([]);
  });

  test("hold as many prefixes as the lists may have entries", () => {
    const match = Array.from({ length: 10_000 }, (_, i) => `10.${i >>> 8}.${i & 255}.0/24`);
    using bench = filtering({ source: { address: { match } } });
    expect(bench.run(frame(ip("10.39.15.1", "192.0.2.1", udp([1, 2]))))).toEqual({ accounted: [1, 28] });
    expect(bench.run(frame(ip("10.39.16.1", "192.0.2.1", udp([1, 2]))))).toEqual({ filtered: [1, 28] });
  });
});
