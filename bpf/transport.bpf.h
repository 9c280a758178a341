/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Ports, ICMP pairing and TCP flags. packet->offset stands at the transport header, whose length is
 * bounded by the IP length, not by the frame (padding is no payload).
 */
#ifndef MERMIN_TRANSPORT_BPF_H
#define MERMIN_TRANSPORT_BPF_H

#define TRANSPORT_ICMP 1
#define TRANSPORT_IPV4 4
#define TRANSPORT_TCP 6
#define TRANSPORT_UDP 17
#define TRANSPORT_DCCP 33
#define TRANSPORT_IPV6 41
#define TRANSPORT_GRE 47
#define TRANSPORT_ESP 50
#define TRANSPORT_ICMPV6 58
#define TRANSPORT_SCTP 132
#define TRANSPORT_UDPLITE 136

#define TCP_MIN_HEADER_BYTES 20
#define UDP_HEADER_BYTES 8
#define SCTP_HEADER_BYTES 12 /* SCTP's common header; the shortest of DCCP */
#define ICMP_HEADER_BYTES 8

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* skb->gso_size where segments are the list of fragments (SCTP): no length to divide by. */
#define GSO_BY_FRAGMENTS 0xffff

struct port_header {
	__be16 source;
	__be16 destination;
};

struct tcp_header {
	__be16 source;
	__be16 destination;
	__be32 sequence;
	__be32 acknowledgement;
	__u8 data_offset; /* upper four bits, in 32-bit words */
	__u8 flags;
	__be16 window;
	__be16 checksum;
	__be16 urgent;
};

struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be16 identifier;
	__be16 sequence;
};

static __always_inline void set_ports(struct packet *packet, const struct port_header *ports)
{
	packet->source_port = ports->source;
	packet->destination_port = ports->destination;
}

/* Protocols whose header begins with two ports and is otherwise not read. */
static __always_inline int parse_ports(struct __sk_buff *skb, struct packet *packet, __u32 remaining,
                                       __u32 header_bytes, int malformed)
{
	struct port_header *ports = header_at(skb, packet->offset, sizeof(*ports));

	if (remaining < header_bytes || !ports)
		return malformed;
	set_ports(packet, ports);
	packet->header_bytes += header_bytes;
	packet->payload_bytes = remaining - header_bytes;
	return 0;
}

static __always_inline int parse_tcp(struct __sk_buff *skb, struct packet *packet, __u32 remaining)
{
	struct tcp_header *tcp = header_at(skb, packet->offset, sizeof(*tcp));
	__u32 header_bytes;

	if (remaining < TCP_MIN_HEADER_BYTES && !packet->is_fragment)
		return COUNTER_MALFORMED_TCP;
	/* A first fragment, or a capture, that ends inside the header: the ports are told, flags are not. */
	if (!tcp || remaining < TCP_MIN_HEADER_BYTES)
		return parse_ports(skb, packet, remaining, sizeof(struct port_header), COUNTER_MALFORMED_TCP);
	header_bytes = (tcp->data_offset >> 4) * 4;
	if (header_bytes < TCP_MIN_HEADER_BYTES || (header_bytes > remaining && !packet->is_fragment))
		return COUNTER_MALFORMED_TCP;
	packet->source_port = tcp->source;
	packet->destination_port = tcp->destination;
	packet->tcp_flags = tcp->flags;
	packet->sequence = tcp->sequence;
	packet->acknowledgement = tcp->acknowledgement;
	packet->header_bytes += header_bytes;
	packet->payload_bytes = remaining > header_bytes ? remaining - header_bytes : 0;
	return 0;
}

/* The type that answers `type`, or -1 for a message that goes one way (Community ID v1, ICMP). */
static __always_inline int icmp_counterpart(__u8 protocol, __u8 type)
{
	if (protocol == TRANSPORT_ICMP) {
		switch (type) {
		case 0: return 8; /* echo */
		case 8: return 0;
		case 9: return 10; /* router advertisement, solicitation */
		case 10: return 9;
		case 13: return 14; /* timestamp */
		case 14: return 13;
		case 15: return 16; /* information */
		case 16: return 15;
		case 17: return 18; /* address mask */
		case 18: return 17;
		default: return -1;
		}
	}
	switch (type) {
	case 128: return 129; /* echo */
	case 129: return 128;
	case 130: return 131; /* multicast listener query, report */
	case 131: return 130;
	case 133: return 134; /* router solicitation, advertisement */
	case 134: return 133;
	case 135: return 136; /* neighbour solicitation, advertisement */
	case 136: return 135;
	case 139: return 140; /* node information */
	case 140: return 139;
	case 144: return 145; /* home agent address discovery */
	case 145: return 144;
	default: return -1;
	}
}

static __always_inline int is_echo(__u8 protocol, __u8 type)
{
	return protocol == TRANSPORT_ICMP ? type == 8 || type == 0 : type == 128 || type == 129;
}

static __always_inline int parse_icmp(struct __sk_buff *skb, struct packet *packet, __u32 remaining)
{
	struct icmp_header *icmp = header_at(skb, packet->offset, sizeof(*icmp));
	int counterpart;

	if (remaining < ICMP_HEADER_BYTES || !icmp)
		return COUNTER_MALFORMED_ICMP;
	packet->icmp_type = icmp->type;
	packet->icmp_code = icmp->code;
	packet->header_bytes += ICMP_HEADER_BYTES;
	counterpart = icmp_counterpart(packet->protocol, icmp->type);
	if (is_echo(packet->protocol, icmp->type)) {
		packet->icmp_pairing = ICMP_ECHO;
		packet->source_port = icmp->identifier;
		packet->destination_port = icmp->identifier;
	} else if (counterpart >= 0) {
		packet->source_port = bpf_htons(icmp->type);
		packet->destination_port = bpf_htons(counterpart);
	} else {
		packet->icmp_pairing = ICMP_ONE_WAY_LOW; /* key.bpf.h turns it where the high end sent */
		packet->source_port = bpf_htons(icmp->type);
		packet->destination_port = bpf_htons(icmp->code);
	}
	return 0;
}

/*
 * What a datagram with one of the ports of udp_tunnels carries: enum flow_encapsulation. Some tunnels are
 * known by their destination port alone, the peers of others answer from it.
 */
__noinline int find_udp_tunnel(__u32 source_port, __u32 destination_port)
{
	for (int i = 0; i < UDP_TUNNELS; i++) {
		__u8 encapsulation = udp_tunnels[i].encapsulation;
		__u16 port = udp_tunnels[i].port;

		if (!encapsulation)
			return ENCAPSULATION_NONE;
		if (port == destination_port)
			return encapsulation;
		if (port == source_port &&
		    (encapsulation == ENCAPSULATION_TEREDO || encapsulation == ENCAPSULATION_WIREGUARD ||
		     encapsulation == ENCAPSULATION_ESP_IN_UDP))
			return encapsulation;
	}
	return ENCAPSULATION_NONE;
}

static __always_inline int is_udp_tunnel_port(__u32 port)
{
	return udp_tunnel_ports[port / 64] >> (port % 64) & 1;
}

static __always_inline int parse_udp(struct __sk_buff *skb, struct packet *packet, __u32 remaining)
{
	int reason = parse_ports(skb, packet, remaining, UDP_HEADER_BYTES, COUNTER_MALFORMED_UDP);
	__u32 source_port = port_index(packet->source_port);
	__u32 destination_port = port_index(packet->destination_port);

	if (!reason && (is_udp_tunnel_port(destination_port) || is_udp_tunnel_port(source_port)))
		packet->encapsulation = find_udp_tunnel(source_port, destination_port);
	return reason;
}

/* Packets that may carry another by their protocol alone. */
static __always_inline int parse_carrier(struct packet *packet)
{
	__u8 is_outer_ipv4 = packet->ip_version == 4;

	switch (packet->protocol) {
	case TRANSPORT_IPV4:
		packet->encapsulation = is_outer_ipv4 ? ENCAPSULATION_IPIP : ENCAPSULATION_4IN6;
		break;
	case TRANSPORT_IPV6:
		packet->encapsulation = is_outer_ipv4 ? ENCAPSULATION_6IN4 : ENCAPSULATION_IP6IP6;
		break;
	case TRANSPORT_GRE: packet->encapsulation = ENCAPSULATION_GRE; break;
	default: packet->encapsulation = ENCAPSULATION_ESP;
	}
	return 0;
}

static __always_inline int parse_protocol(struct __sk_buff *skb, struct packet *packet, __u32 remaining)
{
	switch (packet->protocol) {
	case TRANSPORT_TCP: return parse_tcp(skb, packet, remaining);
	case TRANSPORT_UDP: return parse_udp(skb, packet, remaining);
	case TRANSPORT_IPV4:
	case TRANSPORT_IPV6:
	case TRANSPORT_GRE:
	case TRANSPORT_ESP: return parse_carrier(packet);
	case TRANSPORT_UDPLITE:
		return parse_ports(skb, packet, remaining, UDP_HEADER_BYTES, COUNTER_MALFORMED_UDP);
	case TRANSPORT_SCTP:
	case TRANSPORT_DCCP:
		return parse_ports(skb, packet, remaining, SCTP_HEADER_BYTES, COUNTER_MALFORMED_SCTP);
	case TRANSPORT_ICMP:
	case TRANSPORT_ICMPV6: return parse_icmp(skb, packet, remaining);
	default: return 0;
	}
}

static __always_inline int parse_transport(struct __sk_buff *skb, struct packet *packet)
{
	__u32 remaining = packet->network_bytes > packet->header_bytes
	                          ? packet->network_bytes - packet->header_bytes
	                          : 0;
	int reason;

	if (packet->is_later_fragment)
		return 0;
	reason = parse_protocol(skb, packet, remaining);
	/* Where header_at() does not look, it is not the packet that is wrong. */
	return reason && packet->offset > MAX_HEADER_OFFSET ? COUNTER_PARSE_DEPTH : reason;
}

/*
 * Packets on the wire that this one stands for. The kernel fills gso_segs but for frames from a guest
 * (virtio), where it follows from gso_size.
 */
static __always_inline void count_segments(struct __sk_buff *skb, struct packet *packet)
{
	__u32 segments = skb->gso_segs;
	__u32 size = skb->gso_size;

	if (!segments && size && size != GSO_BY_FRAGMENTS)
		segments = (packet->payload_bytes + size - 1) / size;
	packet->segments = segments ? segments : 1;
}

/* Layer-3 bytes on the wire: the headers of a super-packet are repeated in each segment. */
static __always_inline __u64 wire_bytes(const struct packet *packet)
{
	return packet->network_bytes + (__u64)(packet->segments - 1) * packet->header_bytes;
}

#endif
