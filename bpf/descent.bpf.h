/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * From a packet that carries another to the innermost one that can be read whole:
 *
 *   outermost ──▶ open_encapsulation() ──▶ parse_inner() ──▶ … at most MAX_ENCAPSULATIONS times
 *
 * Where what is inside cannot be read, the flow is that of the last packet that was.
 */
#ifndef MERMIN_DESCENT_BPF_H
#define MERMIN_DESCENT_BPF_H

#define MAX_ENCAPSULATIONS 3

/* What is inside of a first fragment may be longer than the fragment. */
#define MAX_IP_BYTES 65535

/* One encapsulation of the packet in hand, as its carrier had it. */
struct carrier {
	__u64 source[2];
	__u64 destination[2];
	__u32 network_offset;
	__u32 network_bytes;
	__u64 overhead_bytes; /* of every packet on the wire that the one in hand stands for */
	__u32 id;
	__u32 ah_spi;
	__be16 source_port;
	__be16 destination_port;
	__u8 encapsulation; /* enum flow_encapsulation; 0: there is no such layer */
	__u8 ip_version;
	__u8 protocol;
	__u8 has_id;
	__u8 is_fragment;
	__u8 jumbo_bytes;
	__u8 padding[6];
};

struct descent {
	struct carrier carriers[2]; /* by enum flow_layer_index */
	struct packet
		inner[MAX_ENCAPSULATIONS]; /* the packet inside of the outermost, the one inside of that … */
	struct encapsulation found;
	__u8 has_ethernet; /* of the outermost frame */
	__u8 depth;        /* encapsulations opened */
};

/* The packet in hand is too large for the stack; programs of one CPU never interrupt each other here. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct descent);
	__uint(max_entries, 1);
} DESCENT SEC(".maps");

static __always_inline struct descent *find_descent(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&DESCENT, &zero);
}

/* Reads the packet inside up to its transport header. A function of its own to the verifier: called for each
 * depth. */
__noinline int parse_inner(struct __sk_buff *skb, struct packet *packet)
{
	int reason = 0;

	if (!packet)
		return COUNTER_MALFORMED_LINK;
	if (packet->ethertype == ETHERTYPE_ETHERNET)
		reason = parse_ethernet(skb, packet);
	if (!reason)
		reason = parse_network(skb, packet);
	return reason ? reason : parse_transport(skb, packet);
}

/*
 * The key's tunnel id inside of `found`. A TEID is chosen by each receiver: with it both directions of a flow
 * would have keys of their own. What a mirror session carries is a copy, and never the same flow as the
 * original.
 */
static __always_inline __u32 key_tunnel_id(const struct encapsulation *found, const struct packet *packet)
{
	if (found->kind == ENCAPSULATION_ERSPAN)
		return FLOW_KEY_MIRRORED | found->id;
	if (key_includes_tunnel_id && found->has_id && found->kind != ENCAPSULATION_GTP)
		return (packet->tunnel_id & FLOW_KEY_MIRRORED) | found->id;
	return packet->tunnel_id;
}

static __always_inline void begin_inner(const struct encapsulation *found, const struct packet *packet,
                                        struct packet *inner)
{
	__builtin_memset(inner, 0, sizeof(*inner));
	inner->hook = packet->hook;
	inner->vlan_id = packet->vlan_id;
	inner->offset = found->offset;
	inner->ethertype = found->ethertype;
	inner->length = packet->is_fragment ? found->offset + MAX_IP_BYTES : packet_end(packet);
	inner->tunnel_id = key_tunnel_id(found, packet);
	inner->is_encapsulated = 1;
	inner->has_details = 1;
}

static __always_inline int is_ip_in_ip(__u8 encapsulation)
{
	return encapsulation >= ENCAPSULATION_IPIP && encapsulation <= ENCAPSULATION_4IN6;
}

static __always_inline void note_carrier(struct carrier *carrier, const struct packet *packet,
                                         const struct encapsulation *found)
{
	carrier->source[0] = packet->source[0];
	carrier->source[1] = packet->source[1];
	carrier->destination[0] = packet->destination[0];
	carrier->destination[1] = packet->destination[1];
	carrier->network_offset = packet->network_offset;
	carrier->network_bytes = packet->network_bytes;
	carrier->id = found->id;
	carrier->has_id = found->has_id;
	carrier->ah_spi = packet->ah_spi;
	carrier->source_port = packet->source_port;
	carrier->destination_port = packet->destination_port;
	carrier->encapsulation = found->kind;
	carrier->ip_version = packet->ip_version;
	carrier->protocol = packet->protocol;
	carrier->is_fragment = packet->is_fragment;
	carrier->jumbo_bytes = packet->jumbo_bytes;
}

/* The first encapsulation is the tunnel, the first IP-in-IP inside of it is told beside. */
static __always_inline void note_carriers(struct descent *descent, const struct packet *packet, int depth)
{
	struct carrier *tunnel = &descent->carriers[FLOW_LAYER_TUNNEL];
	struct carrier *ipip = &descent->carriers[FLOW_LAYER_IPIP];

	if (!depth)
		note_carrier(tunnel, packet, &descent->found);
	else if (!ipip->encapsulation && is_ip_in_ip(descent->found.kind))
		note_carrier(ipip, packet, &descent->found);
}

/* Whether an IP header says how long its packet is: in a first fragment nothing else does. */
static __always_inline int has_length(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 place = packet->ip_version == 4 ? offsetof(struct ipv4_header, total_length)
	                                      : offsetof(struct ipv6_header, payload_length);
	__be16 *length = rare_header_at(skb, packet->network_offset + place, sizeof(*length));

	return length && *length;
}

/* Opens the encapsulation of `packet` into inner[depth]. 0, or a reason why what is inside was not read. */
static __always_inline int descend(struct __sk_buff *skb, struct descent *descent, struct packet *packet,
                                   int depth)
{
	struct packet *inner = &descent->inner[depth];
	int reason;

	if (!is_read_through(packet->encapsulation))
		return UNREAD;
	reason = open_encapsulation(skb, packet, &descent->found);
	if (reason)
		return reason;
	begin_inner(&descent->found, packet, inner);
	reason = parse_inner(skb, inner);
	/* Of what a first fragment carries the headers must be in the fragment. */
	if (!reason && inner->network_offset + inner->header_bytes + inner->jumbo_bytes > packet->carried_end)
		reason = UNREAD;
	if (!reason && packet->is_fragment && !has_length(skb, inner))
		reason = UNREAD;
	/* Segments of the carrier, each with a packet of its own inside: only the first could be read. */
	if (!reason && skb->gso_size && packet_end(inner) < packet->carried_end)
		reason = UNREAD;
	if (reason)
		return reason;
	bound_carried(inner, packet->carried_end);
	note_carriers(descent, packet, depth);
	descent->depth = depth + 1;
	if (packet->is_fragment)
		follow_fragment(skb, packet, FRAGMENT_ENCAPSULATED);
	return 0;
}

/*
 * Bytes of the carrier beyond the packet it carries, for all packets on the wire: headers are repeated in
 * each, what stands behind the carried packet (padding) is counted as the frame has it.
 */
static __always_inline __u64 overhead_bytes(const struct carrier *carrier, __u32 inner_offset,
                                            __u32 inner_bytes, __u32 segments)
{
	__u32 headers = inner_offset - carrier->network_offset - carrier->jumbo_bytes;
	__u32 difference = carrier->network_bytes - inner_bytes;

	if (carrier->is_fragment || carrier->network_bytes < inner_bytes)
		difference = inner_offset - carrier->network_offset;
	return difference + (__u64)(segments - 1) * headers;
}

static __always_inline void measure_overhead(struct descent *descent, const struct packet *packet)
{
	struct carrier *tunnel = &descent->carriers[FLOW_LAYER_TUNNEL];
	struct carrier *ipip = &descent->carriers[FLOW_LAYER_IPIP];
	__u32 offset = packet->network_offset, bytes = packet->network_bytes;

	if (ipip->encapsulation) {
		ipip->overhead_bytes = overhead_bytes(ipip, offset, bytes, packet->segments);
		offset = ipip->network_offset;
		bytes = ipip->network_bytes;
	}
	tunnel->overhead_bytes = overhead_bytes(tunnel, offset, bytes, packet->segments);
}

#endif
