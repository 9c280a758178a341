/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Adding a packet to its flow, once. Per direction one hook owns the counters; see docs/architecture.md,
 * "Counted once".
 */
#ifndef MERMIN_ACCOUNT_BPF_H
#define MERMIN_ACCOUNT_BPF_H

#define NS_PER_MS 1000000ULL

/* An owner that was silent so long has lost the path: the next hook that sees the flow takes over. */
#define OWNER_SILENT_NS (1000 * NS_PER_MS)

/*
 * Copies of the owner's last packets reach a hook behind a queue within this time. What a candidate saw only
 * so soon may be copies and is never added; a hook that is known to see copies holds nothing so soon.
 */
#define COPY_DELAY_NS (50 * NS_PER_MS)

#define MAX_DELAY_MS 0xffff

static __always_inline __u32 scan_generation(void)
{
	__u32 zero = 0;
	struct scan_state *scan = bpf_map_lookup_elem(&SCAN, &zero);

	return scan ? scan->generation : 0;
}

/* The fields that describe the first packet of a generation. Only the CPU that claimed it writes. */
static __always_inline void restart_first(struct packet *packet, struct flow_stats *stats,
                                          struct flow_way_stats *way, __u64 now)
{
	way->first_seen_ns = now;
	way->first_flow_label = packet->flow_label;
	way->first_traffic_class = packet->traffic_class;
	way->first_ttl = packet->ttl;
	stats->first_icmp_type[packet->way & 1] = packet->icmp_type;
	stats->first_icmp_code[packet->way & 1] = packet->icmp_code;
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define TCP_FLAGS_SHIFT 0
#else
#define TCP_FLAGS_SHIFT 24
#endif

/* Atomic, as part of the word of four octets it begins: other CPUs may set bits at the same time. */
static __always_inline void merge_tcp_flags(struct flow_way_stats *way, __u8 flags)
{
	if ((way->tcp_flags | flags) != way->tcp_flags)
		__sync_fetch_and_or((__u32 *)&way->tcp_flags, (__u32)flags << TCP_FLAGS_SHIFT);
}

static __always_inline __u64 observation_time(struct __sk_buff *skb, const struct packet *packet)
{
	if (packet->protocol == TRANSPORT_TCP && (packet->payload_bytes || packet->tcp_flags & TCP_SYN))
		return packet_time_exact(skb);
	return packet_time_coarse(skb);
}

static __always_inline void count(struct __sk_buff *skb, struct packet *packet, struct flow_stats *stats,
                                  struct flow_way_stats *way)
{
	__u64 bytes = wire_bytes(packet), now = observation_time(skb, packet);
	__u32 generation = scan_generation(), previous = way->generation;

	if (way->candidate_packets) {
		way->flags |= FLOW_WAY_INTERLEAVED;
		way->candidate_packets = 0;
		way->candidate_bytes = 0;
	}
	__sync_fetch_and_add(&way->packets, packet->segments);
	__sync_fetch_and_add(&way->bytes, bytes);
	if (previous != generation &&
	    __sync_val_compare_and_swap(&way->generation, previous, generation) == previous) {
		now = packet_time_exact(skb);
		restart_first(packet, stats, way, now);
	}
	if (now > way->last_seen_ns)
		way->last_seen_ns = now;
	/* Captures need not be in the order of time. Not live: the coarse clock is behind the exact one. */
	if (replay && now < way->first_seen_ns)
		way->first_seen_ns = now;
	if (packet->protocol == TRANSPORT_TCP) {
		if (packet->tcp_flags & TCP_SYN)
			observe_handshake(packet, stats, now);
		merge_tcp_flags(way, packet->tcp_flags);
	}
	counter_add(COUNTER_ACCOUNTED, packet->segments, bytes);
}

static __always_inline int owns_or_waits(const struct flow_way_stats *way, __u32 hook)
{
	return way->owner_hook == hook || way->candidate_hook == hook;
}

static __always_inline int is_listed(const struct related_interfaces *related, __u32 ifindex)
{
	for (int i = 0; i < RELATED_INTERFACES_SIZE; i++)
		if (related->same_side[i] == ifindex)
			return 1;
	return 0;
}

/* Whether two hooks of the same side belong to devices stacked on each other; either list may be cut. */
static __always_inline int is_stacked(const struct related_interfaces *related, __u32 hook, __u32 other)
{
	__u32 ifindex = hook >> 1, other_ifindex = other >> 1;

	if (!other || (hook & 1) != (other & 1))
		return 0;
	if (related && is_listed(related, other_ifindex))
		return 1;
	related = bpf_map_lookup_elem(&RELATED_INTERFACES, &other_ifindex);
	return related && is_listed(related, ifindex);
}

/*
 * Whether a hook that is told apart from this one by its place, not by its timing, has this very packet
 * already: the interface the packet entered by, devices above and below, the other end of a veth pair.
 */
static __always_inline int is_copy_by_place(struct __sk_buff *skb, struct packet *packet,
                                            const struct flow_way_stats *way)
{
	__u32 ifindex = packet->hook >> 1, egress = packet->hook & 1;
	struct related_interfaces *related;

	if (egress && skb->ingress_ifindex && owns_or_waits(way, FLOW_HOOK(skb->ingress_ifindex, 0)))
		return 1;
	related = bpf_map_lookup_elem(&RELATED_INTERFACES, &ifindex);
	if (related && related->opposite_side &&
	    owns_or_waits(way, FLOW_HOOK(related->opposite_side, !egress)))
		return 1;
	return is_stacked(related, packet->hook, way->owner_hook) ||
	       is_stacked(related, packet->hook, way->candidate_hook);
}

static __always_inline void take_over(struct packet *packet, struct flow_stats *stats,
                                      struct flow_way_stats *way)
{
	__u32 owner = way->owner_hook;

	if (__sync_val_compare_and_swap(&way->owner_hook, owner, packet->hook) != owner)
		return;
	if (way->candidate_hook == packet->hook && way->candidate_packets &&
	    stats->candidate_delay_ms[packet->way & 1] * NS_PER_MS >= COPY_DELAY_NS) {
		__u64 held_packets = way->candidate_packets, held_bytes = way->candidate_bytes;

		__sync_fetch_and_add(&way->packets, held_packets);
		__sync_fetch_and_add(&way->bytes, held_bytes);
		counter_add(COUNTER_ACCOUNTED, held_packets, held_bytes);
		counter_add(COUNTER_TAKEN_OVER, held_packets, held_bytes);
	}
	way->candidate_hook = 0;
	way->candidate_packets = 0;
	way->candidate_bytes = 0;
	way->flags &= ~FLOW_WAY_INTERLEAVED;
}

/* Keeps the packet with the candidate: if the owner stays silent, it was never a copy. */
static __always_inline void hold(struct packet *packet, struct flow_stats *stats, struct flow_way_stats *way,
                                 __u64 silent_ns)
{
	__u64 delay_ms = silent_ns / NS_PER_MS;

	if (way->candidate_hook != packet->hook) {
		if (way->candidate_hook && way->candidate_packets)
			return;
		way->candidate_hook = packet->hook;
		way->flags &= ~FLOW_WAY_INTERLEAVED;
	}
	if (way->flags & FLOW_WAY_INTERLEAVED && silent_ns < COPY_DELAY_NS)
		return;
	__sync_fetch_and_add(&way->candidate_packets, packet->segments);
	__sync_fetch_and_add(&way->candidate_bytes, wire_bytes(packet));
	stats->candidate_delay_ms[packet->way & 1] = delay_ms > MAX_DELAY_MS ? MAX_DELAY_MS : delay_ms;
}

/* A hook that does not own this direction. */
static __always_inline void observe_elsewhere(struct __sk_buff *skb, struct packet *packet,
                                              struct flow_stats *stats, struct flow_way_stats *way)
{
	__u64 now = packet_time_coarse(skb), last = way->last_seen_ns;
	__u64 silent_ns = now > last ? now - last : 0;

	if (silent_ns >= OWNER_SILENT_NS) {
		take_over(packet, stats, way);
		if (way->owner_hook == packet->hook) {
			count(skb, packet, stats, way);
			return;
		}
	} else if (!is_copy_by_place(skb, packet, way)) {
		hold(packet, stats, way, silent_ns);
	}
	counter_add(COUNTER_DUPLICATE, packet->segments, wire_bytes(packet));
}

static __always_inline void claim_way(struct __sk_buff *skb, struct packet *packet,
                                      struct flow_way_stats *way)
{
	if (__sync_val_compare_and_swap(&way->owner_hook, 0, packet->hook) != 0)
		return;
	if (packet->hook & 1 && skb->ingress_ifindex)
		way->flags |= FLOW_WAY_ENTERED;
}

static __always_inline void account_existing(struct __sk_buff *skb, struct packet *packet,
                                             const struct flow_key *key, struct flow_stats *stats)
{
	struct flow_way_stats *way = &stats->ways[packet->way & 1];

	if (is_opening_syn(packet) && is_closed(stats))
		reopen(skb, packet, key, stats);
	if (!way->owner_hook)
		claim_way(skb, packet, way);
	if (way->owner_hook == packet->hook)
		count(skb, packet, stats, way);
	else
		observe_elsewhere(skb, packet, stats, way);
}

static __always_inline void tell_opened(struct packet *packet, const struct flow_key *key, __u64 now)
{
	struct flow_event *event = bpf_ringbuf_reserve(&FLOW_EVENTS, sizeof(*event), 0);

	if (!event) {
		counter_add(COUNTER_RING_FULL, 1, 0);
		return;
	}
	event->key = *key;
	event->time_ns = now;
	event->kind = FLOW_EVENT_OPENED;
	event->way = packet->way;
	event->tcp_flags[0] = 0;
	event->tcp_flags[1] = 0;
	event->tcp_flags[packet->way & 1] = packet->tcp_flags;
	event->incarnation = 0;
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

static __always_inline void fill_new_flow(struct __sk_buff *skb, struct packet *packet,
                                          struct flow_stats *stats, __u64 now)
{
	struct flow_way_stats *way = &stats->ways[packet->way & 1];

	__builtin_memset(stats, 0, sizeof(*stats));
	way->owner_hook = packet->hook;
	if (packet->hook & 1 && skb->ingress_ifindex)
		way->flags = FLOW_WAY_ENTERED;
	way->packets = packet->segments;
	way->bytes = wire_bytes(packet);
	way->generation = scan_generation();
	way->last_seen_ns = now;
	way->tcp_flags = packet->tcp_flags;
	restart_first(packet, stats, way, now);
	note_sender(skb, packet, stats);
	if (packet->protocol == TRANSPORT_TCP && packet->tcp_flags & TCP_SYN)
		observe_handshake(packet, stats, now);
}

/*
 * Kernels give -E2BIG for a full preallocated map and -EBUSY or -ENOMEM where its locks or memory were
 * not to be had at once.
 */
#define E2BIG 7
#define EEXIST 17

static __always_inline void account_new(struct __sk_buff *skb, struct packet *packet,
                                        const struct flow_key *key)
{
	__u64 now = packet_time_exact(skb);
	__u32 zero = 0;
	struct flow_stats *stats = bpf_map_lookup_elem(&NEW_FLOW, &zero);
	long error;

	if (!stats)
		return;
	fill_new_flow(skb, packet, stats, now);
	error = bpf_map_update_elem(&FLOW_STATS, key, stats, BPF_NOEXIST);
	if (!error) {
		counter_add(COUNTER_ACCOUNTED, packet->segments, wire_bytes(packet));
		tell_opened(packet, key, now);
		return;
	}
	if (error == -EEXIST) {
		stats = bpf_map_lookup_elem(&FLOW_STATS, key);
		if (stats) {
			account_existing(skb, packet, key, stats);
			return;
		}
	}
	counter_add(error == -E2BIG ? COUNTER_MAP_FULL : COUNTER_MAP_BUSY, packet->segments,
	            wire_bytes(packet));
}

/*
 * A function of its own to the verifier, which proves it once for every packet instead of once for every
 * way through the parser (813,000 instructions inlined, 6.18 and clang 19).
 */
__noinline int account(struct __sk_buff *skb, struct packet *packet)
{
	struct flow_stats *stats;
	/* Here, on the stack: Linux 6.1 takes no map key out of what a global function's argument points to.
	 */
	struct flow_key key = {};

	if (!packet)
		return 0;
	form_key(packet, &key);
	observe_more_segments(skb, packet);
	if (packet->is_later_fragment)
		counter_add(COUNTER_FRAGMENT, packet->segments, wire_bytes(packet));
	stats = bpf_map_lookup_elem(&FLOW_STATS, &key);
	if (stats)
		account_existing(skb, packet, &key, stats);
	else
		account_new(skb, packet, &key);
	return 0;
}

#endif
