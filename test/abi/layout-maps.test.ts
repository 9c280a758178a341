// What the programs, the shim and the agent put into the kernel's maps, read by the offsets of bpf/flow.h: the
// structures that no table of record.ts describes.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { FILTER_RULES_BYTES } from "../../src/capture/kernel-filter.ts";
import { compileKernelFilter } from "../../src/flow/filter-kernel.ts";
import { Bench } from "../bpf/bench.ts";
import { KernelMap } from "../bpf/kernel-map.ts";
import { ThreadNamespace } from "../bpf/thread-namespace.ts";
import { fragmentHeader } from "../support/extensions.ts";
import { frame, ip, ipv4, ipv6 } from "../support/packets.ts";
import { icmp, opaque, udp } from "../support/segments.ts";
import { parseFilter } from "../unit/flow/filter-arbitraries.ts";
import { compileLayout, findField } from "./flow-header.ts";

const layout = compileLayout();
const ZERO = new Uint8Array(4);
const START = 1e15;
const IFINDEX = 100;
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

type Value = number | readonly number[];

/** A structure's bytes: numbers in host byte order, lists as the octets they are; what is not named is zero. */
function build(struct: string, fields: Readonly<Record<string, Value>>): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(layout.sizes.get(struct) ?? 0);
  for (const [name, value] of Object.entries(fields)) {
    const { offset, size } = findField(layout, struct, name);
    if (typeof value !== "number") bytes.set(value, offset);
    else for (let octet = 0; octet < size; octet++) bytes[offset + octet] = (value / 2 ** (8 * octet)) & 0xff;
  }
  return bytes;
}

/** A number of a structure, in host byte order. */
function read(struct: string, bytes: Uint8Array, name: string): number {
  const { offset, size } = findField(layout, struct, name);
  return Array.from(bytes.subarray(offset, offset + size)).reduceRight((sum, octet) => sum * 256 + octet, 0);
}

function only(map: string): Uint8Array {
  return KernelMap.named(map).lookup(ZERO) ?? new Uint8Array(0);
}

let namespace: ThreadNamespace;
beforeAll(() => {
  namespace = new ThreadNamespace();
  namespace.addPairs([IFINDEX, IFINDEX + 1]);
});
afterAll(() => namespace[Symbol.dispose]());

describe("filter_rules", () => {
  const lists = (match: readonly unknown[], not_match: readonly unknown[] = []) => ({ match, not_match });

  test.each([
    ["source ports", { source: { port: lists([443], [80]) } }, { port_lists: 3 }, { 443: 1, 80: 2 }, {}],
    ["destination ports", { destination: { port: lists([1], [2]) } }, { port_lists: 12 }, { 1: 4, 2: 8 }, {}],
    [
      "addresses",
      { destination: { address: lists(["10.0.0.0/8"]) } },
      { address_lists: 4, has_addresses: 1 },
      {},
      {},
    ],
    ["transports", { network: { transport: lists(["tcp"]) } }, { has_protocol_match: 1 }, {}, { 6: 1 }],
    ["transports not to match", { network: { transport: lists([], ["udp"]) } }, {}, {}, { 17: 2 }],
  ])("has %s where the programs look for them", (_, filter, numbers, ports, protocols) => {
    const expected = build("filter_rules", numbers);
    const place = (name: string, masks: Readonly<Record<number, number>>): void => {
      const { offset } = findField(layout, "filter_rules", name);
      for (const [index, mask] of Object.entries(masks)) expected[offset + Number(index)] = mask;
    };
    place("ports", ports);
    place("protocols", protocols);
    expect(compileKernelFilter(parseFilter(filter))?.rules).toEqual(expected);
  });

  test("has IP versions where the programs look for them", () => {
    const compiled = compileKernelFilter(parseFilter({ network: { type: lists(["ipv6"], ["ipv4"]) } }));
    const ipVersions = [0, 0, 0, 0, 2, 0, 1, 0];
    const expected = build("filter_rules", { ip_versions: ipVersions, has_version_match: 1 });
    expect(compiled?.rules).toEqual(expected);
  });

  test("reaches the map as it is", () => {
    const rules = Uint8Array.from({ length: FILTER_RULES_BYTES }, (_, index) => index % 251);
    using _ = new Bench({ filter: { prefixes: [], rules } });
    expect(only("FILTER_RULES")).toEqual(rules);
  });
});

test("filter_prefix is what the shim makes of a prefix", () => {
  const address = Uint8Array.from({ length: 16 }, (_, index) => index + 1);
  const rules = new Uint8Array(FILTER_RULES_BYTES);
  using _ = new Bench({ filter: { prefixes: [{ address, bits: 120, mask: 5 }], rules } });
  const addresses = KernelMap.named("FILTER_ADDRESSES");
  const find = (bits: number): number | undefined =>
    addresses.lookup(build("filter_prefix", { bits, address: [...address] }))?.[0];
  expect([find(128), find(120), find(119)]).toEqual([5, 5, undefined]);
});

test("scan_state is what the shim writes", () => {
  using bench = new Bench();
  const scan = (name: string): number => read("scan_state", only("SCAN"), name);
  const before = monotonicNs(bench);
  bench.reader.beginScan();
  expect(scan("heartbeat_ns")).toBeWithin(before, monotonicNs(bench) + 1);
  expect([scan("generation"), scan("attached_generation")]).toEqual([bench.reader.generation, 0]);
  expect([scan("removed"), scan("pressure_entries")]).toEqual([0, 0]);
  bench.reader.setPressure(77);
  bench.run(frame(ip("10.0.0.1", "10.0.0.2", udp([1, 2]))));
  bench.reset();
  expect([scan("removed"), scan("pressure_entries")]).toEqual([1, 77]);
  const attached = scan("generation");
  bench.probe.attach(IFINDEX, "ingress", { mode: "auto", order: "first", tcPriority: 1 });
  bench.reader.beginScan();
  expect([scan("attached_generation"), scan("generation")]).toEqual([attached, attached + 1]);
});

function monotonicNs(bench: Bench): number {
  const { monotonicLow, monotonicHigh } = bench.reader.clock();
  return monotonicHigh * 2 ** 32 + monotonicLow;
}

test("table_use is what the programs write", () => {
  using bench = new Bench();
  const use = (name: string): number => read("table_use", only("TABLE_USE"), name);
  bench.reader.setPressure(2);
  for (let port = 1; port <= 2; port++) bench.run(frame(ip("10.0.0.1", "10.0.0.2", udp([port, 9]))));
  expect([use("created"), use("pressed_generation")]).toEqual([2, 0]);
  bench.run(frame(ip("10.0.0.1", "10.0.0.2", udp([3, 9]))));
  expect([use("created"), use("pressed_generation")]).toEqual([3, bench.reader.generation]);
});

describe("fragment_key and fragment_ports", () => {
  const fields4 = { source: "10.0.0.1", destination: "10.0.0.2", identification: 0x0102 };
  const key4 = {
    source: [...MAPPED, 10, 0, 0, 1],
    destination: [...MAPPED, 10, 0, 0, 2],
    identification: [1, 2],
    ip_version: 4,
  };
  const find = (key: Readonly<Record<string, Value>>): Uint8Array | undefined =>
    KernelMap.named("FRAGMENTS").lookup(build("fragment_key", key));

  test("are what the programs write of a first fragment of IPv4", () => {
    using bench = new Bench({ isReplay: true, keyIncludes: ["vlan"] });
    const tags = [{ ethertype: 0x8100, id: 77 }];
    bench.run(frame(ipv4({ ...fields4, moreFragments: true }, udp([1000, 2000], 8)), { tags }), {
      atNs: START,
    });
    const ports = { source_port: [3, 0xe8], destination_port: [7, 0xd0], protocol: 17, seen_ns: START };
    expect(find({ ...key4, protocol: 17, vlan_id: 77 })).toEqual(build("fragment_ports", ports));
    const message = icmp({ type: 3, code: 4 }, 8);
    bench.run(frame(ipv4({ ...fields4, moreFragments: true }, message)), { atNs: START });
    expect(find({ ...key4, protocol: 1 })).toEqual(
      build("fragment_ports", {
        seen_ns: START,
        source_port: [0, 3],
        destination_port: [0, 4],
        protocol: 1,
        icmp_pairing: layout.constants.get("ICMP_ONE_WAY_LOW") ?? Number.NaN,
        icmp_type: 3,
        icmp_code: 4,
      }),
    );
  });

  test("are what the programs write of later fragments of IPv6", () => {
    using bench = new Bench({ isReplay: true });
    const ends = { source: "2001:db8:0:0:0:0:0:1", destination: "2001:db8:0:0:0:0:0:2" };
    const prefix = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (const offset of [8, 16]) {
      const extensions = [fragmentHeader(offset, true, 0x01020304)];
      bench.run(frame(ipv6({ ...ends, extensions }, opaque(17, 8))), { atNs: START + offset });
    }
    const key = {
      source: [...prefix, 1],
      destination: [...prefix, 2],
      identification: [1, 2, 3, 4],
      ip_version: 6,
    };
    const flags = layout.constants.get("FRAGMENT_WAITING") ?? Number.NaN;
    expect(find(key)).toEqual(build("fragment_ports", { seen_ns: START + 16, waiting: 2, flags }));
  });
});

test("related_interfaces is what the shim writes", () => {
  using bench = new Bench();
  bench.relate(IFINDEX, [1, 2], 3);
  const key = Uint8Array.of(IFINDEX, 0, 0, 0);
  expect(KernelMap.named("RELATED_INTERFACES").lookup(key)).toEqual(
    build("related_interfaces", { same_side: [1, 0, 0, 0, 2], opposite_side: 3 }),
  );
});

// Summed by the shim; capture/interfaces.ts and capture/reader.ts read the sums by these places.
test.each([
  [
    "interface_stats",
    [
      ["packets", 0],
      ["bytes", 16],
      ["link_layer", 32],
      ["ifindex", 36],
    ],
  ],
  [
    "counter",
    [
      ["packets", 0],
      ["bytes", 8],
    ],
  ],
] as const)("%s has its figures where they are read", (struct, places) => {
  const fields = [...(layout.structs.get(struct) ?? [])].map(([name, { offset }]) => [name, offset] as const);
  expect(fields).toEqual([...places]);
});
