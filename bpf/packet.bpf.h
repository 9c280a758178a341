/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What is known of the packet in hand, and how its headers are reached. */
#ifndef MERMIN_PACKET_BPF_H
#define MERMIN_PACKET_BPF_H

/*
 * Headers are looked for in the first 2 KiB: the longest chain that is walked (14 + 2 * 4 + 40 + 8
 * extension headers) stays below it unless its options are absurd, which is told as PARSE_DEPTH.
 */
#define MAX_HEADER_OFFSET 2047

/* The largest header read in one piece: IPv6. */
#define HEADER_SCRATCH_BYTES 40

struct packet {
	__u32 hook; /* FLOW_HOOK */
	/* Where bytes of this packet end at the latest: the frame's end (skb->len, or the wire's in a
	   replay), or that of the packet that carries it. */
	__u32 length;
	__u32 offset; /* of the header to be read next */
	__u32 network_offset;
	__u32 network_bytes; /* layer 3, of the super-packet as it stands */
	__u32 header_bytes;  /* network, extension and transport headers: repeated per segment */
	__u32 payload_bytes; /* TCP and UDP payload */
	__u32 segments;      /* packets on the wire */
	__u32 flow_label;
	__u16 vlan_id;
	__be16 ethertype;
	__u8 protocol;
	__u8 traffic_class;
	__u8 ttl;
	__u8 tcp_flags;
	__u8 is_fragment; /* any fragment */
	__u8 is_later_fragment;
	__u8 is_alone; /* later fragment whose first was not seen */
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 has_details; /* FLOW_DETAILS has something to say of it */
	__u8 way;         /* enum flow_way */
	__be16 source_port;
	__be16 destination_port;
	__be32 sequence; /* TCP; set where tcp_flags are */
	__be32 acknowledgement;
	__u64 source[2]; /* 16 bytes in network order */
	__u64 destination[2];
	__u8 ip_version;
	__u8 icmp_pairing;      /* enum icmp_pairing as the sender has it: never ICMP_ONE_WAY_HIGH */
	__u8 encapsulation;     /* enum flow_encapsulation: what it may carry; set by the transport */
	__u8 is_encapsulated;   /* it was carried by another: DESCENT has the layers */
	__u8 fragment_protocol; /* of an IPv4 fragment, as in its IP header */
	__u8 jumbo_bytes;       /* of the header that BIG TCP puts into IPv6, and that is on no wire */
	__u16 ethernet_end;     /* behind its own Ethernet addresses and type; 0: it has none */
	__u32 carried_end;      /* of this packet and every one around, what ends first; 0: not known yet */
	__u32 identification;   /* of a fragment, network order */
	__u32 tunnel_id;        /* as in struct flow_key */
	__u32 ah_spi;
	__u32 indices[2]; /* ESP: SPI; WireGuard: sender's, receiver's */
};

struct header_scratch {
	__u64 bytes[HEADER_SCRATCH_BYTES / 8];
};

/* Where headers are copied to. Not in struct packet, which is zeroed for every packet. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct header_scratch);
	__uint(max_entries, 1);
} HEADER_SCRATCH SEC(".maps");

/*
 * `size` header bytes at `offset`, copied (then valid until the next call). `size` is a constant of at most
 * HEADER_SCRATCH_BYTES. NULL: the packet ends before.
 */
static __always_inline void *rare_header_at(struct __sk_buff *skb, __u32 offset, __u32 size)
{
	__u32 zero = 0;
	struct header_scratch *scratch = bpf_map_lookup_elem(&HEADER_SCRATCH, &zero);

	if (!scratch || offset > MAX_HEADER_OFFSET || bpf_skb_load_bytes(skb, offset, scratch, size) < 0)
		return NULL;
	return scratch;
}

/* As rare_header_at(), in place where the bytes are linear: two verified paths, for headers of every packet.
 */
static __always_inline void *header_at(struct __sk_buff *skb, __u32 offset, __u32 size)
{
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;

	if (offset > MAX_HEADER_OFFSET)
		return NULL;
	if (data + offset + size <= end)
		return data + offset;
	return rare_header_at(skb, offset, size);
}

/*
 * A port in host order, as an index. Kernels before 6.13 take the result of a byte swap for an unbounded
 * number, and clang 19, which knows better, leaves out a mask that it can see to be needless.
 */
static __always_inline __u32 port_index(__be16 port)
{
	__u32 index = bpf_ntohs(port);

	barrier_var(index);
	return index & 0xffff;
}

/* Layer-3 bytes from `offset` to the end of the frame, 0 if it begins beyond. */
static __always_inline __u32 bytes_after(const struct packet *packet, __u32 offset)
{
	return packet->length > offset ? packet->length - offset : 0;
}

/* Where the packet's last byte stands, if `length` does not cut it. */
static __always_inline __u32 packet_end(const struct packet *packet)
{
	return packet->network_offset + packet->network_bytes + packet->jumbo_bytes;
}

/* Before anything is read behind the transport header. `around`: carried_end of the packet that carries it,
 * or 0. */
static __always_inline void bound_carried(struct packet *packet, __u32 around)
{
	__u32 end = packet_end(packet);

	packet->carried_end = around && around < end ? around : end;
}

#endif
