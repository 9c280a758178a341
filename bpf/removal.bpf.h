/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Taking flows out of FLOW_STATS for the agent, many in one call of its own. No hook runs this: it is a
 * program of the same type as the others' only because the kernel runs those with no other at its side.
 */
#ifndef MERMIN_REMOVAL_BPF_H
#define MERMIN_REMOVAL_BPF_H

#define ENOENT 2

/*
 * What was counted is taken by marking it: a program that adds later finds the mark, and counts its packet as
 * lost. The kernel's own look-up and deletion in one loses it unseen.
 */
static __always_inline void take_counts(struct flow_stats *stats, struct flow_stats *taken)
{
	__u64 packets[2], bytes[2];

	for (int way = 0; way < 2; way++) {
		packets[way] = __sync_fetch_and_or(&stats->ways[way].packets, FLOW_LEAVING);
		bytes[way] = stats->ways[way].bytes;
	}
	*taken = *stats;
	for (int way = 0; way < 2; way++) {
		taken->ways[way].packets = packets[way];
		taken->ways[way].bytes = bytes[way];
	}
}

static __u32 remove_flow(struct flow_removal *removal, __u64 quiet_since_ns)
{
	struct flow_stats *stats = bpf_map_lookup_elem(&FLOW_STATS, &removal->key);
	int error;

	if (!stats)
		return FLOW_REMOVAL_ABSENT;
	if (stats->ways[0].last_seen_ns > quiet_since_ns || stats->ways[1].last_seen_ns > quiet_since_ns)
		return FLOW_REMOVAL_STAYS;
	take_counts(stats, &removal->stats);
	error = (int)bpf_map_delete_elem(&FLOW_STATS, &removal->key);
	if (!error)
		return FLOW_REMOVAL_TAKEN;
	if (error == -ENOENT)
		return FLOW_REMOVAL_ABSENT;
	/* It stays: what came meanwhile was counted as lost. */
	for (int way = 0; way < 2; way++)
		stats->ways[way].packets = removal->stats.ways[way].packets;
	return FLOW_REMOVAL_BUSY;
}

static long remove_next(__u32 index, const __u64 *quiet_since_ns)
{
	struct flow_removal *removal = bpf_map_lookup_elem(&REMOVALS, &index);

	if (!removal)
		return 1;
	removal->outcome = remove_flow(removal, *quiet_since_ns);
	return 0;
}

/* `mark` is how many elements of REMOVALS are asked for, `tstamp` since when a flow has to be quiet. */
static __always_inline int remove_flows(struct __sk_buff *skb)
{
	__u64 quiet_since_ns = skb->tstamp;

	bpf_loop(skb->mark, remove_next, &quiet_since_ns, 0);
	return 0;
}

#endif
