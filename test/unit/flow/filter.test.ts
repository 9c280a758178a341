import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import * as v from "valibot";
import { createRecordFilter } from "../../../src/flow/filter.ts";
import { type FilterConfig, filterSection } from "../../../src/flow/filter-config.ts";
import { compileKernelFilter } from "../../../src/flow/filter-kernel.ts";
import { defaultedSection } from "../../../src/lib/setting.ts";
import { type KernelKey, leavesOut } from "./filter-kernel-model.ts";
import { acceptsEnds, acceptsPlainly, type Measured, type PlainRecord, rowOf } from "./filter-record.ts";

const TRANSPORTS: readonly (readonly [string, number])[] = [
  ["tcp", 6],
  ["udp", 17],
  ["icmp", 1],
  ["icmpv6", 58],
  ["sctp", 132],
  ["253", 253],
];
const IPV4 = ["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.255.255.255", "11.0.0.0", "128.0.0.1"];
const IPV6 = [
  "2001:0db8:0000:0000:0000:0000:0000:0001",
  "2001:0db8:0000:0001:0000:0000:0000:0001",
  "2001:0db9:0000:0000:0000:0000:0000:0000",
  "fe80:0000:0000:0000:0000:0000:8000:0001",
];
const PORTS = [0, 22, 79, 80, 81, 443, 65535];
const MACS = ["02:00:00:00:00:01", "ff:00:00:00:00:80"];
const NAMES = new Map([
  [1, "lo"],
  [2, "eth0"],
  [3, "eth1"],
]);
const FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
const ICMP4 = [
  { type: ["echo_reply", 0], code: [undefined, 0] },
  { type: ["destination_unreachable", 3], code: ["port_unreachable", 3] },
  { type: ["time_exceeded", 11], code: ["ttl_exceeded_in_transit", 0] },
  { type: [undefined, 200], code: [undefined, 3] },
] as const;
const ICMP6 = [
  { type: ["destination_unreachable", 1], code: ["port_unreachable", 4] },
  { type: ["packet_too_big", 2], code: [undefined, 0] },
  { type: ["echo_request", 128], code: [undefined, 0] },
] as const;

const interfaceName = (ifindex: number): string | undefined => NAMES.get(ifindex);

/** @param rare one list in so many has entries: with many dimensions, hardly a record would pass them all */
function lists(entry: fc.Arbitrary<string | number>, rare: number): fc.Arbitrary<unknown> {
  const list = fc.oneof(
    { weight: rare - 1, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(entry, { maxLength: 4 }) },
  );
  return fc.record({ match: list, not_match: list }, { requiredKeys: [] });
}

const addresses = fc.constantFrom(...IPV4, ...IPV6);
const networks = fc.oneof(
  addresses,
  fc.constantFrom("::/0", "0.0.0.0/0"),
  fc
    .tuple(fc.constantFrom(...IPV4), fc.constantFrom(0, 1, 7, 8, 9, 30, 31, 32))
    .map((parts) => parts.join("/")),
  fc
    .tuple(fc.constantFrom(...IPV6), fc.constantFrom(0, 1, 31, 32, 48, 64, 127, 128))
    .map((parts) => parts.join("/")),
);
const ports = fc.oneof(
  fc.constantFrom(...PORTS),
  fc.constantFrom("80", "79-81", "0-65535", "443-443", "1-1023"),
);
const transports = fc.constantFrom(...TRANSPORTS.flat());
const kernelSections = (rare: number) => ({
  source: fc.record({ address: lists(networks.map(shorten), rare), port: lists(ports, rare) }),
  destination: fc.record({ address: lists(networks.map(shorten), rare), port: lists(ports, rare) }),
});
const kernelNetwork = (rare: number) => ({
  transport: lists(transports, rare),
  type: lists(fc.constantFrom("ipv4", "ipv6"), rare),
});
const RARE = 5;
const configs = fc
  .record({
    ...kernelSections(RARE),
    network: fc.record({
      ...kernelNetwork(RARE),
      interface_name: lists(fc.constantFrom("lo", "eth*", "eth1", "*"), RARE),
      interface_index: lists(fc.constantFrom(1, 2, "2-3", 9), RARE),
      interface_mac: lists(fc.constantFrom(...MACS, ...MACS.map((mac) => mac.toUpperCase())), RARE),
    }),
    flow: fc.record({
      direction: lists(fc.constantFrom("forward", "reverse", "unknown"), RARE),
      tcp_flags_tags: lists(fc.constantFrom(...FLAGS, "syn"), RARE),
      ip_dscp_name: lists(fc.constantFrom("cs0", "ef", "cs7"), RARE),
      ip_ecn_name: lists(fc.constantFrom("not_ect", "ect0", "ect1", "ce"), RARE),
      ip_ttl: lists(fc.constantFrom(64, "1-5", "255", 0), RARE),
      ip_flow_label: lists(fc.constantFrom(0, "1-1048575", 0xbeef), RARE),
      icmp_type_name: lists(fc.constantFrom("echo_reply", "destination_unreachable", "echo_request"), RARE),
      icmp_code_name: lists(fc.constantFrom("port_unreachable", "ttl_exceeded_in_transit"), RARE),
      min_bytes: fc.constantFrom(0, 0, 0, 0, 100, 2 ** 40),
      min_packets: fc.constantFrom(0, 0, 0, 0, 2, 2 ** 33),
    }),
  })
  .map(parse);
const kernelConfigs = fc.record({ ...kernelSections(2), network: fc.record(kernelNetwork(4)) }).map(parse);

/** IPv6 as people write it; the test's own texts are all of its digits. */
function shorten(address: string): string {
  return address.replaceAll(/\b0{1,3}(?=[0-9a-f])/g, "").replace(/:0:0:0:0:/, "::");
}

function parse(filter: unknown): FilterConfig {
  return v.parse(defaultedSection(filterSection), filter);
}

/** The config with IPv6 in all of its digits, as the plain filter compares them. */
function spellOut(config: FilterConfig): FilterConfig {
  const spell = (entry: string | number): string => {
    const [address = "", bits] = String(entry).split("/");
    if (!address.includes(":")) return String(entry);
    const [head = "", tail = ""] = address.split("::");
    const groups = (text: string): string[] => (text === "" ? [] : text.split(":"));
    const missing = 8 - groups(head).length - groups(tail).length;
    const all = [...groups(head), ...Array.from({ length: missing }, () => "0"), ...groups(tail)];
    const full = all.map((group) => group.padStart(4, "0")).join(":");
    return bits === undefined ? full : `${full}/${bits}`;
  };
  const end = (of: FilterConfig["source"]): FilterConfig["source"] => ({
    ...of,
    address: { match: of.address.match.map(spell), not_match: of.address.not_match.map(spell) },
  });
  return { ...config, source: end(config.source), destination: end(config.destination) };
}

function measured(isIpv6: boolean): fc.Arbitrary<Measured> {
  return fc.record({
    dscp: fc.constantFrom<Measured["dscp"][]>(["cs0", 0], ["ef", 46], ["cs7", 56], [undefined, 63]),
    ecn: fc.constantFrom<Measured["ecn"][]>(["not_ect", 0], ["ect1", 1], ["ect0", 2], ["ce", 3]),
    ttl: fc.constantFrom(0, 1, 5, 6, 64, 255),
    flowLabel: isIpv6 ? fc.constantFrom(0, 0xbeef, 0xfffff) : fc.constant(0),
    icmp: fc.constantFrom<Measured["icmp"][]>(...(isIpv6 ? ICMP6 : ICMP4)),
  });
}

const records: fc.Arbitrary<PlainRecord> = fc.boolean().chain((isIpv6) => {
  const address = fc.constantFrom(...(isIpv6 ? IPV6 : IPV4));
  const transport = fc.constantFrom(...TRANSPORTS.filter(([, number]) => number !== (isIpv6 ? 1 : 58)));
  return transport.chain((protocol) => {
    const port = ["tcp", "udp", "sctp"].includes(protocol[0]) ? fc.constantFrom(...PORTS) : fc.constant(0);
    const flags = protocol[0] === "tcp" ? fc.subarray(FLAGS) : fc.constant([]);
    return fc.record({
      source: fc.record({ address, port }),
      destination: fc.record({ address, port }),
      transport: fc.constant(protocol),
      direction: fc.constantFrom("forward" as const, "reverse" as const, "unknown" as const),
      ifindex: fc.constantFrom(0, 1, 2, 3, 9),
      mac: fc.constantFrom(undefined, ...MACS),
      tcpFlags: fc.tuple(flags, flags),
      forward: fc.option(measured(isIpv6), { nil: undefined }),
      reverse: fc.option(measured(isIpv6), { nil: undefined }),
      packets: fc.tuple(fc.constantFrom(0, 1, 2 ** 32), fc.constantFrom(0, 1, 2 ** 32)),
      bytes: fc.tuple(fc.constantFrom(0, 60, 2 ** 39), fc.constantFrom(0, 60, 2 ** 39)),
    });
  });
});

const RUNS = { numRuns: 20_000 };

describe("createRecordFilter", () => {
  test("accepts what the same filter accepts by the texts of the attributes", () => {
    const seen = { accepted: 0, refused: 0 };
    fc.assert(
      fc.property(configs, records, fc.constantFrom(0, 56), (config, record, at) => {
        const filter = createRecordFilter(config, interfaceName);
        const verdict = filter?.accepts(rowOf(record, at), at) ?? true;
        seen[verdict ? "accepted" : "refused"]++;
        return verdict === acceptsPlainly(spellOut(config), record, interfaceName);
      }),
      RUNS,
    );
    expect(Math.min(seen.accepted, seen.refused)).toBeGreaterThan(RUNS.numRuns / 100);
  });

  test("is undefined where nothing is filtered", () => {
    expect(createRecordFilter(parse({}), interfaceName)).toBeUndefined();
    expect(createRecordFilter(parse({ flow: { min_packets: 1 } }), interfaceName)).toBeDefined();
  });

  test("without interfaces, matches none and refuses none by them", () => {
    const [record] = fc.sample(records, { numRuns: 1, seed: 1 });
    if (record === undefined) throw new Error("no record");
    const row = rowOf({ ...record, ifindex: 1 }, 0);
    const verdict = (network: unknown): boolean | undefined =>
      createRecordFilter(parse({ network }), undefined)?.accepts(row, 0);
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
      parse({ network: { interface_name: { match: ["eth*"] } } }),
      () => name,
    );
    expect(filter?.accepts(row, 0)).toBe(true);
    name = "veth0";
    expect(filter?.accepts(row, 0)).toBe(false);
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
      parse({ flow: { icmp_type_name: { match: ["echo_reply"] } } }),
      undefined,
    );
    expect(filter?.accepts(row, 0)).toBe(true);
    row[10] = 0;
    expect(filter?.accepts(row, 0)).toBe(false);
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
        const isTold = createRecordFilter(config, interfaceName)?.accepts(rowOf(record, 0), 0) ?? true;
        return !isTold || kernel === undefined || !leavesOut(kernel, keyOf(record));
      }),
      RUNS,
    );
  });

  test("is undefined where the kernel can decide nothing", () => {
    expect(compileKernelFilter(parse({}))).toBeUndefined();
    const flow = { min_packets: 2, direction: { match: ["forward"] } };
    expect(
      compileKernelFilter(parse({ flow, network: { interface_name: { match: ["eth0"] } } })),
    ).toBeUndefined();
    expect(compileKernelFilter(parse({ network: { type: { match: ["ipv6"] } } }))).toBeDefined();
  });

  test("gives a prefix once, with the lists of those that contain it", () => {
    const filter = compileKernelFilter(
      parse({
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
    const filter = compileKernelFilter(parse({ source: { address: { match } } }));
    expect(filter?.prefixes.length).toBe(10_000);
  });
});

/** As the programs would form it: which end is low does not matter here. */
function keyOf({ source, destination, transport }: PlainRecord): KernelKey {
  return { low: source, high: destination, protocol: transport[1] };
}
