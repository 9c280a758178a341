/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Which hook's packets are counted, per flow and direction; what to make of the same direction seen at
 * another hook: a copy, or a new path. See docs/architecture.md, "Counted once".
 */
#ifndef MERMIN_OWNER_BPF_H
#define MERMIN_OWNER_BPF_H

#define NS_PER_MS 1000000ULL

/* An owner that was silent so long has lost the path: the next hook that sees the flow takes over. */
#define OWNER_SILENT_NS (1000 * NS_PER_MS)

/*
 * Copies of the owner's last packets reach a hook behind a queue within this time. What a candidate saw only
 * so soon may be copies and is never added; a hook that is known to see copies holds nothing so soon.
 */
#define COPY_DELAY_NS (50 * NS_PER_MS)

#define MAX_DELAY_MS 0xffff

/* Flags of a way whose owner is this packet's hook, from now on. */
static __always_inline __u8 first_flags(struct __sk_buff *skb, const struct packet *packet)
{
	return packet->hook & 1 && skb->ingress_ifindex ? FLOW_WAY_ENTERED : 0;
}

static __always_inline void claim_way(struct __sk_buff *skb, struct packet *packet,
                                      struct flow_way_stats *way)
{
	if (__sync_val_compare_and_swap(&way->owner_hook, 0, packet->hook) == 0)
		way->flags = (way->flags & FLOW_WAY_AWAITED) | first_flags(skb, packet);
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

/* One unit of FLOW_WAY_AGE. */
#define FLOW_WAY_AGE_STEP 8

static __always_inline int is_after(__u32 generation, __u32 other)
{
	return (__s32)(generation - other) > 0;
}

/*
 * At the owner's first packet of a scan generation, `previous` being that of its packet before. What it had
 * before a hook was attached proves nothing of that hook.
 */
static __always_inline void grow_older(struct flow_way_stats *way, __u32 previous)
{
	struct scan_state *scan = find_scan();

	if (!scan || !is_after(previous, scan->attached_generation))
		way->flags &= ~FLOW_WAY_AGE;
	else if ((way->flags & FLOW_WAY_AGE) != FLOW_WAY_AGE)
		way->flags += FLOW_WAY_AGE_STEP;
}

/*
 * Whether copies of the owner's packets would have reached any other hook by now, and none has seen any: then
 * what another hook sees has taken another path. Three generations contain a whole one, so that copies had
 * a poll interval's time.
 */
static __always_inline int has_no_copies(const struct flow_way_stats *way)
{
	struct scan_state *scan = find_scan();

	return scan && (way->flags & (FLOW_WAY_AGE | FLOW_WAY_COPIED)) == FLOW_WAY_AGE &&
	       is_after(way->generation, scan->attached_generation);
}

static __always_inline void take_over(struct __sk_buff *skb, struct packet *packet, struct flow_stats *stats,
                                      struct flow_way_stats *way)
{
	__u32 owner = way->owner_hook;

	if (__sync_val_compare_and_swap(&way->owner_hook, owner, packet->hook) != owner)
		return;
	if (way->candidate_hook == packet->hook && way->candidate_packets &&
	    (has_no_copies(way) || stats->candidate_delay_ms[packet->way & 1] * NS_PER_MS >= COPY_DELAY_NS)) {
		__u64 held_packets = way->candidate_packets, held_bytes = way->candidate_bytes;

		__sync_fetch_and_add(&way->packets, held_packets);
		__sync_fetch_and_add(&way->bytes, held_bytes);
		counter_add(COUNTER_ACCOUNTED, held_packets, held_bytes);
		counter_add(COUNTER_TAKEN_OVER, held_packets, held_bytes);
	}
	way->candidate_hook = 0;
	way->candidate_packets = 0;
	way->candidate_bytes = 0;
	way->flags = (way->flags & FLOW_WAY_AWAITED) | first_flags(skb, packet);
}

/* The second packet in a row at a hook that would have seen copies before. One alone may be late. */
static __always_inline int has_moved(const struct packet *packet, const struct flow_way_stats *way)
{
	return way->candidate_hook == packet->hook && way->candidate_packets && has_no_copies(way);
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

#endif
