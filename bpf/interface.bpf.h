/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What passes an interface, whatever becomes of it, and how its frames begin. */
#ifndef MERMIN_INTERFACE_BPF_H
#define MERMIN_INTERFACE_BPF_H

static __always_inline struct interface_stats *find_interface(__u32 ifindex)
{
	__u32 place = ifindex & (INTERFACES_DIRECT_SIZE - 1);
	struct interface_stats *interface = bpf_map_lookup_elem(&INTERFACES_DIRECT, &place);

	if (interface && interface->ifindex == ifindex)
		return interface;
	return bpf_map_lookup_elem(&INTERFACES, &ifindex);
}

/*
 * Counts the packet at its interface and returns how its frames begin. Before parsing, because a pointer that
 * may be NULL, kept over the parser, makes the verifier go through it twice.
 */
static __always_inline __u32 observe_interface(struct __sk_buff *skb, const struct packet *packet,
                                               __u32 egress)
{
	struct interface_stats *interface = find_interface(skb->ifindex);

	if (!interface)
		return LINK_LAYER_ETHERNET;
	interface->packets[egress] += packet->segments;
	interface->bytes[egress] += skb->len;
	return interface->link_layer;
}

/* Where only the payload tells the segments (gso_segs 0), those that were not counted before parsing. */
static __always_inline void observe_more_segments(struct __sk_buff *skb, const struct packet *packet)
{
	struct interface_stats *interface;

	if (skb->gso_segs || packet->segments <= 1)
		return;
	interface = find_interface(skb->ifindex);
	if (interface)
		interface->packets[packet->hook & 1] += packet->segments - 1;
}

#endif
