// [filter.*]: which flows are told. Every dimension is a pair of lists; empty lists leave nothing out.

import * as v from "valibot";
import { parsePrefix } from "../lib/cidr.ts";
import { compileGlob } from "../lib/glob.ts";
import {
  defaultedSection,
  integerSetting,
  listsSetting,
  type MatchLists,
  type Section,
} from "../lib/setting.ts";
import { VOCABULARY, type Vocabulary } from "./filter-vocabulary.ts";

/** One end of a flow. */
export interface EndpointFilterConfig {
  readonly address: MatchLists;
  readonly port: MatchLists;
}

export interface NetworkFilterConfig {
  readonly transport: MatchLists;
  readonly type: MatchLists;
  readonly interface_name: MatchLists;
  readonly interface_index: MatchLists;
  readonly interface_mac: MatchLists;
}

export interface FlowFilterConfig {
  readonly direction: MatchLists;
  /** Of each record; everything else here is of the flow's first one. */
  readonly connection_state: MatchLists;
  readonly tcp_flags_tags: MatchLists;
  readonly ip_dscp_name: MatchLists;
  readonly ip_ecn_name: MatchLists;
  readonly ip_ttl: MatchLists;
  readonly ip_flow_label: MatchLists;
  readonly icmp_type_name: MatchLists;
  readonly icmp_code_name: MatchLists;
  /** Of both ways together, in the flow's first record; 0: any number. */
  readonly min_bytes: number;
  readonly min_packets: number;
}

/** A flow is told where every dimension accepts it. */
export interface FilterConfig {
  readonly source: EndpointFilterConfig;
  readonly destination: EndpointFilterConfig;
  readonly network: NetworkFilterConfig;
  readonly flow: FlowFilterConfig;
}

/** The section as it is written in TOML. */
export const filterSection: Section<FilterConfig> = v.strictObject({
  source: defaultedSection(endpointSection("source")),
  destination: defaultedSection(endpointSection("destination")),
  network: defaultedSection(networkSection()),
  flow: defaultedSection(flowSection()),
});

function endpointSection(end: "source" | "destination"): Section<EndpointFilterConfig> {
  const role = end === "source" ? "initiator" : "responder";
  return v.strictObject({
    address: listsSetting(
      { allowed: "addresses and networks", problem: addressProblem },
      {
        description: `Address of the ${role} (\`${end}.address\`). Decided in the kernel where it can be.`,
        example: '{ match = ["10.0.0.0/8", "2001:db8::/32"], not_match = ["10.1.2.3"] }',
      },
    ),
    port: dimension(VOCABULARY.port, {
      description: `Port of the ${role} (\`${end}.port\`). Decided in the kernel where it can be.`,
      example: '{ match = [443, "8000-9000"] }',
    }),
  });
}

function networkSection(): Section<NetworkFilterConfig> {
  return v.strictObject({
    transport: dimension(VOCABULARY.transport, {
      description: "Protocol (`network.transport`). Decided in the kernel.",
      example: '{ not_match = ["icmp", "icmpv6"] }',
    }),
    type: dimension(VOCABULARY.type, {
      description: "IP version (`network.type`). Decided in the kernel.",
      example: '{ match = ["ipv6"] }',
    }),
    interface_name: listsSetting(
      { allowed: "names and globs: `*`, `?`, `[a-z]`, `[!a-z]`, `{a,b}`", problem: patternProblem },
      {
        description:
          "Interface whose hook counted the flow (`network.interface.name`). `capture.interfaces` leaves interfaces out at less cost, but their flows may then be counted at another one.",
        example: '{ not_match = ["docker*"] }',
      },
    ),
    interface_index: dimension(VOCABULARY.interface_index, {
      description: "The same by its index (`network.interface.index`).",
      example: "{ match = [2] }",
    }),
    interface_mac: dimension(VOCABULARY.interface_mac, {
      description: "Link-layer address that the source's packets came from (`network.interface.mac`).",
      example: '{ match = ["02:42:ac:11:00:02"] }',
    }),
  });
}

function flowSection(): Section<FlowFilterConfig> {
  const first = "of the first packet there, or back where there is none";
  return v.strictObject({
    direction: dimension(VOCABULARY.direction, {
      description: "`flow.direction`.",
      example: '{ match = ["forward"] }',
    }),
    connection_state: dimension(VOCABULARY.connection_state, {
      description:
        "State of a TCP connection after the record's last packet (`flow.connection.state`). Decided on every record, as it changes: a connection's other records are told.",
      example: '{ not_match = ["syn_sent"] }',
    }),
    tcp_flags_tags: dimension(VOCABULARY.tcp_flags_tags, {
      description:
        "TCP flags of both ways in the flow's first record: `match` where any of them is set, `not_match` where none is.",
      example: '{ match = ["RST"] }',
    }),
    ip_dscp_name: dimension(VOCABULARY.ip_dscp_name, {
      description: `Differentiated services code point ${first} (\`flow.ip.dscp.name\`).`,
      example: '{ match = ["ef", "af41"] }',
    }),
    ip_ecn_name: dimension(VOCABULARY.ip_ecn_name, {
      description: `Explicit congestion notification bits ${first} (\`flow.ip.ecn.name\`).`,
      example: '{ match = ["ce"] }',
    }),
    ip_ttl: dimension(VOCABULARY.ip_ttl, {
      description: `Time to live or hop limit ${first} (\`flow.ip.ttl\`).`,
      example: '{ match = ["1-5"] }',
    }),
    ip_flow_label: dimension(VOCABULARY.ip_flow_label, {
      description: `IPv6 flow label ${first} (\`flow.ip.flow_label\`); IPv4 has none.`,
      example: "{ not_match = [0] }",
    }),
    icmp_type_name: dimension(VOCABULARY.icmp_type_name, {
      description: `ICMP or ICMPv6 type ${first} (\`flow.icmp.type.name\`).`,
      example: '{ not_match = ["echo_request", "echo_reply"] }',
    }),
    icmp_code_name: dimension(VOCABULARY.icmp_code_name, {
      description: `ICMP or ICMPv6 code ${first} (\`flow.icmp.code.name\`).`,
      example: '{ match = ["port_unreachable"] }',
    }),
    min_bytes: least("bytes"),
    min_packets: least("packets"),
  });
}

function dimension(
  vocabulary: Vocabulary,
  facts: { readonly description: string; readonly example: string },
): v.GenericSchema<unknown, MatchLists> {
  const { allowed, parse } = vocabulary;
  const problem = (entry: string | number): string | undefined =>
    parse(entry) === undefined ? `must be ${allowed}` : undefined;
  return listsSetting({ allowed, problem }, facts);
}

function least(what: "bytes" | "packets"): v.GenericSchema<unknown, number> {
  return integerSetting(
    0,
    { minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
    {
      description: `Least number of ${what}, both ways together, in the flow's first record. 0: any.`,
      example: what === "bytes" ? "1500" : "3",
    },
  );
}

function addressProblem(entry: string | number): string | undefined {
  if (typeof entry === "string" && parsePrefix(entry) !== undefined) return undefined;
  return 'must be an address such as "10.0.0.1" or a network such as "2001:db8::/32"';
}

function patternProblem(entry: string | number): string | undefined {
  if (typeof entry !== "string") return "must be a string";
  if (entry === "") return "must not be empty";
  try {
    compileGlob(entry);
    return undefined;
  } catch (error) {
    return `is a ${error instanceof Error ? error.message : String(error)}`;
  }
}
