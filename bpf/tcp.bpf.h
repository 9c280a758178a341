/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Lives of a TCP 5-tuple: who opened it, how long the handshake took, when a new one begins. */
#ifndef MERMIN_TCP_BPF_H
#define MERMIN_TCP_BPF_H

static __always_inline int is_opening_syn(const struct packet *packet)
{
	return packet->protocol == TRANSPORT_TCP && (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* FIN both ways, or RST: what comes after a SYN is another conversation. */
static __always_inline int is_closed(const struct flow_stats *stats)
{
	__u8 low = stats->ways[0].tcp_flags, high = stats->ways[1].tcp_flags;

	return (low & high & TCP_FIN) || ((low | high) & TCP_RST);
}

static __always_inline void tell_reopened(struct packet *packet, const struct flow_key *key,
                                          struct flow_stats *stats, __u64 now)
{
	struct flow_reopened_event *event;

	event = bpf_ringbuf_reserve(&FLOW_EVENTS, sizeof(*event), 0);
	if (!event) {
		counter_add(COUNTER_RING_FULL, 1, 0);
		return;
	}
	event->event.key = *key;
	event->event.time_ns = now;
	event->event.kind = FLOW_EVENT_REOPENED;
	event->event.way = packet->way;
	event->event.incarnation = stats->incarnation;
	for (int way = 0; way < 2; way++) {
		event->event.tcp_flags[way] = stats->ways[way].tcp_flags;
		event->packets[way] = stats->base_packets[way];
		event->bytes[way] = stats->base_bytes[way];
		event->first_seen_ns[way] = stats->ways[way].first_seen_ns;
		event->last_seen_ns[way] = stats->ways[way].last_seen_ns;
	}
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

/* Who sent a life's first packet, and how it came. */
static __always_inline void note_sender(struct __sk_buff *skb, struct packet *packet,
                                        struct flow_stats *stats)
{
	stats->first_way = packet->way;
	stats->vlan_id = packet->vlan_id;
	if (packet->has_ethernet && bpf_skb_load_bytes(skb, offsetof(struct ethernet_header, source),
	                                               stats->source_mac, sizeof(stats->source_mac)) == 0)
		stats->flags |= FLOW_HAS_MAC;
	else
		stats->flags &= ~FLOW_HAS_MAC;
}

/*
 * A SYN on a closed 5-tuple. The counters run on; what they are now is the new life's base. Both ways'
 * owners are open again, because the new conversation may take another path.
 */
static __always_inline void reopen(struct __sk_buff *skb, struct packet *packet, const struct flow_key *key,
                                   struct flow_stats *stats)
{
	__u32 incarnation = stats->incarnation;

	if (__sync_val_compare_and_swap(&stats->incarnation, incarnation, incarnation + 1) != incarnation)
		return;
	for (int way = 0; way < 2; way++) {
		stats->base_packets[way] = stats->ways[way].packets;
		stats->base_bytes[way] = stats->ways[way].bytes;
	}
	tell_reopened(packet, key, stats, packet_time_exact(skb));
	for (int way = 0; way < 2; way++) {
		stats->ways[way].tcp_flags = 0;
		stats->ways[way].flags = 0;
		stats->ways[way].generation = 0;
		stats->ways[way].owner_hook = 0;
		stats->ways[way].candidate_hook = 0;
		stats->ways[way].candidate_packets = 0;
		stats->ways[way].candidate_bytes = 0;
	}
	stats->syn_ns = 0;
	stats->handshake_ns = 0;
	stats->initiator = FLOW_INITIATOR_UNKNOWN;
	stats->flags &= ~FLOW_SYN_REPEATED;
	note_sender(skb, packet, stats);
}

static __always_inline void observe_syn(struct packet *packet, struct flow_stats *stats, __u64 now)
{
	if (!stats->initiator)
		stats->initiator = packet->way + 1;
	if (stats->initiator != packet->way + 1)
		return; /* simultaneous open: the first SYN decides */
	if (stats->syn_ns)
		stats->flags |= FLOW_SYN_REPEATED;
	else
		stats->syn_ns = now;
}

static __always_inline void observe_syn_ack(struct packet *packet, struct flow_stats *stats, __u64 now)
{
	__u8 initiator = 2 - packet->way; /* the other end: way 0 answers high (2), way 1 answers low (1) */
	__u64 latency;

	if (!stats->initiator)
		stats->initiator = initiator;
	if (stats->initiator != initiator || !stats->syn_ns || stats->handshake_ns ||
	    (stats->flags & FLOW_SYN_REPEATED) || now < stats->syn_ns)
		return;
	latency = now - stats->syn_ns;
	stats->handshake_ns = latency > 0xffffffff ? 0xffffffff : latency;
}

/* Called for packets that carry SYN, by the owner hook only, in order of arrival. */
static __always_inline void observe_handshake(struct packet *packet, struct flow_stats *stats, __u64 now)
{
	if (packet->tcp_flags & TCP_ACK)
		observe_syn_ack(packet, stats, now);
	else
		observe_syn(packet, stats, now);
}

#endif
