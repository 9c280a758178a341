// Names of numbers in headers, from IANA's registries: protocols, ICMP types and codes, DSCP, ECN, TCP flags.
// Comes in: numbers of a record. Goes out: names in lower case, or nothing where a number is not assigned.

const ICMP = 1;

/** Keywords by number from 0, "-" where IANA has none; 58 is written as spans.md has it. */
const PROTOCOLS = `
hopopt icmp igmp ggp ipv4 st tcp cbt egp igp bbn-rcc-mon nvp-ii pup argus emcon xnet chaos udp mux dcn-meas hmp prm
xns-idp trunk-1 trunk-2 leaf-1 leaf-2 rdp irtp iso-tp4 netblt mfe-nsp merit-inp dccp 3pc idpr xtp ddp idpr-cmtp tp++
il ipv6 sdrp ipv6-route ipv6-frag idrp rsvp gre dsr bna esp ah i-nlsp swipe narp min-ipv4 tlsp skip icmpv6 ipv6-nonxt
ipv6-opts - cftp - sat-expak kryptolan rvd ippc - sat-mon visa ipcv cpnx cphb wsn pvp br-sat-mon sun-nd wb-mon
wb-expak iso-ip vmtp secure-vmtp vines iptm nsfnet-igp dgp tcf eigrp ospfigp sprite-rpc larp mtp ax.25 ipip micp
scc-sp etherip encap - gmtp ifmp pnni pim aris scps qnx a/n ipcomp snp compaq-peer ipx-in-ip vrrp pgm - l2tp ddx iatp
stp srp uti smp sm ptp isis-over-ipv4 fire crtp crudp sscopmce iplt sps pipe sctp fc rsvp-e2e-ignore mobility-header
udplite mpls-in-ip manet hip shim6 wesp rohc ethernet aggfrag nsh homa`
  .trim()
  .split(/\s+/);

const ICMP_TYPES = numbered(`
0 echo_reply, 3 destination_unreachable, 4 source_quench, 5 redirect, 8 echo_request, 9 router_advertisement,
10 router_solicitation, 11 time_exceeded, 12 parameter_problem, 13 timestamp, 14 timestamp_reply,
15 information_request, 16 information_reply, 17 address_mask_request, 18 address_mask_reply, 40 photuris,
42 extended_echo_request, 43 extended_echo_reply`);

const ICMPV6_TYPES = numbered(`
1 destination_unreachable, 2 packet_too_big, 3 time_exceeded, 4 parameter_problem, 128 echo_request, 129 echo_reply,
130 mld_query, 131 mld_report, 132 mld_done, 133 router_solicitation, 134 router_advertisement,
135 neighbor_solicitation, 136 neighbor_advertisement, 137 redirect, 138 router_renumbering,
139 node_information_query, 140 node_information_response, 141 inverse_neighbor_discovery_solicitation,
142 inverse_neighbor_discovery_advertisement, 143 mldv2_multicast_listener_report,
144 home_agent_address_discovery_request, 145 home_agent_address_discovery_reply, 146 mobile_prefix_solicitation,
147 mobile_prefix_advertisement, 148 certification_path_solicitation, 149 certification_path_advertisement,
151 multicast_router_advertisement, 152 multicast_router_solicitation, 153 multicast_router_termination,
155 rpl_control_message, 160 extended_echo_request, 161 extended_echo_reply`);

const EXTENDED_ECHO_REPLY_CODES = numbered(`
0 no_error, 1 malformed_query, 2 no_such_interface, 3 no_such_table_entry, 4 multiple_interfaces_satisfy_query`);

/** By type; types whose only code is 0, which means nothing, are left out. */
const ICMP_CODES: ReadonlyMap<number, ReadonlyMap<number, string>> = new Map([
  [
    3,
    numbered(`
0 net_unreachable, 1 host_unreachable, 2 protocol_unreachable, 3 port_unreachable, 4 fragmentation_needed,
5 source_route_failed, 6 destination_network_unknown, 7 destination_host_unknown, 8 source_host_isolated,
9 destination_network_administratively_prohibited, 10 destination_host_administratively_prohibited,
11 destination_network_unreachable_for_type_of_service, 12 destination_host_unreachable_for_type_of_service,
13 communication_administratively_prohibited, 14 host_precedence_violation, 15 precedence_cutoff_in_effect`),
  ],
  [
    5,
    numbered(`
0 redirect_datagram_for_the_network, 1 redirect_datagram_for_the_host,
2 redirect_datagram_for_the_type_of_service_and_network, 3 redirect_datagram_for_the_type_of_service_and_host`),
  ],
  [9, numbered("0 normal_router_advertisement, 16 does_not_route_common_traffic")],
  [11, numbered("0 ttl_exceeded_in_transit, 1 fragment_reassembly_time_exceeded")],
  [12, numbered("0 pointer_indicates_the_error, 1 missing_a_required_option, 2 bad_length")],
  [
    40,
    numbered(`
0 bad_spi, 1 authentication_failed, 2 decompression_failed, 3 decryption_failed, 4 need_authentication,
5 need_authorization`),
  ],
  [42, numbered("0 no_error")],
  [43, EXTENDED_ECHO_REPLY_CODES],
]);

const ICMPV6_CODES: ReadonlyMap<number, ReadonlyMap<number, string>> = new Map([
  [
    1,
    numbered(`
0 no_route_to_destination, 1 communication_administratively_prohibited, 2 beyond_scope_of_source_address,
3 address_unreachable, 4 port_unreachable, 5 source_address_failed_ingress_egress_policy,
6 reject_route_to_destination, 7 error_in_source_routing_header, 8 headers_too_long`),
  ],
  [3, numbered("0 hop_limit_exceeded_in_transit, 1 fragment_reassembly_time_exceeded")],
  [
    4,
    numbered(`
0 erroneous_header_field_encountered, 1 unrecognized_next_header_type_encountered,
2 unrecognized_ipv6_option_encountered, 3 ipv6_first_fragment_has_incomplete_ipv6_header_chain,
4 sr_upper_layer_header_error, 5 unrecognized_next_header_type_encountered_by_intermediate_node,
6 extension_header_too_big, 7 extension_header_chain_too_long, 8 too_many_extension_headers,
9 too_many_options_in_extension_header, 10 option_too_big`),
  ],
  [138, numbered("0 router_renumbering_command, 1 router_renumbering_result, 255 sequence_number_reset")],
  [
    139,
    numbered(`
0 data_field_contains_ipv6_address, 1 data_field_contains_name, 2 data_field_contains_ipv4_address`),
  ],
  [140, numbered("0 successful_reply, 1 responder_refuses_to_supply_the_answer, 2 qtype_unknown")],
  [160, numbered("0 no_error")],
  [161, EXTENDED_ECHO_REPLY_CODES],
]);

const DSCPS = numbered(`
0 cs0, 1 le, 8 cs1, 10 af11, 12 af12, 14 af13, 16 cs2, 18 af21, 20 af22, 22 af23, 24 cs3, 26 af31, 28 af32, 30 af33,
32 cs4, 34 af41, 36 af42, 38 af43, 40 cs5, 44 voice_admit, 46 ef, 48 cs6, 56 cs7`);

const ECNS = ["not_ect", "ect1", "ect0", "ce"] as const;
const TCP_FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"] as const;
const TCP_FLAG_TAGS: readonly (readonly string[])[] = Array.from({ length: 256 }, (_, bits) =>
  TCP_FLAGS.filter((_name, bit) => ((bits >>> bit) & 1) === 1),
);

/** IANA's keyword in lower case (`tcp`, `icmpv6`); the number as decimal text where there is none. */
export function protocolName(protocol: number): string {
  const name = PROTOCOLS[protocol];
  return name === undefined || name === "-" ? String(protocol) : name;
}

/** Name of a message type of protocol 1 (ICMP) or 58 (ICMPv6). */
export function icmpTypeName(protocol: number, type: number): string | undefined {
  return (protocol === ICMP ? ICMP_TYPES : ICMPV6_TYPES).get(type);
}

/** Name of a code of that type; undefined also for a code 0 without meaning. */
export function icmpCodeName(protocol: number, type: number, code: number): string | undefined {
  return (protocol === ICMP ? ICMP_CODES : ICMPV6_CODES).get(type)?.get(code);
}

/** Name of a DSCP, the upper six bits of the traffic class. */
export function dscpName(dscp: number): string | undefined {
  return DSCPS.get(dscp);
}

/** Name of an ECN codepoint, the lower two bits of the traffic class (RFC 3168). */
export function ecnName(ecn: number): string {
  return ECNS[ecn & 3] as string;
}

/** Names of the TCP flags that are set, in bit order from FIN. */
export function tcpFlagTags(bits: number): readonly string[] {
  return TCP_FLAG_TAGS[bits & 0xff] as readonly string[];
}

/** Reads "number name, number name". */
function numbered(text: string): ReadonlyMap<number, string> {
  return new Map(
    text.split(",").map((entry) => {
      const [number, name] = entry.trim().split(" ") as [string, string];
      return [Number(number), name];
    }),
  );
}
