/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * From the first byte of the frame to the transport header. Each parser advances packet->offset and
 * returns 0, or the reason (enum counter_reason) why the packet can be in no flow.
 */
#ifndef MERMIN_PARSE_BPF_H
#define MERMIN_PARSE_BPF_H

#define ETHERNET_HEADER_BYTES 14
#define VLAN_HEADER_BYTES 4
#define MAX_VLAN_TAGS 2 /* in the frame; one more may be in skb->vlan_tci */
#define VLAN_ID_MASK 0x0fff
#define MAX_MPLS_LABELS 4
#define MPLS_LABEL_BYTES 4
#define MPLS_BOTTOM_OF_STACK 0x100
#define PPPOE_HEADER_BYTES 6
#define PPPOE_VERSION_TYPE 0x11
#define PPP_PROTOCOL_BYTES 2
#define PPP_IPV4 bpf_htons(0x0021)
#define PPP_IPV6 bpf_htons(0x0057)

#define ETHERTYPE_IPV4 bpf_htons(0x0800)
#define ETHERTYPE_IPV6 bpf_htons(0x86dd)
#define ETHERTYPE_VLAN bpf_htons(0x8100)
#define ETHERTYPE_QINQ bpf_htons(0x88a8)
#define ETHERTYPE_MPLS bpf_htons(0x8847)
#define ETHERTYPE_MPLS_MULTICAST bpf_htons(0x8848)
#define ETHERTYPE_PPPOE_SESSION bpf_htons(0x8864)
#define ETHERTYPE_ETHERNET bpf_htons(0x6558) /* transparent Ethernet bridging: a whole frame follows */

#define IPV4_MIN_HEADER_BYTES 20
#define IPV4_FRAGMENT_OFFSET 0x1fff
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV6_HEADER_BYTES 40
#define IPV6_FLOW_LABEL 0x000fffff
#define IPV6_FRAGMENT_OFFSET 0xfff8
#define IPV6_MORE_FRAGMENTS 0x0001
#define IPV6_JUMBO_HEADER_BYTES 8 /* the hop-by-hop header that BIG TCP puts before TCP */
#define MAX_EXTENSION_HEADERS 8

/* Extension headers (RFC 8200 and IANA's list); the transports are in transport.bpf.h. */
#define NEXT_HOP_BY_HOP 0
#define NEXT_ROUTING 43
#define NEXT_FRAGMENT 44
#define NEXT_AUTHENTICATION 51
#define NEXT_NONE 59
#define NEXT_DESTINATION 60
#define NEXT_MOBILITY 135
#define NEXT_HIP 139
#define NEXT_SHIM6 140

struct ethernet_header {
	__u8 destination[6];
	__u8 source[6];
	__be16 ethertype;
} __attribute__((packed));

struct vlan_header {
	__be16 tci;
	__be16 ethertype;
};

struct pppoe_header {
	__u8 version_type;
	__u8 code;
	__be16 session;
	__be16 length; /* of what follows, the PPP protocol included */
	__be16 protocol;
};

struct ipv4_header {
	__u8 version_ihl;
	__u8 tos;
	__be16 total_length;
	__be16 identification;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__be16 checksum;
	__be32 source;
	__be32 destination;
} __attribute__((packed));

struct ipv6_header {
	__be32 version_class_label;
	__be16 payload_length;
	__u8 next_header;
	__u8 hop_limit;
	__u8 source[16];
	__u8 destination[16];
} __attribute__((packed));

struct extension_header {
	__u8 next_header;
	__u8 length;
	__be16 fragment; /* of a fragment header */
	__be32 rest;     /* of a fragment header its identification, of an authentication header its SPI */
};

static __always_inline int parse_vlan_tags(struct __sk_buff *skb, struct packet *packet)
{
	for (int depth = 0; depth < MAX_VLAN_TAGS; depth++) {
		struct vlan_header *vlan;

		if (packet->ethertype != ETHERTYPE_VLAN && packet->ethertype != ETHERTYPE_QINQ)
			return 0;
		vlan = header_at(skb, packet->offset, sizeof(*vlan));
		if (!vlan)
			return COUNTER_MALFORMED_LINK;
		if (!packet->vlan_id)
			packet->vlan_id = bpf_ntohs(vlan->tci) & VLAN_ID_MASK;
		packet->ethertype = vlan->ethertype;
		packet->offset += VLAN_HEADER_BYTES;
	}
	if (packet->ethertype == ETHERTYPE_VLAN || packet->ethertype == ETHERTYPE_QINQ)
		return COUNTER_PARSE_DEPTH;
	return 0;
}

/* An Ethernet header at packet->offset with its tags. */
static __always_inline int parse_ethernet(struct __sk_buff *skb, struct packet *packet)
{
	struct ethernet_header *ethernet = header_at(skb, packet->offset, sizeof(*ethernet));

	if (!ethernet)
		return COUNTER_MALFORMED_LINK;
	packet->ethertype = ethernet->ethertype;
	packet->offset += ETHERNET_HEADER_BYTES;
	packet->ethernet_end = packet->offset;
	return parse_vlan_tags(skb, packet);
}

static __always_inline int parse_link(struct __sk_buff *skb, struct packet *packet, __u32 link_layer)
{
	if (skb->vlan_present)
		packet->vlan_id = skb->vlan_tci & VLAN_ID_MASK;
	if (link_layer == LINK_LAYER_NONE) {
		packet->ethertype = skb->protocol;
		return 0;
	}
	return parse_ethernet(skb, packet);
}

/* The first nibble of an IP header tells its version; what stands behind MPLS and GTP-U says nothing else. */
static __always_inline __be16 ethertype_of_version(__u8 first_octet)
{
	if (first_octet >> 4 == 4)
		return ETHERTYPE_IPV4;
	return first_octet >> 4 == 6 ? ETHERTYPE_IPV6 : 0;
}

/* The header after the labels says whether it is IPv4 or IPv6: labels do not (RFC 3032, 2.2). */
static __always_inline int parse_mpls(struct __sk_buff *skb, struct packet *packet)
{
	__u8 *first;

	for (int depth = 0; depth < MAX_MPLS_LABELS; depth++) {
		__be32 *label = rare_header_at(skb, packet->offset, MPLS_LABEL_BYTES);

		if (!label)
			return COUNTER_MALFORMED_LINK;
		packet->offset += MPLS_LABEL_BYTES;
		if (!(bpf_ntohl(*label) & MPLS_BOTTOM_OF_STACK))
			continue;
		first = rare_header_at(skb, packet->offset, 1);
		if (!first)
			return COUNTER_MALFORMED_LINK;
		packet->ethertype = ethertype_of_version(*first);
		return packet->ethertype ? 0 : COUNTER_UNSUPPORTED_LINK;
	}
	return COUNTER_PARSE_DEPTH;
}

/* A PPPoE session (RFC 2516): what is not IP in it is PPP's own talk. */
static __always_inline int parse_pppoe(struct __sk_buff *skb, struct packet *packet)
{
	struct pppoe_header *pppoe = rare_header_at(skb, packet->offset, sizeof(*pppoe));
	__u32 end;

	if (!pppoe || pppoe->version_type != PPPOE_VERSION_TYPE || pppoe->code)
		return COUNTER_MALFORMED_LINK;
	end = packet->offset + PPPOE_HEADER_BYTES + bpf_ntohs(pppoe->length);
	if (end > packet->length || end < packet->offset + sizeof(*pppoe))
		return COUNTER_MALFORMED_LINK;
	packet->length = end;
	packet->offset += sizeof(*pppoe);
	packet->ethertype = pppoe->protocol == PPP_IPV4   ? ETHERTYPE_IPV4
	                    : pppoe->protocol == PPP_IPV6 ? ETHERTYPE_IPV6
	                                                  : 0;
	return packet->ethertype ? 0 : COUNTER_NOT_IP;
}

/* What stands between Ethernet and IP on some links. A function of its own to the verifier: it is rare. */
__noinline int parse_shim(struct __sk_buff *skb, struct packet *packet)
{
	if (!packet)
		return COUNTER_MALFORMED_LINK;
	switch (packet->ethertype) {
	case ETHERTYPE_MPLS:
	case ETHERTYPE_MPLS_MULTICAST: return parse_mpls(skb, packet);
	case ETHERTYPE_PPPOE_SESSION: return parse_pppoe(skb, packet);
	default: return COUNTER_NOT_IP;
	}
}

/* Mobility, HIP and shim6 may stand alone (next header 59): then they are the conversation. */
static __always_inline int is_conversation(__u8 extension)
{
	return extension == NEXT_MOBILITY || extension == NEXT_HIP || extension == NEXT_SHIM6;
}

static __always_inline int is_extension(__u8 next)
{
	return next == NEXT_HOP_BY_HOP || next == NEXT_ROUTING || next == NEXT_FRAGMENT ||
	       next == NEXT_AUTHENTICATION || next == NEXT_DESTINATION || is_conversation(next);
}

/* Reads the extension header `protocol` at packet->offset; its length goes to *bytes. */
static __always_inline int parse_extension(struct __sk_buff *skb, struct packet *packet, __u32 end,
                                           __u32 *bytes)
{
	struct extension_header *extension;
	__u8 kind = packet->protocol;

	if (packet->offset > MAX_HEADER_OFFSET)
		return COUNTER_PARSE_DEPTH;
	extension = rare_header_at(skb, packet->offset, sizeof(*extension));
	if (!extension)
		return COUNTER_MALFORMED_EXTENSION;
	if (kind == NEXT_FRAGMENT) {
		__u32 fragment = bpf_ntohs(extension->fragment);

		*bytes = sizeof(*extension);
		packet->is_fragment = (fragment & (IPV6_FRAGMENT_OFFSET | IPV6_MORE_FRAGMENTS)) != 0;
		packet->is_later_fragment = (fragment & IPV6_FRAGMENT_OFFSET) != 0;
		packet->identification = extension->rest;
	} else if (kind == NEXT_AUTHENTICATION) {
		*bytes = (extension->length + 2) * 4;
		packet->ah_spi = bpf_ntohl(extension->rest);
		packet->has_details = 1;
	} else {
		*bytes = (extension->length + 1) * 8;
	}
	if (packet->offset + *bytes > end)
		return COUNTER_MALFORMED_EXTENSION;
	packet->offset += *bytes;
	packet->header_bytes += *bytes;
	packet->protocol = extension->next_header;
	return 0;
}

/* An authentication header behind IPv4: what it protects is the conversation, as behind IPv6. */
__noinline int parse_authentication(struct __sk_buff *skb, struct packet *packet)
{
	__u32 bytes = 0;
	int reason;

	if (!packet)
		return COUNTER_MALFORMED_IPV4;
	reason = parse_extension(skb, packet, packet->network_offset + packet->network_bytes, &bytes);
	if (!reason && packet->protocol == NEXT_NONE)
		packet->protocol = NEXT_AUTHENTICATION;
	return reason;
}

static __always_inline int parse_ipv4(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv4_header *ip = header_at(skb, packet->offset, sizeof(*ip));
	__u32 available = bytes_after(packet, packet->offset);
	__u32 header_bytes, total, fragment;
	int reason = 0;

	if (!ip)
		return COUNTER_MALFORMED_IPV4;
	header_bytes = (ip->version_ihl & 0x0f) * 4;
	total = bpf_ntohs(ip->total_length);
	/* BIG TCP, and captures taken before segmentation offload: the length did not fit. */
	if (!total && (replay || skb->gso_size))
		total = available;
	if (ip->version_ihl >> 4 != 4 || header_bytes < IPV4_MIN_HEADER_BYTES || total < header_bytes ||
	    total > available)
		return COUNTER_MALFORMED_IPV4;

	fragment = bpf_ntohs(ip->fragment);
	packet->is_fragment = (fragment & (IPV4_FRAGMENT_OFFSET | IPV4_MORE_FRAGMENTS)) != 0;
	packet->is_later_fragment = (fragment & IPV4_FRAGMENT_OFFSET) != 0;
	packet->protocol = ip->protocol;
	packet->traffic_class = ip->tos;
	packet->ttl = ip->ttl;
	packet->source[0] = 0;
	packet->source[1] = bpf_htonl(0xffff) | (__u64)ip->source << 32;
	packet->destination[0] = 0;
	packet->destination[1] = bpf_htonl(0xffff) | (__u64)ip->destination << 32;
	packet->network_offset = packet->offset;
	packet->network_bytes = total;
	packet->header_bytes = header_bytes;
	packet->offset += header_bytes;
	if (packet->is_fragment) {
		packet->identification = ip->identification;
		packet->fragment_protocol = ip->protocol;
	}
	if (packet->protocol == NEXT_AUTHENTICATION && !packet->is_later_fragment)
		reason = parse_authentication(skb, packet);
	return reason;
}

/* A function of its own to the verifier, as account_unusual(): its loop would multiply with what follows. */
__noinline int parse_extensions(struct __sk_buff *skb, struct packet *packet)
{
	__u32 end;

	if (!packet)
		return COUNTER_MALFORMED_IPV6;
	end = packet->network_offset + packet->network_bytes;

	for (int depth = 0; depth < MAX_EXTENSION_HEADERS; depth++) {
		__u8 kind = packet->protocol;
		__u32 bytes = 0;
		int reason;

		if (!is_extension(kind) || packet->is_later_fragment)
			return 0;
		reason = parse_extension(skb, packet, end, &bytes);
		if (reason)
			return reason;
		if (packet->protocol == NEXT_NONE && is_conversation(kind)) {
			packet->protocol = kind;
			return 0;
		}
	}
	return is_extension(packet->protocol) && !packet->is_later_fragment ? COUNTER_PARSE_DEPTH : 0;
}

/*
 * Layer-3 length of an IPv6 packet. A payload length of 0 on a super-packet is BIG TCP (the 8-byte jumbo
 * header that the kernel adds is no part of what goes on the wire); otherwise it is meant.
 */
static __always_inline __u32 ipv6_bytes(struct __sk_buff *skb, const struct packet *packet,
                                        const struct ipv6_header *ip)
{
	__u32 payload = bpf_ntohs(ip->payload_length);
	__u32 available = bytes_after(packet, packet->offset);

	if (payload || ip->next_header == NEXT_NONE || (!replay && !skb->gso_size))
		return payload + IPV6_HEADER_BYTES;
	return available;
}

static __always_inline int parse_ipv6(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv6_header *ip = header_at(skb, packet->offset, sizeof(*ip));
	__u32 class_label, network_bytes, is_jumbo;
	int reason = 0;

	if (!ip)
		return COUNTER_MALFORMED_IPV6;
	class_label = bpf_ntohl(ip->version_class_label);
	network_bytes = ipv6_bytes(skb, packet, ip);
	if (class_label >> 28 != 6 || network_bytes < IPV6_HEADER_BYTES ||
	    network_bytes > bytes_after(packet, packet->offset))
		return COUNTER_MALFORMED_IPV6;

	is_jumbo = !ip->payload_length && ip->next_header == NEXT_HOP_BY_HOP &&
	           network_bytes > IPV6_HEADER_BYTES + IPV6_JUMBO_HEADER_BYTES;
	packet->protocol = ip->next_header;
	packet->traffic_class = class_label >> 20;
	packet->flow_label = class_label & IPV6_FLOW_LABEL;
	packet->ttl = ip->hop_limit;
	__builtin_memcpy(packet->source, ip->source, sizeof(packet->source));
	__builtin_memcpy(packet->destination, ip->destination, sizeof(packet->destination));
	packet->network_offset = packet->offset;
	packet->network_bytes = network_bytes;
	packet->header_bytes = IPV6_HEADER_BYTES;
	packet->offset += IPV6_HEADER_BYTES;
	if (is_extension(packet->protocol))
		reason = parse_extensions(skb, packet);
	if (is_jumbo) {
		packet->jumbo_bytes = IPV6_JUMBO_HEADER_BYTES;
		packet->network_bytes -= IPV6_JUMBO_HEADER_BYTES;
		packet->header_bytes -= IPV6_JUMBO_HEADER_BYTES;
	}
	return reason;
}

/* From the ethertype to the transport header. */
static __always_inline int parse_network(struct __sk_buff *skb, struct packet *packet)
{
	if (packet->ethertype != ETHERTYPE_IPV4 && packet->ethertype != ETHERTYPE_IPV6) {
		int reason = parse_shim(skb, packet);

		if (reason)
			return reason;
	}
	packet->ip_version = packet->ethertype == ETHERTYPE_IPV4 ? 4 : 6;
	return packet->ethertype == ETHERTYPE_IPV4 ? parse_ipv4(skb, packet) : parse_ipv6(skb, packet);
}

/* From the first byte of the frame to the transport header. */
static __always_inline int parse_headers(struct __sk_buff *skb, struct packet *packet, __u32 link_layer)
{
	int reason = parse_link(skb, packet, link_layer);

	return reason ? reason : parse_network(skb, packet);
}

#endif
