/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What few flows have, kept beside FLOW_STATS: outer headers, fragments, numbers of encrypted packets. */
#ifndef MERMIN_DETAILS_BPF_H
#define MERMIN_DETAILS_BPF_H

/* note_details(): how the packet was taken. */
#define DETAILS_OF_OWNER 1 /* its hook owns the direction: it was counted in the flow */
#define DETAILS_OF_NEW 2   /* it is the flow's first */

#define FRAME_SOURCE_MAC 6

static __always_inline struct flow_details *make_details(const struct flow_key *key, __u64 flags)
{
	__u32 zero = 0;
	struct flow_details *fresh = bpf_map_lookup_elem(&NEW_DETAILS, &zero);

	if (!fresh)
		return NULL;
	__builtin_memset(fresh, 0, sizeof(*fresh));
	bpf_map_update_elem(&FLOW_DETAILS, key, fresh, flags);
	return bpf_map_lookup_elem(&FLOW_DETAILS, key);
}

static __always_inline void copy_address(__u8 *target, const __u64 *address)
{
	__builtin_memcpy(target, address, 16);
}

static __always_inline int is_address(const __u8 *kept, const __u64 *address)
{
	const __u32 *a = (const __u32 *)kept, *b = (const __u32 *)address;

	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

static __always_inline int is_kind(const struct flow_layer *layer, const struct carrier *carrier)
{
	return layer->encapsulation == carrier->encapsulation && layer->ip_version == carrier->ip_version;
}

static __always_inline int has_same_ends(const struct flow_layer *layer, const struct carrier *carrier,
                                         __u32 way)
{
	return layer->id[way] == carrier->id && is_address(layer->source[way], carrier->source) &&
	       is_address(layer->destination[way], carrier->destination);
}

#define LAYER_SEEN (FLOW_LAYER_SEEN_LOW | FLOW_LAYER_SEEN_HIGH)

/* Before a layer is written: what it says of the life before is true for as long as it is the same. */
static __always_inline void keep_old_life(struct flow_layer *layer, const struct carrier *carrier, __u32 way)
{
	__u8 of_way = (FLOW_LAYER_SEEN_LOW | FLOW_LAYER_HAS_ID_LOW) << way;

	if (!is_kind(layer, carrier))
		layer->flags = 0;
	else if (!has_same_ends(layer, carrier, way))
		layer->flags &= ~(of_way << FLOW_LAYER_OLD_LIFE_SHIFT);
}

/*
 * As the first packet of each way has it, if that is of the kind and IP version of the first at all: what is
 * told is never one encapsulation's name and another's numbers.
 */
static __always_inline void note_layer(struct flow_layer *layer, const struct carrier *carrier, __u32 way)
{
	if (!carrier->encapsulation || layer->flags & (FLOW_LAYER_SEEN_LOW << way))
		return;
	if (layer->flags & LAYER_SEEN && !is_kind(layer, carrier))
		return;
	keep_old_life(layer, carrier, way);
	layer->encapsulation = carrier->encapsulation;
	layer->ip_version = carrier->ip_version;
	layer->protocol = carrier->protocol;
	copy_address(layer->source[way], carrier->source);
	copy_address(layer->destination[way], carrier->destination);
	layer->id[way] = carrier->id;
	layer->ports[way][0] = carrier->source_port;
	layer->ports[way][1] = carrier->destination_port;
	layer->ah_spi[way] = carrier->ah_spi;
	if (carrier->has_id)
		layer->flags |= FLOW_LAYER_HAS_ID_LOW << way;
	layer->flags |= FLOW_LAYER_SEEN_LOW << way;
}

/* A new life: its own packets say anew how they are carried. */
static __always_inline void renew_layers(struct flow_details *details)
{
	for (int layer = 0; layer < 2; layer++)
		details->layers[layer].flags <<= FLOW_LAYER_OLD_LIFE_SHIFT;
	details->flags &= ~(FLOW_DETAILS_HAS_MAC_LOW | FLOW_DETAILS_HAS_MAC_HIGH);
	details->tunnel_hook[0] = 0;
	details->tunnel_hook[1] = 0;
	details->ah_spi[0] = 0;
	details->ah_spi[1] = 0;
	details->depth = 0;
}

#define DEPTH_BITS 4
#define DEPTH_MASK 0x0f

/* What a hook saw that opened fewer encapsulations is replaced: the other one's view is the whole. */
static __always_inline void take_view(struct flow_details *details, __u32 hook, __u32 way, __u32 depth)
{
	__u32 shift = way * DEPTH_BITS, other = details->depth >> (DEPTH_BITS - shift) & DEPTH_MASK;

	details->tunnel_hook[way] = hook;
	for (int layer = 0; layer < 2; layer++) {
		details->overhead_bytes[layer][way] = details->base_overhead_bytes[layer][way];
		if (depth > other)
			details->layers[layer].flags = 0;
		else
			details->layers[layer].flags &=
				~((FLOW_LAYER_SEEN_LOW | FLOW_LAYER_HAS_ID_LOW) << way);
	}
}

/* Whether the packet in hand shows the flow's encapsulation as fully as any other hook does. */
static __always_inline int is_whole_view(struct flow_details *details, __u32 hook, __u32 way, __u32 depth,
                                         __u64 now)
{
	__u32 shift = way * DEPTH_BITS, known = details->depth >> shift & DEPTH_MASK;
	__u32 owner = details->tunnel_hook[way];

	if (depth < known)
		return owner == hook || now - details->tunnel_seen_ns[way] >= OWNER_SILENT_NS;
	if (depth > known) {
		if (owner && owner != hook)
			take_view(details, hook, way, depth);
		details->depth = (details->depth & ~(DEPTH_MASK << shift)) | depth << shift;
	}
	return 1;
}

/* Of several hooks that see a direction inside the tunnel one counts its overhead. */
static __always_inline int counts_overhead(struct flow_details *details, __u32 hook, __u32 way, __u64 now)
{
	__u32 owner = details->tunnel_hook[way];

	if (owner != hook) {
		if (owner && now - details->tunnel_seen_ns[way] < OWNER_SILENT_NS)
			return 0;
		if (__sync_val_compare_and_swap(&details->tunnel_hook[way], owner, hook) != owner)
			return 0;
	}
	details->tunnel_seen_ns[way] = now;
	return 1;
}

static __always_inline void note_tunnel_mac(struct __sk_buff *skb, struct flow_details *details, __u32 way)
{
	const __u8 has_mac = FLOW_DETAILS_HAS_MAC_LOW | FLOW_DETAILS_HAS_MAC_HIGH;

	if (!(details->flags & has_mac) &&
	    bpf_skb_load_bytes(skb, FRAME_SOURCE_MAC, details->tunnel_mac, sizeof(details->tunnel_mac)) == 0)
		details->flags |= FLOW_DETAILS_HAS_MAC_LOW << way;
}

static __always_inline void note_tunnel(struct __sk_buff *skb, const struct packet *packet,
                                        struct flow_details *details)
{
	__u32 way = packet->way & 1;
	struct descent *descent = find_descent();
	__u64 now = packet_time_coarse(skb);

	if (!descent || !is_whole_view(details, packet->hook, way, descent->depth & DEPTH_MASK, now))
		return;
	note_layer(&details->layers[FLOW_LAYER_TUNNEL], &descent->carriers[FLOW_LAYER_TUNNEL], way);
	note_layer(&details->layers[FLOW_LAYER_IPIP], &descent->carriers[FLOW_LAYER_IPIP], way);
	if (descent->has_ethernet)
		note_tunnel_mac(skb, details, way);
	if (!counts_overhead(details, packet->hook, way, now))
		return;
	for (int layer = 0; layer < 2; layer++)
		if (descent->carriers[layer].encapsulation)
			__sync_fetch_and_add(&details->overhead_bytes[layer][way],
			                     descent->carriers[layer].overhead_bytes);
}

static __always_inline void note_security(const struct packet *packet, struct flow_details *details)
{
	__u32 way = packet->way & 1;

	if (packet->ah_spi)
		details->ah_spi[way] = packet->ah_spi;
	if (packet->encapsulation == ENCAPSULATION_WIREGUARD) {
		if (packet->indices[0])
			details->wireguard_index[way] = packet->indices[0];
		if (packet->indices[1])
			details->wireguard_index[1 - way] = packet->indices[1];
		details->flags |= FLOW_DETAILS_WIREGUARD;
	} else if (packet->indices[0]) {
		details->esp_spi[way] = packet->indices[0];
	}
}

/* For packets with has_details, after they were accounted. `taken`: bits above. */
static __noinline int note_details(struct __sk_buff *skb, struct packet *packet, const struct flow_key *key,
                                   struct flow_stats *stats, __u32 taken)
{
	struct flow_details *details = NULL;

	/* What an entry holds that outlived its flow belongs to no new one. */
	if (!(taken & DETAILS_OF_NEW))
		details = bpf_map_lookup_elem(&FLOW_DETAILS, key);
	if (!details)
		details = make_details(key, taken & DETAILS_OF_NEW ? BPF_ANY : BPF_NOEXIST);
	if (!details) {
		counter_add(COUNTER_DETAILS_FULL, packet->segments, 0);
		return 0;
	}
	if (!(stats->flags & FLOW_HAS_DETAILS))
		stats->flags |= FLOW_HAS_DETAILS;
	if (packet->is_fragment && taken & DETAILS_OF_OWNER)
		__sync_fetch_and_add(&details->fragments, packet->segments);
	note_security(packet, details);
	if (packet->is_encapsulated)
		note_tunnel(skb, packet, details);
	return 0;
}

#endif
