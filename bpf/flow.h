/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The ABI between the BPF programs, the shim and the agent. All integers are in host byte order
 * unless their type says otherwise. src/capture/record.ts decodes these structures by offset;
 * test/abi compares both. A change of layout raises MERMIN_SCHEMA_VERSION.
 */
#ifndef MERMIN_FLOW_H
#define MERMIN_FLOW_H

#include <linux/types.h>

#define MERMIN_SCHEMA_VERSION 1

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
	__u32 tunnel_id;   /* 0 unless flow.key_includes names it */
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
};

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
	__u64 syn_ns;     /* CLOCK_MONOTONIC of the incarnation's SYN, 0 unknown */
	__u64 payload_ns; /* last payload byte of the present request */
	__u64 response_sum_ns;
	__u32 incarnation;  /* 0 for the first life of the 5-tuple in this entry */
	__u32 handshake_ns; /* SYN-ACK minus the SYN it answers, 0 unknown */
	__u32 response_count;
	__u32 response_jitter_ns;
	__u32 response_previous_ns;
	__u32 sequence_end[2];
	__u32 sequence_raised[2]; /* CLOCK_MONOTONIC >> 16 */
	__u16 retransmits[2];     /* wrap; the reader takes differences */
	__u16 out_of_order[2];
	__u16 candidate_delay_ms[2]; /* the candidate's last packet after the owner's last, saturating */
	__u16 vlan_id;               /* outermost tag, 0 none */
	__u8 source_mac[6];          /* Ethernet source of the incarnation's first packet */
	__u8 first_icmp_type[2];     /* as ways[].first_*; by direction */
	__u8 first_icmp_code[2];
	__u8 first_way; /* direction of the incarnation's first packet */
	__u8 initiator; /* enum flow_initiator, of this incarnation */
	__u8 tcp_state;
	__u8 flags; /* enum flow_flag */
};

/* flow_event.kind */
enum flow_event_kind {
	FLOW_EVENT_OPENED = 1,   /* struct flow_event */
	FLOW_EVENT_REOPENED = 2, /* struct flow_reopened_event: a SYN on a closed 5-tuple */
};

struct flow_event {
	struct flow_key key;
	__u64 time_ns;     /* CLOCK_MONOTONIC of the packet */
	__u8 kind;         /* enum flow_event_kind */
	__u8 way;          /* enum flow_way of the packet */
	__u8 tcp_flags[2]; /* reopened: union of the old life */
	__u32 incarnation; /* opened: 0; reopened: of the new life */
};

/* The end of one incarnation and the beginning of the next. */
struct flow_reopened_event {
	struct flow_event event;
	__u64 packets[2]; /* ways[].packets at that moment: the new life's base */
	__u64 bytes[2];
	__u64 first_seen_ns[2]; /* of the old life's last generation */
	__u64 last_seen_ns[2];
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
	__u32 generation;          /* advances at each scan, from 1 */
	__u32 attached_generation; /* in which a hook was attached last */
	__u64 heartbeat_ns;        /* CLOCK_MONOTONIC of the last scan */
};

/* COUNTERS (per CPU): index -> struct counter. Only grows; never renumbered. */
struct counter {
	__u64 packets;
	__u64 bytes; /* layer 3 where it was read, else skb->len */
};

enum counter_reason {
	COUNTER_ACCOUNTED = 0,        /* added to a flow by its owner hook */
	COUNTER_DUPLICATE = 1,        /* seen at another hook before or after its owner */
	COUNTER_TAKEN_OVER = 2,       /* held by a candidate, then added (also in ACCOUNTED) */
	COUNTER_RING_FULL = 3,        /* an event was not sent; the scan finds the flow */
	COUNTER_MAP_FULL = 4,         /* no room for a new flow: packet not in any flow */
	COUNTER_MAP_BUSY = 5,         /* the map's lock was taken: packet not in any flow */
	COUNTER_NOT_IP = 6,           /* ARP and whatever else is not IP by design */
	COUNTER_UNSUPPORTED_LINK = 7, /* an encapsulation that is not read */
	COUNTER_MALFORMED_LINK = 8,   /* Ethernet or VLAN header cut short */
	COUNTER_MALFORMED_IPV4 = 9,
	COUNTER_MALFORMED_IPV6 = 10,
	COUNTER_MALFORMED_TCP = 11,
	COUNTER_MALFORMED_UDP = 12,       /* UDP and UDP-Lite */
	COUNTER_MALFORMED_SCTP = 13,      /* SCTP and DCCP */
	COUNTER_MALFORMED_ICMP = 14,      /* ICMP and ICMPv6 */
	COUNTER_PARSE_DEPTH = 15,         /* more extension headers or tags than are walked */
	COUNTER_FRAGMENT = 16,            /* later fragment: counted in a flow without ports */
	COUNTER_MALFORMED_EXTENSION = 17, /* IPv6 extension header cut short */
	COUNTER_REASONS = 18,
};

#endif
