import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createRecordFilter } from "../../../src/flow/filter.ts";
import { compileKernelFilter } from "../../../src/flow/filter-kernel.ts";
import { CONNECTION_STATE, type RecordFilter } from "../../../src/flow/flow.ts";
import { configs, kernelConfigs, NAMES, parseFilter, records, spellOut } from "./filter-arbitraries.ts";
import { type KernelKey, leavesOut } from "./filter-kernel-model.ts";
import { acceptsEnds, acceptsPlainly, type PlainRecord, rowOf } from "./filter-record.ts";

const interfaceName = (ifindex: number): string | undefined => NAMES.get(ifindex);

const RUNS = { numRuns: 20_000 };

describe("createRecordFilter", () => {
  test("accepts what the same filter accepts by the texts of the attributes", () => {
    const seen = { accepted: 0, refused: 0 };
    fc.assert(
      fc.property(configs, records, fc.constantFrom(0, 56), (config, record, at) => {
        const filter = createRecordFilter(config, interfaceName);
        const verdict = isTold(filter, rowOf(record, at), at);
        seen[verdict ? "accepted" : "refused"]++;
        return verdict === acceptsPlainly(spellOut(config), record, interfaceName);
      }),
      RUNS,
    );
    expect(Math.min(seen.accepted, seen.refused)).toBeGreaterThan(RUNS.numRuns / 100);
  });

  test("is undefined where nothing is filtered", () => {
    expect(createRecordFilter(parseFilter({}), interfaceName)).toBeUndefined();
    expect(createRecordFilter(parseFilter({ flow: { min_packets: 1 } }), interfaceName)).toBeDefined();
  });

  test("without interfaces, matches none and refuses none by them", () => {
    const [record] = fc.sample(records, { numRuns: 1, seed: 1 });
    if (record === undefined) throw new Error("no record");
    const row = rowOf({ ...record, ifindex: 1 }, 0);
    const verdict = (network: unknown): boolean | undefined =>
      createRecordFilter(parseFilter({ network }), undefined)?.acceptsFlow(row, 0);
    expect(verdict({ interface_index: { match: [1] } })).toBe(false);
    expect(verdict({ interface_index: { not_match: [1] } })).toBe(true);
    expect(verdict({ interface_name: { match: ["*"] } })).toBe(false);
    expect(verdict({ interface_name: { not_match: ["*"] } })).toBe(true);
  });

  test("follows an interface's name, not its index", () => {
    const [record] = fc.sample(records, { numRuns: 1, seed: 1 });
    if (record === undefined) throw new Error("no record");
    const row = rowOf({ ...record, ifindex: 7 }, 0);
    let name = "eth0";
    const filter = createRecordFilter(
      parseFilter({ network: { interface_name: { match: ["eth*"] } } }),
      () => name,
    );
    expect(filter?.acceptsFlow(row, 0)).toBe(true);
    name = "veth0";
    expect(filter?.acceptsFlow(row, 0)).toBe(false);
  });

  test("decides by a connection's state about the record alone", () => {
    const [record] = fc.sample(
      records.filter(({ transport }) => transport[0] === "tcp"),
      { numRuns: 1, seed: 1 },
    );
    if (record === undefined) throw new Error("no record");
    const row = rowOf({ ...record, connectionState: ["syn_sent", CONNECTION_STATE.synSent] }, 0);
    const flow = { connection_state: { not_match: ["syn_sent"] } };
    const filter = createRecordFilter(parseFilter({ flow }), undefined);
    expect([filter?.acceptsFlow(row, 0), filter?.acceptsRecord(row, 0)]).toEqual([true, false]);
    const others = createRecordFilter(parseFilter({ flow: { min_packets: 2 ** 40 } }), undefined);
    expect([others?.acceptsFlow(row, 0), others?.acceptsRecord(row, 0)]).toEqual([false, true]);
  });

  test("leaves the fragments of an ICMP message without type or code", () => {
    const [record] = fc.sample(
      records.filter(({ transport }) => transport[0] === "icmp"),
      { numRuns: 1, seed: 1 },
    );
    if (record === undefined) throw new Error("no record");
    const icmp = { type: ["echo_reply", 0], code: [undefined, 0] } as const;
    const first = { dscp: ["cs0", 0], ecn: ["not_ect", 0], ttl: 64, flowLabel: 0, icmp } as const;
    const row = rowOf({ ...record, forward: first }, 0);
    const filter = createRecordFilter(
      parseFilter({ flow: { icmp_type_name: { match: ["echo_reply"] } } }),
      undefined,
    );
    expect(filter?.acceptsFlow(row, 0)).toBe(true);
    row[10] = 0;
    expect(filter?.acceptsFlow(row, 0)).toBe(false);
  });
});

describe("compileKernelFilter", () => {
  test("leaves out exactly what would be refused whichever end were the source", () => {
    const seen = { kept: 0, left: 0, undecided: 0 };
    fc.assert(
      fc.property(kernelConfigs, records, (config, record) => {
        const plain = spellOut(config);
        const turned = { ...record, source: record.destination, destination: record.source };
        const verdicts = [acceptsEnds(plain, record), acceptsEnds(plain, turned)];
        const filter = compileKernelFilter(config);
        const isLeftOut = filter !== undefined && leavesOut(filter, keyOf(record));
        if (isLeftOut) seen.left++;
        else if (verdicts[0] !== verdicts[1]) seen.undecided++;
        else seen.kept++;
        return isLeftOut === (!verdicts[0] && !verdicts[1]);
      }),
      RUNS,
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(RUNS.numRuns / 100);
  });

  test("never leaves out what the record's filter accepts", () => {
    fc.assert(
      fc.property(configs, records, (config, record) => {
        const kernel = compileKernelFilter(config);
        const filter = createRecordFilter(config, interfaceName);
        return !isTold(filter, rowOf(record, 0)) || kernel === undefined || !leavesOut(kernel, keyOf(record));
      }),
      RUNS,
    );
  });

  test("is undefined where the kernel can decide nothing", () => {
    expect(compileKernelFilter(parseFilter({}))).toBeUndefined();
    const flow = { min_packets: 2, direction: { match: ["forward"] } };
    expect(
      compileKernelFilter(parseFilter({ flow, network: { interface_name: { match: ["eth0"] } } })),
    ).toBeUndefined();
    expect(compileKernelFilter(parseFilter({ network: { type: { match: ["ipv6"] } } }))).toBeDefined();
  });

  test("gives a prefix once, with the lists of those that contain it", () => {
    const filter = compileKernelFilter(
      parseFilter({
        source: {
          address: { match: ["10.0.0.0/8", "10.1.0.0/16", "::/0"], not_match: ["10.1.2.3", "10.1.9.9/16"] },
        },
        destination: { address: { match: ["10.1.2.3/32"] } },
      }),
    );
    const prefixes = filter?.prefixes.map(
      ({ address, bits, mask }) => `${[...address.subarray(12)].join(".")}/${bits} ${mask}`,
    );
    expect(prefixes).toEqual([
      "0.0.0.0/96 0",
      "10.0.0.0/104 1",
      "10.1.0.0/112 3",
      "10.1.2.3/128 7",
      "0.0.0.0/0 1",
    ]);
  });

  test("compiles lists of the most entries in a moment", () => {
    const match = Array.from({ length: 10_000 }, (_, i) => `10.${i >>> 8}.${i & 255}.0/24`);
    const filter = compileKernelFilter(parseFilter({ source: { address: { match } } }));
    expect(filter?.prefixes.length).toBe(10_000);
  });
});

function isTold(filter: RecordFilter | undefined, row: Uint32Array, at: number = 0): boolean {
  return filter === undefined || (filter.acceptsFlow(row, at) && filter.acceptsRecord(row, at));
}

/** As the programs would form it: which end is low does not matter here. */
function keyOf({ source, destination, transport }: PlainRecord): KernelKey {
  return { low: source, high: destination, protocol: transport[1] };
}
