// Filters and records that meet: few addresses, ports and names, so that entries often say something of a record.

import fc from "fast-check";
import * as v from "valibot";
import { type FilterConfig, filterSection } from "../../../src/flow/filter-config.ts";
import { CONNECTION_STATE } from "../../../src/flow/flow.ts";
import { defaultedSection } from "../../../src/lib/setting.ts";
import type { Measured, PlainRecord } from "./filter-record.ts";

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
/** Interfaces that have a name; 9, which records have too, has none. */
export const NAMES: ReadonlyMap<number, string> = new Map([
  [1, "lo"],
  [2, "eth0"],
  [3, "eth1"],
]);
const STATES = [
  ["syn_sent", CONNECTION_STATE.synSent],
  ["established", CONNECTION_STATE.established],
  ["closed", CONNECTION_STATE.closed],
] as const;
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
/** Filters of every dimension. */
export const configs: fc.Arbitrary<FilterConfig> = fc
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
      connection_state: lists(fc.constantFrom(...STATES.map(([name]) => name), "CLOSED"), RARE),
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
  .map(parseFilter);
/** Filters of what the kernel knows alone. */
export const kernelConfigs: fc.Arbitrary<FilterConfig> = fc
  .record({ ...kernelSections(2), network: fc.record(kernelNetwork(4)) })
  .map(parseFilter);

/** IPv6 as people write it; the test's own texts are all of its digits. */
function shorten(address: string): string {
  return address.replaceAll(/\b0{1,3}(?=[0-9a-f])/g, "").replace(/:0:0:0:0:/, "::");
}

/** A filter as TOML has it. @throws Error where it is not valid */
export function parseFilter(filter: unknown): FilterConfig {
  return v.parse(defaultedSection(filterSection), filter);
}

/** The config with IPv6 in all of its digits, as the plain filter compares them. */
export function spellOut(config: FilterConfig): FilterConfig {
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

/** Records of both families, whose values are those that the filters name, and their neighbours. */
export const records: fc.Arbitrary<PlainRecord> = fc.boolean().chain((isIpv6) => {
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
      connectionState:
        protocol[0] === "tcp"
          ? fc.option(fc.constantFrom(...STATES), { nil: undefined })
          : fc.constant(undefined),
      tcpFlags: fc.tuple(flags, flags),
      forward: fc.option(measured(isIpv6), { nil: undefined }),
      reverse: fc.option(measured(isIpv6), { nil: undefined }),
      packets: fc.tuple(fc.constantFrom(0, 1, 2 ** 32), fc.constantFrom(0, 1, 2 ** 32)),
      bytes: fc.tuple(fc.constantFrom(0, 60, 2 ** 39), fc.constantFrom(0, 60, 2 ** 39)),
    });
  });
});
