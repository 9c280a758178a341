/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Lives of a TCP 5-tuple: who opened it, how long the handshake took, when a new one begins. Of the owner
 * hook's packets, in order of arrival.
 */
#ifndef MERMIN_TCP_BPF_H
#define MERMIN_TCP_BPF_H

/* The source address of an Ethernet header, counted back from where the header ends. */
#define SOURCE_MAC_BEFORE_END 8

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

/* The old life's end, as far as the counters and what is kept beside them tell. */
static __always_inline void describe_old_life(struct flow_reopened_event *event,
                                              const struct flow_stats *stats)
{
	for (int way = 0; way < 2; way++) {
		event->event.tcp_flags[way] = stats->ways[way].tcp_flags;
		event->packets[way] = stats->base_packets[way];
		event->bytes[way] = stats->base_bytes[way];
		event->first_seen_ns[way] = stats->ways[way].first_seen_ns;
		event->last_seen_ns[way] = stats->ways[way].last_seen_ns;
		event->first_flow_label[way] = stats->ways[way].first_flow_label;
		event->first_traffic_class[way] = stats->ways[way].first_traffic_class;
		event->first_ttl[way] = stats->ways[way].first_ttl;
		event->retransmits[way] = stats->retransmits[way];
		event->out_of_order[way] = stats->out_of_order[way];
	}
	event->handshake_ns = stats->handshake_ns;
	event->vlan_id = stats->vlan_id;
	if (stats->flags & FLOW_HAS_MAC)
		__builtin_memcpy(event->source_mac, stats->source_mac, sizeof(event->source_mac));
	event->response_sum_ns = stats->response_sum_ns;
	event->response_count = stats->response_count;
	event->response_jitter_ns = stats->response_jitter_ns;
	event->tcp_state = stats->tcp_state;
}

/* Overhead and fragments of the old life end where those of the new one begin. */
static __always_inline void describe_old_details(struct flow_reopened_event *event,
                                                 const struct flow_details *details)
{
	for (int layer = 0; layer < 2; layer++)
		for (int way = 0; way < 2; way++)
			event->overhead_bytes[layer][way] = details->base_overhead_bytes[layer][way];
	event->fragments = details->base_fragments;
}

static __always_inline void rebase_details(struct flow_details *details)
{
	for (int layer = 0; layer < 2; layer++)
		for (int way = 0; way < 2; way++)
			details->base_overhead_bytes[layer][way] = details->overhead_bytes[layer][way];
	details->base_fragments = details->fragments;
	renew_layers(details);
}

static __always_inline void tell_reopened(struct packet *packet, const struct flow_key *key,
                                          struct flow_stats *stats, __u64 now)
{
	struct flow_details *details = NULL;
	struct flow_reopened_event *event;

	if (stats->flags & FLOW_HAS_DETAILS)
		details = bpf_map_lookup_elem(&FLOW_DETAILS, key);
	if (details)
		rebase_details(details);
	event = bpf_ringbuf_reserve(&FLOW_EVENTS, sizeof(*event), 0);
	if (!event) {
		counter_add(COUNTER_RING_FULL, 1, 0);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->event.key = *key;
	event->event.time_ns = now;
	event->event.kind = FLOW_EVENT_REOPENED;
	event->event.way = packet->way;
	event->event.incarnation = stats->incarnation;
	describe_old_life(event, stats);
	if (details)
		describe_old_details(event, details);
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

/* Who sent a life's first packet, and how it came. */
static __always_inline void note_sender(struct __sk_buff *skb, struct packet *packet,
                                        struct flow_stats *stats)
{
	stats->first_way = packet->way;
	stats->vlan_id = packet->vlan_id;
	if (packet->ethernet_end && bpf_skb_load_bytes(skb, packet->ethernet_end - SOURCE_MAC_BEFORE_END,
	                                               stats->source_mac, sizeof(stats->source_mac)) == 0)
		stats->flags |= FLOW_HAS_MAC;
	else
		stats->flags &= ~FLOW_HAS_MAC;
}

/* What was measured of the old life's connection is no part of the new one's. */
static __always_inline void forget_connection(struct flow_stats *stats)
{
	stats->syn_ns = 0;
	stats->handshake_ns = 0;
	stats->initiator = FLOW_INITIATOR_UNKNOWN;
	stats->flags &= ~FLOW_SYN_REPEATED;
	stats->tcp_state = 0;
	stats->payload_ns = 0;
	stats->response_sum_ns = 0;
	stats->response_count = 0;
	stats->response_jitter_ns = 0;
	stats->response_previous_ns = 0;
	for (int way = 0; way < 2; way++) {
		stats->sequence_end[way] = 0;
		stats->sequence_raised[way] = 0;
		stats->retransmits[way] = 0;
		stats->out_of_order[way] = 0;
	}
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
	forget_connection(stats);
	note_sender(skb, packet, stats);
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OCTET_SHIFT(octet) (8 * (octet))
#else
#define OCTET_SHIFT(octet) (24 - 8 * (octet))
#endif

/* Atomic, as part of the word of four octets it is the third of: both ways' CPUs set bits. */
static __always_inline void add_tcp_state(struct flow_stats *stats, __u8 bits)
{
	if ((stats->tcp_state | bits) != stats->tcp_state)
		__sync_fetch_and_or((__u32 *)&stats->first_way, (__u32)bits << OCTET_SHIFT(2));
}

/* Has acknowledgements of `way` looked at. Likewise, of the word that its TCP flags begin. */
static __always_inline void await_acknowledgement(struct flow_way_stats *way)
{
	if (!(way->flags & FLOW_WAY_AWAITED))
		__sync_fetch_and_or((__u32 *)&way->tcp_flags, (__u32)FLOW_WAY_AWAITED << OCTET_SHIFT(3));
}

static __always_inline void observe_syn(struct packet *packet, struct flow_stats *stats, __u64 now)
{
	if (!stats->initiator)
		stats->initiator = packet->way + 1;
	if (stats->initiator != packet->way + 1) {
		/* Simultaneous open: the first SYN decides. */
		if (!(stats->tcp_state & FLOW_TCP_ESTABLISHED))
			add_tcp_state(stats, FLOW_TCP_SIMULTANEOUS);
		return;
	}
	await_acknowledgement(&stats->ways[packet->way & 1]);
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
	if (stats->initiator == initiator)
		await_acknowledgement(&stats->ways[!(packet->way & 1)]);
	if (stats->initiator != initiator || !stats->syn_ns || stats->handshake_ns ||
	    (stats->flags & FLOW_SYN_REPEATED) || now < stats->syn_ns)
		return;
	latency = now - stats->syn_ns;
	stats->handshake_ns = latency > 0xffffffff ? 0xffffffff : latency;
}

/* Of packets that carry SYN. */
static __always_inline void observe_handshake(struct packet *packet, struct flow_stats *stats, __u64 now)
{
	if (packet->tcp_flags & TCP_ACK)
		observe_syn_ack(packet, stats, now);
	else
		observe_syn(packet, stats, now);
}

#endif
