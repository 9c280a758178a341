/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Adding a packet to its flow, once. Per direction one hook owns the counters; see docs/architecture.md,
 * "Counted once".
 */
#ifndef MERMIN_ACCOUNT_BPF_H
#define MERMIN_ACCOUNT_BPF_H

/* Atomic, as part of the word of four octets it begins: other CPUs may set bits at the same time. */
static __always_inline void merge_tcp_flags(struct flow_way_stats *way, __u8 flags)
{
	if ((way->tcp_flags | flags) != way->tcp_flags)
		__sync_fetch_and_or((__u32 *)&way->tcp_flags, (__u32)flags << OCTET_SHIFT(0));
}

static __always_inline __u64 observation_time(struct __sk_buff *skb, const struct packet *packet)
{
	if (packet->protocol == TRANSPORT_TCP &&
	    (packet->payload_bytes || packet->tcp_flags & (TCP_SYN | TCP_FIN)))
		return packet_time_exact(skb);
	return packet_time_coarse(skb);
}

/*
 * What comes to an entry while it is taken out is lost, and counted as that; its bytes may be told all the
 * same. Two branches, as one more value kept over the call is more stack than Linux allows.
 */
static __always_inline void add_counts(const struct packet *packet, struct flow_way_stats *way)
{
	__u64 packets = __sync_fetch_and_add(&way->packets, packet->segments);

	__sync_fetch_and_add(&way->bytes, wire_bytes(packet));
	if (packets & FLOW_LEAVING)
		counter_add(COUNTER_MAP_BUSY, packet->segments, wire_bytes(packet));
	else
		counter_add(COUNTER_ACCOUNTED, packet->segments, wire_bytes(packet));
}

static __always_inline void note_seen(struct flow_way_stats *way, __u64 now)
{
	if (now > way->last_seen_ns)
		way->last_seen_ns = now;
	/* Captures need not be in the order of time. Not live: the coarse clock is behind the exact one. */
	if (replay && now < way->first_seen_ns)
		way->first_seen_ns = now;
}

static __always_inline void follow_tcp(struct packet *packet, struct flow_stats *stats,
                                       struct flow_way_stats *way, __u64 now)
{
	if (is_telling(packet, way))
		observe_tcp(packet, stats, now);
	merge_tcp_flags(way, packet->tcp_flags);
}

/* follow_tcp(), without a call for the usual segment. */
static __always_inline void follow_usual_tcp(struct packet *packet, struct flow_stats *stats,
                                             struct flow_way_stats *way, __u64 now)
{
	if (!is_plain_payload(packet)) {
		follow_tcp(packet, stats, way, now);
		return;
	}
	observe_payload(packet, stats, now);
	merge_tcp_flags(way, packet->tcp_flags);
}

static __always_inline void count(struct __sk_buff *skb, struct packet *packet, struct flow_stats *stats,
                                  struct flow_way_stats *way)
{
	__u32 generation, previous;
	__u64 now;

	if (way->candidate_packets) {
		way->flags |= FLOW_WAY_INTERLEAVED | FLOW_WAY_COPIED;
		way->candidate_packets = 0;
		way->candidate_bytes = 0;
	}
	add_counts(packet, way);
	now = observation_time(skb, packet);
	generation = scan_generation();
	previous = way->generation;
	if (previous != generation &&
	    __sync_val_compare_and_swap(&way->generation, previous, generation) == previous) {
		now = packet_time_exact(skb);
		restart_first(packet, stats, way, now);
		grow_older(way, previous);
	}
	note_seen(way, now);
	if (packet->protocol == TRANSPORT_TCP)
		follow_tcp(packet, stats, way, now);
}

/* A hook that does not own this direction. */
static __always_inline void observe_elsewhere(struct __sk_buff *skb, struct packet *packet,
                                              struct flow_stats *stats, struct flow_way_stats *way)
{
	__u64 now = packet_time_coarse(skb), last = way->last_seen_ns;
	__u64 silent_ns = now > last ? now - last : 0;

	if (silent_ns >= OWNER_SILENT_NS || has_moved(packet, way)) {
		take_over(skb, packet, stats, way);
		if (way->owner_hook == packet->hook) {
			count(skb, packet, stats, way);
			return;
		}
	} else if (!is_copy_by_place(skb, packet, way)) {
		hold(packet, stats, way, silent_ns);
	}
	counter_add(COUNTER_DUPLICATE, packet->segments, wire_bytes(packet));
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
	if (packet->has_details)
		note_details(skb, packet, key, stats, way->owner_hook == packet->hook ? DETAILS_OF_OWNER : 0);
}

/*
 * Kernels give -E2BIG for a full preallocated map and -EBUSY or -ENOMEM where its locks or memory were
 * not to be had at once. It is read as an int: before Linux 6.4 the upper half of what an update returns is
 * not the sign's.
 */
#define E2BIG 7
#define EEXIST 17

static __always_inline void note_new_details(struct __sk_buff *skb, struct packet *packet,
                                             const struct flow_key *key)
{
	struct flow_stats *stats = bpf_map_lookup_elem(&FLOW_STATS, key);

	if (stats)
		note_details(skb, packet, key, stats, DETAILS_OF_OWNER | DETAILS_OF_NEW);
}

static __always_inline void account_new(struct __sk_buff *skb, struct packet *packet,
                                        const struct flow_key *key)
{
	__u64 now = packet_time_exact(skb);
	__u32 zero = 0;
	struct flow_stats *fresh = bpf_map_lookup_elem(&NEW_FLOW, &zero), *stats;
	int error;

	if (!fresh)
		return;
	fill_new_flow(skb, packet, fresh, now);
	error = (int)bpf_map_update_elem(&FLOW_STATS, key, fresh, BPF_NOEXIST);
	if (!error) {
		counter_add(COUNTER_ACCOUNTED, packet->segments, wire_bytes(packet));
		tell_opened(packet, key, now);
		note_created(now);
		if (packet->has_details)
			note_new_details(skb, packet, key);
		return;
	}
	if (error == -EEXIST) {
		stats = bpf_map_lookup_elem(&FLOW_STATS, key);
		if (stats) {
			account_existing(skb, packet, key, stats);
			return;
		}
	}
	tell_overflow(skb, packet, key, fresh, error == -E2BIG ? COUNTER_MAP_FULL : COUNTER_MAP_BUSY);
}

/* The verdict on a flow without an entry; one that leaves it out is remembered. */
static __always_inline int is_new_left_out(struct flow_key *key)
{
	__u8 verdict = 1;

	if (!is_left_out(key))
		return 0;
	bpf_map_update_elem(&FILTERED_FLOWS, key, &verdict, BPF_ANY);
	return 1;
}

/* Counts what sampling or an earlier verdict leaves out, so that it costs one look-up. */
static __always_inline int is_passed_over(const struct packet *packet, const struct flow_key *key)
{
	if (sampling > 1 && !is_sampled(key)) {
		counter_add(COUNTER_SAMPLED_OUT, packet->segments, wire_bytes(packet));
		return 1;
	}
	if (filters && bpf_map_lookup_elem(&FILTERED_FLOWS, key)) {
		counter_add(COUNTER_FILTERED, packet->segments, wire_bytes(packet));
		return 1;
	}
	return 0;
}

/* `stats`: the flow's entry, or NULL where there is none. */
static __always_inline void account(struct __sk_buff *skb, struct packet *packet, struct flow_key *key,
                                    struct flow_stats *stats)
{
	if (!stats && filters && is_new_left_out(key)) {
		counter_add(COUNTER_FILTERED, packet->segments, wire_bytes(packet));
		return;
	}
	if (packet->is_alone)
		counter_add(COUNTER_FRAGMENT, packet->segments, wire_bytes(packet));
	if (stats)
		account_existing(skb, packet, key, stats);
	else
		account_new(skb, packet, key);
}

/*
 * A plain packet that is not usual. A function of its own to the verifier, which proves it once for every
 * packet instead of once for every way through the parser.
 */
__noinline int account_unusual(struct __sk_buff *skb, struct packet *packet, const struct flow_key *formed,
                               struct flow_stats *stats)
{
	/* A copy: Linux 6.1 takes no map key out of what a global function's argument points to. */
	struct flow_key key;

	if (!packet || !formed)
		return 0;
	key = *formed;
	account(skb, packet, &key, stats);
	return 0;
}

/* Whether count() would add and note and nothing else. */
static __always_inline int is_usual(const struct packet *packet, const struct flow_way_stats *way)
{
	return way->owner_hook == packet->hook && way->generation == scan_generation() &&
	       !way->candidate_packets && !is_opening_syn(packet) && !packet->has_details;
}

/*
 * Whether all that is to be done is to count a copy, and the copy is the most frequent one: of a packet that
 * entered by the owner's hook and now leaves.
 */
static __always_inline int is_usual_copy(struct __sk_buff *skb, const struct packet *packet,
                                         const struct flow_way_stats *way)
{
	return packet->hook & 1 && skb->ingress_ifindex &&
	       way->owner_hook == FLOW_HOOK(skb->ingress_ifindex, 0) && !way->candidate_packets &&
	       !is_opening_syn(packet) && !packet->has_details &&
	       packet_time_coarse(skb) < way->last_seen_ns + OWNER_SILENT_NS;
}

static __always_inline void count_usual(struct __sk_buff *skb, struct packet *packet,
                                        struct flow_stats *stats, struct flow_way_stats *way)
{
	__u64 now;

	add_counts(packet, way);
	now = observation_time(skb, packet);
	note_seen(way, now);
	if (packet->protocol == TRANSPORT_TCP)
		follow_usual_tcp(packet, stats, way, now);
}

/*
 * A plain packet. What most of them are is counted without a call: where returns are guarded against
 * speculation, one costs 10 ns.
 */
static __always_inline void account_plain(struct __sk_buff *skb, struct packet *packet)
{
	struct flow_way_stats *way;
	struct flow_stats *stats;
	struct flow_key key = {};

	form_key(packet, &key);
	observe_more_segments(skb, packet);
	if (is_passed_over(packet, &key))
		return;
	stats = bpf_map_lookup_elem(&FLOW_STATS, &key);
	if (stats) {
		way = &stats->ways[packet->way & 1];
		if (is_usual(packet, way)) {
			count_usual(skb, packet, stats, way);
			return;
		}
		if (is_usual_copy(skb, packet, way)) {
			counter_add(COUNTER_DUPLICATE, packet->segments, wire_bytes(packet));
			return;
		}
	}
	account_unusual(skb, packet, &key, stats);
}

#endif
