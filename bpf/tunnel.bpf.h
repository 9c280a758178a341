/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The header of an encapsulation: where the packet inside begins, and of what kind it is. Comes in: a packet
 * read up to its transport header, with `encapsulation` set. Everything here is rare beside plain packets, so
 * headers are copied.
 */
#ifndef MERMIN_TUNNEL_BPF_H
#define MERMIN_TUNNEL_BPF_H

#define VXLAN_HEADER_BYTES 8
#define VXLAN_HAS_ID 0x08
#define VXLAN_GPE_HAS_PROTOCOL 0x04
#define VXLAN_GPE_UNREADABLE 0x31 /* another version, or a management message */
#define GENEVE_HEADER_BYTES 8
#define GENEVE_OPTION_WORDS 0x3f
#define GENEVE_CONTROL 0x80
#define GRE_HEADER_BYTES 4
#define GRE_CHECKSUM bpf_htons(0x8000)
#define GRE_ROUTING bpf_htons(0x4000)
#define GRE_KEY bpf_htons(0x2000)
#define GRE_SEQUENCE bpf_htons(0x1000)
#define GRE_VERSION bpf_htons(0x0007)
#define GRE_ERSPAN bpf_htons(0x88be) /* types I and II */
#define GRE_ERSPAN_III bpf_htons(0x22eb)
#define ERSPAN_II_BYTES 8
#define ERSPAN_III_BYTES 12
#define ERSPAN_SUBHEADER_BYTES 8
#define ERSPAN_SESSION 0x03ff
#define GTP_HEADER_BYTES 8
#define GTP_OPTIONAL_BYTES 4
#define GTP_VERSION_AND_TYPE 0xf0 /* version 1, GTP and not GTP' */
#define GTP_HAS_OPTIONAL 0x07
#define GTP_HAS_EXTENSION 0x04
#define GTP_USER_DATA 0xff
#define MAX_GTP_EXTENSIONS 4
#define TEREDO_AUTHENTICATION bpf_htons(0x0001)
#define TEREDO_AUTHENTICATION_BYTES 13 /* without identifier and value */
#define TEREDO_ORIGIN_BYTES 8

/* Refusal of every function here; what was counted before stays true of the packet outside. */
#define UNREAD (-1)

/* The headers between two packets. */
struct encapsulation {
	__u32 offset; /* of what is inside */
	__u32 id;
	__be16 ethertype; /* of what is inside; ETHERTYPE_ETHERNET: a frame */
	__u8 has_id;
	__u8 kind; /* enum flow_encapsulation */
};

/* `size` header bytes at `offset`, inside the packet and whatever carries it, or NULL. */
static __always_inline void *tunnel_header_at(struct __sk_buff *skb, struct packet *packet, __u32 offset,
                                              __u32 size)
{
	if (offset + size > packet->carried_end)
		return NULL;
	return header_at(skb, offset, size);
}

/* IP by the version that its first nibble names. */
static __always_inline int inside_ip(struct __sk_buff *skb, struct packet *packet,
                                     struct encapsulation *found)
{
	__u8 *first = tunnel_header_at(skb, packet, found->offset, 1);

	if (!first)
		return UNREAD;
	found->ethertype = ethertype_of_version(*first);
	return found->ethertype ? 0 : UNREAD;
}

/* Upper three of the four octets that VXLAN and Geneve keep their network's number in. */
static __always_inline void set_vni(struct encapsulation *found, const __u8 *header)
{
	found->id = (__u32)header[4] << 16 | (__u32)header[5] << 8 | header[6];
	found->has_id = 1;
}

/* RFC 7348; draft-ietf-nvo3-vxlan-gpe. */
static __always_inline int open_vxlan(struct __sk_buff *skb, struct packet *packet,
                                      struct encapsulation *found)
{
	__u8 *vxlan = tunnel_header_at(skb, packet, found->offset, VXLAN_HEADER_BYTES);

	if (!vxlan || !(vxlan[0] & VXLAN_HAS_ID))
		return UNREAD;
	set_vni(found, vxlan);
	found->offset += VXLAN_HEADER_BYTES;
	found->ethertype = ETHERTYPE_ETHERNET;
	if (packet->encapsulation == ENCAPSULATION_VXLAN)
		return 0;
	if (vxlan[0] & VXLAN_GPE_UNREADABLE)
		return UNREAD;
	if (!(vxlan[0] & VXLAN_GPE_HAS_PROTOCOL))
		return 0;
	switch (vxlan[3]) {
	case 1: found->ethertype = ETHERTYPE_IPV4; return 0;
	case 2: found->ethertype = ETHERTYPE_IPV6; return 0;
	case 3: return 0;
	case 5: found->ethertype = ETHERTYPE_MPLS; return 0;
	default: return UNREAD;
	}
}

/* RFC 8926. */
static __always_inline int open_geneve(struct __sk_buff *skb, struct packet *packet,
                                       struct encapsulation *found)
{
	__u8 *geneve = tunnel_header_at(skb, packet, found->offset, GENEVE_HEADER_BYTES);

	if (!geneve || geneve[0] >> 6 || geneve[1] & GENEVE_CONTROL)
		return UNREAD;
	set_vni(found, geneve);
	found->ethertype = *(__be16 *)(geneve + 2);
	found->offset += GENEVE_HEADER_BYTES + (geneve[0] & GENEVE_OPTION_WORDS) * 4;
	return 0;
}

static __always_inline int open_erspan_3(struct __sk_buff *skb, struct packet *packet,
                                         struct encapsulation *found)
{
	__u8 *erspan = tunnel_header_at(skb, packet, found->offset, ERSPAN_III_BYTES);
	__u8 frame_type;

	if (!erspan || erspan[0] >> 4 != 2)
		return UNREAD;
	found->id = ((__u32)erspan[2] << 8 | erspan[3]) & ERSPAN_SESSION;
	found->has_id = 1;
	frame_type = ((__u32)erspan[10] << 8 | erspan[11]) >> 10 & 0x1f;
	found->offset += ERSPAN_III_BYTES + (erspan[11] & 1) * ERSPAN_SUBHEADER_BYTES;
	found->ethertype = ETHERTYPE_ETHERNET;
	if (frame_type == 2)
		return inside_ip(skb, packet, found);
	return frame_type ? UNREAD : 0;
}

/* draft-foschiano-erspan: type I has no header of its own, type II has one, told by GRE's sequence number. */
static __always_inline int open_erspan(struct __sk_buff *skb, struct packet *packet,
                                       struct encapsulation *found, int has_sequence)
{
	__u8 *erspan;

	found->ethertype = ETHERTYPE_ETHERNET;
	if (!has_sequence)
		return 0;
	erspan = tunnel_header_at(skb, packet, found->offset, ERSPAN_II_BYTES);
	if (!erspan || erspan[0] >> 4 != 1)
		return UNREAD;
	found->id = ((__u32)erspan[2] << 8 | erspan[3]) & ERSPAN_SESSION;
	found->has_id = 1;
	found->offset += ERSPAN_II_BYTES;
	return 0;
}

/* RFC 2784 and 2890; NVGRE (RFC 7637) is Ethernet with a key. */
static __always_inline int open_gre(struct __sk_buff *skb, struct packet *packet, struct encapsulation *found)
{
	__be16 *gre = tunnel_header_at(skb, packet, found->offset, GRE_HEADER_BYTES);
	__be16 flags, protocol;

	if (!gre)
		return UNREAD;
	flags = gre[0];
	protocol = gre[1];
	if (flags & (GRE_VERSION | GRE_ROUTING))
		return UNREAD;
	found->offset += GRE_HEADER_BYTES + (flags & GRE_CHECKSUM ? 4 : 0);
	if (flags & GRE_KEY) {
		__be32 *key = tunnel_header_at(skb, packet, found->offset, sizeof(*key));

		if (!key)
			return UNREAD;
		found->id = bpf_ntohl(*key);
		found->has_id = 1;
		found->offset += sizeof(*key);
	}
	found->offset += flags & GRE_SEQUENCE ? 4 : 0;
	found->ethertype = protocol;
	if (protocol != GRE_ERSPAN && protocol != GRE_ERSPAN_III)
		return 0;
	if (found->kind == ENCAPSULATION_GRE)
		found->kind = ENCAPSULATION_ERSPAN;
	return protocol == GRE_ERSPAN ? open_erspan(skb, packet, found, (flags & GRE_SEQUENCE) != 0)
	                              : open_erspan_3(skb, packet, found);
}

/* Linux's foo-over-UDP: the protocol in UDP is agreed upon, not told; GRE's first nibble is never 4 or 6. */
static __always_inline int open_fou(struct __sk_buff *skb, struct packet *packet, struct encapsulation *found)
{
	return inside_ip(skb, packet, found) ? open_gre(skb, packet, found) : 0;
}

/* 3GPP TS 29.281, 5.1 and 5.2. */
static __always_inline int open_gtp(struct __sk_buff *skb, struct packet *packet, struct encapsulation *found)
{
	__u8 *gtp = tunnel_header_at(skb, packet, found->offset, GTP_HEADER_BYTES);
	__u8 flags, next = 0;

	if (!gtp || (gtp[0] & GTP_VERSION_AND_TYPE) != 0x30 || gtp[1] != GTP_USER_DATA)
		return UNREAD;
	flags = gtp[0];
	found->id = bpf_ntohl(*(__be32 *)(gtp + 4));
	found->has_id = 1;
	found->offset += GTP_HEADER_BYTES;
	if (flags & GTP_HAS_OPTIONAL) {
		__u8 *optional = tunnel_header_at(skb, packet, found->offset, GTP_OPTIONAL_BYTES);

		if (!optional)
			return UNREAD;
		next = flags & GTP_HAS_EXTENSION ? optional[3] : 0;
		found->offset += GTP_OPTIONAL_BYTES;
	}
	for (int depth = 0; depth < MAX_GTP_EXTENSIONS && next; depth++) {
		__u8 *octet = tunnel_header_at(skb, packet, found->offset, 1);

		if (!octet || !*octet)
			return UNREAD;
		found->offset += *octet * 4;
		octet = tunnel_header_at(skb, packet, found->offset - 1, 1);
		if (!octet)
			return UNREAD;
		next = *octet;
	}
	return next ? UNREAD : inside_ip(skb, packet, found);
}

/* RFC 4380, 5.1.1: authentication, then origin indication, each only where it is. */
static __always_inline int open_teredo(struct __sk_buff *skb, struct packet *packet,
                                       struct encapsulation *found)
{
	__u8 *header = tunnel_header_at(skb, packet, found->offset, 4);

	if (header && *(__be16 *)header == TEREDO_AUTHENTICATION) {
		found->offset += TEREDO_AUTHENTICATION_BYTES + header[2] + header[3];
		header = tunnel_header_at(skb, packet, found->offset, 4);
	}
	if (header && *(__be16 *)header == 0)
		found->offset += TEREDO_ORIGIN_BYTES;
	if (inside_ip(skb, packet, found))
		return UNREAD;
	return found->ethertype == ETHERTYPE_IPV6 ? 0 : UNREAD;
}

/* Reads the headers of packet->encapsulation. 0, or UNREAD. */
__noinline int open_encapsulation(struct __sk_buff *skb, struct packet *packet, struct encapsulation *found)
{
	if (!packet || !found)
		return UNREAD;
	found->kind = packet->encapsulation;
	found->offset = packet->offset + (packet->protocol == TRANSPORT_UDP ? UDP_HEADER_BYTES : 0);
	found->id = 0;
	found->has_id = 0;
	found->ethertype = 0;
	switch (packet->encapsulation) {
	case ENCAPSULATION_VXLAN:
	case ENCAPSULATION_VXLAN_GPE: return open_vxlan(skb, packet, found);
	case ENCAPSULATION_GENEVE: return open_geneve(skb, packet, found);
	case ENCAPSULATION_GRE: return open_gre(skb, packet, found);
	case ENCAPSULATION_GTP: return open_gtp(skb, packet, found);
	case ENCAPSULATION_FOU: return open_fou(skb, packet, found);
	case ENCAPSULATION_TEREDO: return open_teredo(skb, packet, found);
	case ENCAPSULATION_IPIP:
	case ENCAPSULATION_4IN6: found->ethertype = ETHERTYPE_IPV4; return 0;
	case ENCAPSULATION_IP6IP6:
	case ENCAPSULATION_6IN4: found->ethertype = ETHERTYPE_IPV6; return 0;
	default: return UNREAD;
	}
}

#endif
