/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The ABI between the BPF programs, the shim and the agent. All integers are in host byte order
 * unless their type says otherwise. src/capture/record.ts decodes these structures by offset;
 * test/abi compares both. A change of layout raises MERMIN_SCHEMA_VERSION.
 */
#ifndef MERMIN_FLOW_H
#define MERMIN_FLOW_H

#include <linux/types.h>

/* Tests build agents of other versions. */
#ifndef MERMIN_SCHEMA_VERSION
#define MERMIN_SCHEMA_VERSION 6
#endif

/* Index of the two directions of a flow in every array of two below. */
enum flow_way {
	FLOW_LOW_TO_HIGH = 0,
	FLOW_HIGH_TO_LOW = 1,
};

/* How an ICMP or ICMPv6 message is paired (Community ID v1, "ICMP"); 0 for every other protocol. */
enum icmp_pairing {
	ICMP_PAIRED = 0,       /* ports hold the type of each side's message */
	ICMP_ECHO = 1,         /* both ports hold the identifier */
	ICMP_ONE_WAY_LOW = 2,  /* ports hold type (low) and code (high); sent by the low end */
	ICMP_ONE_WAY_HIGH = 3, /* ports hold code (low) and type (high); sent by the high end */
};

/* flow_key.tunnel_id of what an ERSPAN session carries: this, and the session's number. */
#define FLOW_KEY_MIRRORED 0x80000000

/*
 * Normalised 5-tuple. The low end is the one with the smaller (address, port), compared as bytes
 * in network order, so both directions form the same key. 48 bytes, every one significant.
 */
struct flow_key {
	__u8 low_address[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
	__u8 high_address[16];
	__be16 low_port; /* 0 where the protocol has no ports */
	__be16 high_port;
	__u8 protocol;     /* IANA number of the transport */
	__u8 ip_version;   /* 4 or 6 */
	__u16 vlan_id;     /* 0 unless flow.key_includes names it */
	__u32 tunnel_id;   /* 0 unless flow.key_includes names it, or FLOW_KEY_MIRRORED */
	__u8 icmp_pairing; /* enum icmp_pairing */
	__u8 padding[3];   /* always 0 */
};

/* One hook: interface and side. 0 is no hook. */
#define FLOW_HOOK(ifindex, egress) (((__u32)(ifindex) << 1) | (egress))

/* flow_way_stats.flags */
enum flow_way_flag {
	FLOW_WAY_INTERLEAVED = 1 << 0, /* the owner saw packets again after the candidate did */
	FLOW_WAY_ENTERED = 1 << 1,     /* the owner's first packet had entered this node before */
	FLOW_WAY_COPIED = 1 << 2,      /* some candidate was interleaved since the owner took the way */
	FLOW_WAY_AGE = 3 << 3,         /* generations the owner has had the way for, 3: or more */
	FLOW_WAY_AWAITED = 1 << 5, /* acknowledgements this way are looked at: the TCP state waits for one */
};

/*
 * In flow_way_stats.packets of an entry that is about to be deleted: what was counted is taken already. Set
 * and seen by the programs alone.
 */
#define FLOW_LEAVING (1ULL << 63)

/* One direction of a flow: one cache line. */
struct flow_way_stats {
	__u64 packets;            /* on the wire, segments of super-packets counted; by the owner hook */
	__u64 bytes;              /* layer 3 */
	__u64 first_seen_ns;      /* CLOCK_MONOTONIC, first packet of `generation` */
	__u64 last_seen_ns;       /* CLOCK_MONOTONIC, the owner's last packet */
	__u32 generation;         /* scan generation of the last packet; first_* belong to it */
	__u32 owner_hook;         /* FLOW_HOOK whose packets are counted */
	__u32 first_flow_label;   /* IPv6 flow label, 20 bits */
	__u8 tcp_flags;           /* union since the incarnation began */
	__u8 first_traffic_class; /* IPv4 TOS or IPv6 traffic class: DSCP << 2 | ECN */
	__u8 first_ttl;
	__u8 flags;              /* enum flow_way_flag */
	__u32 candidate_hook;    /* another hook that sees this direction, or 0 */
	__u32 candidate_packets; /* held: seen there since the owner's last packet */
	__u64 candidate_bytes;
};

/* flow_stats.flags */
enum flow_flag {
	FLOW_SYN_REPEATED = 1 << 0, /* more than one SYN: handshake latency is unknown */
	FLOW_HAS_MAC = 1 << 1,      /* source_mac was read from an Ethernet header */
	FLOW_HAS_DETAILS = 1 << 2,  /* FLOW_DETAILS has an entry under the same key */
};

/*
 * flow_stats.tcp_state: what the unions of the flags do not tell. `<< way` of the sender where it says so. Of
 * the owner hooks' packets alone, as all that is told of TCP.
 */
enum flow_tcp_state {
	FLOW_TCP_SEQUENCE = 1 << 0,   /* << way: sequence_end is known */
	FLOW_TCP_FIN_ACTIVE = 1 << 2, /* << way: sent its FIN before it acknowledged the other end's */
	FLOW_TCP_FIN_ACKED = 1 << 4,  /* << way: the other end acknowledged its FIN */
	FLOW_TCP_ESTABLISHED =
		1 << 6, /* the initiator acknowledged the SYN-ACK, or the responder sent payload */
	FLOW_TCP_SIMULTANEOUS = 1 << 7, /* each end sent a SYN of its own accord */
};

/* flow_stats.initiator */
enum flow_initiator {
	FLOW_INITIATOR_UNKNOWN = 0,
	FLOW_INITIATOR_LOW = 1,  /* FLOW_LOW_TO_HIGH + 1 */
	FLOW_INITIATOR_HIGH = 2, /* FLOW_HIGH_TO_LOW + 1 */
};

/* One flow. 256 bytes: a line for each direction and two shared ones. */
struct flow_stats {
	struct flow_way_stats ways[2];
	/* shared */
	__u64 socket_cookie;
	__u64 base_packets[2]; /* ways[].packets when this incarnation began */
	__u64 base_bytes[2];
	__u64 syn_ns;          /* CLOCK_MONOTONIC of the incarnation's SYN, 0 unknown */
	__u64 payload_ns;      /* CLOCK_MONOTONIC: last new payload of a request without a response, 0 none */
	__u64 response_sum_ns; /* of the times from payload_ns to the first new payload of the responder */
	__u32 incarnation;     /* 0 for the first life of the 5-tuple in this entry */
	__u32 handshake_ns;    /* SYN-ACK minus the SYN it answers, 0 unknown */
	__u32 response_count;
	__u32 response_jitter_ns;   /* RFC 3550, 6.4.1, over consecutive ones */
	__u32 response_previous_ns; /* saturating */
	__u32 sequence_end[2];      /* highest sequence number behind what was sent; SYN and FIN take one */
	__u32 sequence_raised[2];   /* CLOCK_MONOTONIC >> 16 */
	__u16 retransmits[2];       /* packets; wrap: the reader takes differences */
	__u16 out_of_order[2];
	__u16 candidate_delay_ms[2]; /* the candidate's last packet after the owner's last, saturating */
	__u16 vlan_id;               /* outermost tag, 0 none */
	__u8 source_mac[6];          /* innermost Ethernet source of the incarnation's first packet */
	__u8 first_icmp_type[2];     /* as ways[].first_*; by direction */
	__u8 first_icmp_code[2];
	__u8 first_way; /* direction of the incarnation's first packet */
	__u8 initiator; /* enum flow_initiator, of this incarnation */
	__u8 tcp_state; /* enum flow_tcp_state */
	__u8 flags;     /* enum flow_flag */
};

/* How one IP packet is carried by another (flow_layer.encapsulation). 0: not at all. */
enum flow_encapsulation {
	ENCAPSULATION_NONE = 0,
	ENCAPSULATION_VXLAN = 1,
	ENCAPSULATION_VXLAN_GPE = 2,
	ENCAPSULATION_GENEVE = 3,
	ENCAPSULATION_GRE = 4,    /* IP, Ethernet (NVGRE) or MPLS inside */
	ENCAPSULATION_ERSPAN = 5, /* types I, II and III in GRE */
	ENCAPSULATION_IPIP = 6,   /* IPv4 in IPv4 */
	ENCAPSULATION_IP6IP6 = 7, /* IPv6 in IPv6 */
	ENCAPSULATION_6IN4 = 8,   /* IPv6 in IPv4 */
	ENCAPSULATION_4IN6 = 9,   /* IPv4 in IPv6 */
	ENCAPSULATION_GTP = 10,
	ENCAPSULATION_FOU = 11, /* IP or GRE directly in UDP */
	ENCAPSULATION_TEREDO = 12,
	/* Not read through: the flow is that of the packets that carry it. */
	ENCAPSULATION_WIREGUARD = 13,
	ENCAPSULATION_ESP_IN_UDP = 14,
	ENCAPSULATION_ESP = 15,
};

/* flow_layer.flags */
enum flow_layer_flag {
	FLOW_LAYER_HAS_ID_LOW = 1 << 0, /* id[FLOW_LOW_TO_HIGH] is set */
	FLOW_LAYER_HAS_ID_HIGH = 1 << 1,
	FLOW_LAYER_SEEN_LOW = 1 << 2, /* what is by way was seen low to high */
	FLOW_LAYER_SEEN_HIGH = 1 << 3,
};

/* Flags of the life before stand so many bits higher, while what they say is still there. */
#define FLOW_LAYER_OLD_LIFE_SHIFT 4

/*
 * The headers of one encapsulation, as its first packet of each way of the flow had them: the ways may come
 * through tunnels of their own, or out of one mirror. Of several encapsulations or IP versions the first is
 * kept.
 */
struct flow_layer {
	__u8 source[2][16]; /* by way; network order, IPv4 as ::ffff:a.b.c.d */
	__u8 destination[2][16];
	__u32 id[2];        /* by way: VNI, GRE key, ERSPAN session, TEID; host order */
	__be16 ports[2][2]; /* by way: source, destination; 0 where the transport has none */
	__u32 ah_spi[2];    /* by way: of an authentication header in front of the encapsulation, 0 none */
	__u8 encapsulation; /* enum flow_encapsulation; 0: there is no such layer */
	__u8 ip_version;    /* of the encapsulating packets */
	__u8 protocol;      /* their transport: 17, 47, 4, 41 */
	__u8 flags;         /* enum flow_layer_flag */
};

/* Index in the arrays of flow_details. */
enum flow_layer_index {
	FLOW_LAYER_TUNNEL = 0, /* the outermost encapsulation */
	FLOW_LAYER_IPIP = 1,   /* the outermost IP-in-IP inside of that */
};

/* flow_details.flags */
enum flow_details_flag {
	FLOW_DETAILS_HAS_MAC_LOW = 1 << 0,  /* tunnel_mac is the source of a packet low to high */
	FLOW_DETAILS_HAS_MAC_HIGH = 1 << 1, /* … high to low; at most one of the two */
	FLOW_DETAILS_WIREGUARD = 1 << 2,    /* WireGuard messages were seen */
};

/*
 * Value of FLOW_DETAILS, key struct flow_key: what few flows have. Exists where FLOW_HAS_DETAILS is set.
 * Counts run on through incarnations, as those of flow_stats; base_* are what they were when the present one
 * began.
 */
struct flow_details {
	struct flow_layer layers[2]; /* by enum flow_layer_index */
	__u64 overhead_bytes[2]
			    [2]; /* by layer and way: bytes of the outer packets beyond the next layer told */
	__u64 base_overhead_bytes[2][2];
	__u64 fragments; /* IP fragments counted in the flow, both ways */
	__u64 base_fragments;
	__u64 tunnel_seen_ns[2];  /* by way, CLOCK_MONOTONIC: tunnel_hook's last packet */
	__u32 tunnel_hook[2];     /* by way: FLOW_HOOK whose encapsulated packets give overhead_bytes */
	__u32 esp_spi[2];         /* by way, of the flow's own packets (ESP, ESP in UDP); 0 none */
	__u32 ah_spi[2];          /* by way, of an authentication header before the transport */
	__u32 wireguard_index[2]; /* by end (0 low, 1 high): the index that end chose; 0 not seen */
	__u8 tunnel_mac[6];       /* Ethernet source of the outermost frame */
	__u8 flags;               /* enum flow_details_flag */
	__u8 depth; /* encapsulations of the hook whose view the layers are: low to high in the low half */
};

/* flow_event.kind */
enum flow_event_kind {
	FLOW_EVENT_OPENED = 1,   /* struct flow_event */
	FLOW_EVENT_REOPENED = 2, /* struct flow_reopened_event: a SYN on a closed 5-tuple */
	FLOW_EVENT_OVERFLOW = 3, /* struct flow_overflow_event: a packet that found no room in FLOW_STATS */
	FLOW_EVENT_PRESSURE = 4, /* struct flow_event, key all zero: FLOW_STATS is nearly full */
};

struct flow_event {
	struct flow_key key;
	__u64 time_ns;     /* CLOCK_MONOTONIC of the packet */
	__u8 kind;         /* enum flow_event_kind */
	__u8 way;          /* enum flow_way of the packet */
	__u8 tcp_flags[2]; /* reopened: union of the old life; else the packet's, by way */
	__u32 incarnation; /* reopened: of the new life; pressure: entries in use; else 0 */
};

/* The end of one incarnation and the beginning of the next. 256 bytes. */
struct flow_reopened_event {
	struct flow_event event;
	__u64 packets[2]; /* ways[].packets at that moment: the new life's base */
	__u64 bytes[2];
	__u64 first_seen_ns[2]; /* of the old life's last generation */
	__u64 last_seen_ns[2];
	__u64 overhead_bytes[2][2]; /* flow_details.base_overhead_bytes of the new life, 0 without details */
	__u64 fragments;            /* flow_details.base_fragments, likewise */
	__u32 handshake_ns;         /* of the old life, 0 unknown */
	__u32 first_flow_label[2];
	__u8 first_traffic_class[2];
	__u8 first_ttl[2];
	__u16 vlan_id;
	__u8 source_mac[6]; /* zero: none */
	/* What is left are the fields of flow_stats at the old life's end. */
	__u64 response_sum_ns;
	__u32 response_count;
	__u32 response_jitter_ns;
	__u16 retransmits[2];
	__u16 out_of_order[2];
	__u8 tcp_state;
	__u8 padding[39];
};

/* A packet whose flow is in no entry: all that there is of it. 96 bytes. */
struct flow_overflow_event {
	struct flow_event event;
	__u32 packets; /* on the wire */
	__u32 bytes;   /* layer 3 */
	__u32 hook;    /* FLOW_HOOK it was seen at */
	__u32 flow_label;
	__u16 vlan_id;
	__u8 traffic_class;
	__u8 ttl;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 entered; /* 1: it had entered this node before, as FLOW_WAY_ENTERED */
	__u8 padding;
	__u8 source_mac[6]; /* zero: none */
	__u8 padding_end[2];
};

/*
 * Value of INTERFACES (per CPU), key __u32 ifindex, and of INTERFACES_DIRECT, an array by the lowest bits of
 * the index, which is looked at first because an array costs a tenth of a hash. An interface is in one of
 * them: in the array unless another holds its place. Written once by the agent, before attaching.
 */
struct interface_stats {
	__u64 packets[2]; /* on the wire; [0] ingress, [1] egress */
	__u64 bytes[2];   /* layer 2 as the kernel's skb->len has it */
	__u32 link_layer; /* enum link_layer */
	__u32 ifindex;    /* whose entry it is; 0 none */
};

#define INTERFACES_DIRECT_SIZE 256 /* a power of two */

enum link_layer {
	LINK_LAYER_ETHERNET = 0,
	LINK_LAYER_NONE = 1, /* packets begin with the IP header */
};

/*
 * Value of RELATED_INTERFACES, key __u32 ifindex. Devices through which a packet seen at this one
 * also passes: on the same side (stacked: a VLAN and its parent, a bridge and its port) or on the
 * opposite side (the other end of a veth pair in the same namespace). 0 ends a list.
 */
#define RELATED_INTERFACES_SIZE 8
struct related_interfaces {
	__u32 same_side[RELATED_INTERFACES_SIZE];
	__u32 opposite_side;
	__u32 padding;
};

/* SCAN, one element, mmapable: written by the agent, read by the programs. */
struct scan_state {
	__u32 generation;          /* advances at each scan, from 1; 0: nobody reads, nothing is counted */
	__u32 attached_generation; /* in which a hook was attached last */
	__u64 heartbeat_ns;        /* CLOCK_MONOTONIC of the last scan */
	__u64 removed;             /* entries the agent has taken out of FLOW_STATS, ever */
	__u32 pressure_entries;    /* entries in use beyond which FLOW_EVENT_PRESSURE is sent; 0: never */
	__u32 padding;
};

/* TABLE_USE, one element: written by the programs alone. */
struct table_use {
	__u64 created;            /* entries ever made in FLOW_STATS */
	__u32 pressed_generation; /* scan generation in which FLOW_EVENT_PRESSURE was sent last */
	__u32 padding;
};

/* flow_exported.flags */
enum flow_exported_flag {
	/* never in a map: */
	FLOW_EXPORTED_ENDED = 1 << 0,    /* the flow's last record is acknowledged */
	FLOW_EXPORTED_OF_TAKEN = 1 << 1, /* the flow is in FLOW_TAKEN */
	FLOW_EXPORTED_BEGUN = 1 << 2,    /* written in advance: a life's first record is about to be told */
	FLOW_EXPORTED_NEXT = 1 << 3,     /* likewise, of a later life: only next_* are set */
	/* kept: */
	FLOW_EXPORTED_TRANSLATED = 1 << 4, /* the trace is that of the translated tuple */
};

/*
 * Value of FLOW_EXPORTED, key struct flow_key: what was told of a flow and acknowledged, for the agent that
 * comes after this one. Written and read by agents alone. Counts are those of flow_stats and flow_details at
 * the last record acknowledged.
 */
struct flow_exported {
	__u64 packets[2]; /* by way */
	__u64 bytes[2];
	__u64 base_packets[2]; /* where the life began that was told last */
	__u64 base_bytes[2];
	__u64 flow_start_ns; /* wall clock: of that life */
	__u64 record_end_ns; /* wall clock: of the last record */
	__u64 told_ns;       /* CLOCK_MONOTONIC: when the last record was made */
	__u64 response_sum_ns;
	__u32 record_number; /* of the next record */
	__u32 incarnation;
	__u32 response_count;
	__u8 orientation; /* the agent's own */
	__u8 kind;        /* span kind */
	__u8 flags;       /* enum flow_exported_flag */
	__u8 padding;
	__u16 retransmits[2];
	__u16 out_of_order[2];
	__u64 overhead_bytes[2][2];
	__u64 fragments;
	__u64 next_start_ns;    /* wall clock: of the life told since, 0 none */
	__u32 next_incarnation; /* its incarnation */
	__u32 padding_end;
};

/*
 * Value of FLOW_TAKEN, key struct flow_key: a flow that was taken out of FLOW_STATS and whose last record is
 * not acknowledged. Entries of FLOW_EXPORTED that come before its end are its own, those that have begun
 * since are of another flow with the same key.
 */
struct flow_taken {
	struct flow_stats stats;
	struct flow_exported told; /* zero: nothing */
};

/* flow_removal.outcome */
enum flow_removal_outcome {
	FLOW_REMOVAL_ABSENT = 0, /* there was none */
	FLOW_REMOVAL_TAKEN = 1,  /* it is gone, `stats` has its last value */
	FLOW_REMOVAL_STAYS = 2,  /* it had a packet of late */
	FLOW_REMOVAL_BUSY = 3,   /* its bucket was locked: to be asked for again */
};

/* Flows that one run of flows_remove takes: some 20 µs, in which the CPU handles no packet. */
#define FLOW_REMOVALS 64

/* Element of REMOVALS, mmapable: what the agent asks flows_remove for, and its answer. */
struct flow_removal {
	struct flow_key key;
	struct flow_stats stats;
	__u32 outcome; /* enum flow_removal_outcome */
	__u32 padding;
};

/* One entry of FLOW_EXPORTED as the agent hands it to the shim. */
struct flow_exported_entry {
	struct flow_key key;
	struct flow_exported value;
};

/*
 * FRAGMENTS (LRU): what the first fragment of a datagram says of the later ones. Direction as on the wire.
 */
struct fragment_key {
	__u8 source[16];
	__u8 destination[16];
	__u32 identification; /* network order; 16 bits of IPv4 in the low half */
	__u32 tunnel_id;      /* as in struct flow_key */
	__u16 vlan_id;        /* as in struct flow_key */
	__u8 protocol;        /* IPv4; 0 for IPv6, whose later fragments need not name it */
	__u8 ip_version;
	__u32 padding;
};

/* fragment_ports.flags */
enum fragment_flag {
	FRAGMENT_WAITING = 1 << 0,      /* later fragments came, the first did not yet */
	FRAGMENT_ENCAPSULATED = 1 << 1, /* the datagram carries another packet, which is the flow */
};

struct fragment_ports {
	__u64 seen_ns; /* CLOCK_MONOTONIC of the first fragment; waiting: of the last */
	__u32 waiting; /* later fragments that came before the first */
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol;
	__u8 icmp_pairing; /* enum icmp_pairing */
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 flags; /* enum fragment_flag */
	__u8 padding[3];
};

/*
 * Filters. A flow is left out in the kernel only if it would be whichever end were the source. Bits of a mask
 * say in which of the lists an address (port) stands.
 */
enum filter_list {
	FILTER_SOURCE_MATCH = 1 << 0,
	FILTER_SOURCE_NOT_MATCH = 1 << 1,
	FILTER_DESTINATION_MATCH = 1 << 2,
	FILTER_DESTINATION_NOT_MATCH = 1 << 3,
};

/* FILTER_ADDRESSES (LPM_TRIE): prefix -> __u32 mask; each prefix's mask contains those of the wider ones. */
struct filter_prefix {
	__u32 bits;       /* 0 to 128; IPv4 as ::ffff:0:0/96 and below */
	__u8 address[16]; /* network order */
};

/* FILTER_RULES, one element: written by the agent before attaching. */
struct filter_rules {
	__u8 ports[65536];        /* mask of enum filter_list by port, host order */
	__u8 protocols[256];      /* bit 0 in network.transport.match, bit 1 in not_match */
	__u8 ip_versions[8];      /* likewise for network.type, by 4 and 6 */
	__u32 address_lists;      /* enum filter_list: address lists that are not empty */
	__u32 port_lists;         /* likewise */
	__u32 has_protocol_match; /* 1: network.transport.match is not empty */
	__u32 has_version_match;  /* 1: network.type.match is not empty */
	__u32 has_addresses;      /* 1: FILTER_ADDRESSES has entries */
	__u32 padding;
};

/*
 * COUNTERS (per CPU): index -> struct counter. Never renumbered and never of another size, in whatever schema
 * version: an agent reads what one of another version left. First enum counter_reason, by the programs; then
 * what agents have shown of each (COUNTER_SHOWN); at the end enum counter_account.
 */
#define COUNTERS_ENTRIES 64
struct counter {
	__u64 packets;
	__u64 bytes; /* layer 3 where it was read, else skb->len */
};

enum counter_reason {
	COUNTER_ACCOUNTED = 0,        /* added to a flow by its owner hook */
	COUNTER_DUPLICATE = 1,        /* seen at another hook before or after its owner */
	COUNTER_TAKEN_OVER = 2,       /* held by a candidate, then added (also in ACCOUNTED) */
	COUNTER_RING_FULL = 3,        /* an event was not sent; the scan finds the flow */
	COUNTER_MAP_FULL = 4,         /* no room for a new flow nor for its event: packet not in any flow */
	COUNTER_MAP_BUSY = 5,         /* the map's lock was taken, or the entry was: packet not in any flow */
	COUNTER_NOT_IP = 6,           /* ARP and whatever else is not IP by design */
	COUNTER_UNSUPPORTED_LINK = 7, /* an encapsulation that is not read */
	COUNTER_MALFORMED_LINK = 8,   /* Ethernet or VLAN header cut short */
	COUNTER_MALFORMED_IPV4 = 9,
	COUNTER_MALFORMED_IPV6 = 10,
	COUNTER_MALFORMED_TCP = 11,
	COUNTER_MALFORMED_UDP = 12,  /* UDP and UDP-Lite */
	COUNTER_MALFORMED_SCTP = 13, /* SCTP and DCCP */
	COUNTER_MALFORMED_ICMP = 14, /* ICMP and ICMPv6 */
	COUNTER_PARSE_DEPTH = 15,    /* more extension headers or tags than are walked */
	COUNTER_FRAGMENT = 16,       /* later fragment before or without its first: a flow without ports */
	COUNTER_MALFORMED_EXTENSION = 17, /* IPv6 extension header cut short */
	COUNTER_FRAGMENT_REORDERED = 18,  /* of COUNTER_FRAGMENT: the first fragment came afterwards */
	COUNTER_FRAGMENT_ENCAPSULATED =
		19, /* later fragment of a datagram that carries a packet told by its first */
	COUNTER_ENCAPSULATED_UNREAD =
		20,                /* what is inside was not read: counted in the flow of the outer headers */
	COUNTER_DETAILS_FULL = 21, /* a flow's tunnel headers or fragments had no room: told without them */
	COUNTER_OVERFLOW = 22,     /* no room for a new flow: sent as an event instead */
	COUNTER_FILTERED = 23,     /* left out by [filter.*] */
	COUNTER_SAMPLED_OUT = 24,  /* left out by capture.sampling */
	COUNTER_REASONS = 25,
};

/*
 * Index of what agents have shown of a reason on their metrics or in their log, by agents alone: the rest is
 * the next one's to show. Of COUNTER_ACCOUNTED, whose packets enum counter_account has, only the bytes mean
 * something.
 */
#define COUNTER_SHOWN(reason) (32 + (reason))
#define COUNTER_MOST_REASONS 30

/* Of COUNTER_ACCOUNTED; in packets, by agents alone. */
enum counter_account {
	ACCOUNT_SET_OFF = 62, /* told by an agent of another schema version, as a loss */
	ACCOUNT_TOLD = 63,    /* told and acknowledged, or of flows that have ended */
};

#endif
