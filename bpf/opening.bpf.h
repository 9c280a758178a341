/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a flow begins with: its first value, its events, and the packet that finds no room. */
#ifndef MERMIN_OPENING_BPF_H
#define MERMIN_OPENING_BPF_H

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

/* Once a scan generation, when few places are left: the agent then makes room before the next scan is due. */
static __always_inline void note_created(__u64 now)
{
	__u32 zero = 0;
	struct table_use *use = bpf_map_lookup_elem(&TABLE_USE, &zero);
	struct scan_state *scan = find_scan();
	struct flow_event *event;
	__s64 used;
	__u32 previous;

	if (!use || !scan)
		return;
	/* Signed: an entry may be taken before its making is counted. */
	used = __sync_fetch_and_add(&use->created, 1) + 1 - scan->removed;
	previous = use->pressed_generation;
	if (!scan->pressure_entries || used <= scan->pressure_entries || previous == scan->generation)
		return;
	event = bpf_ringbuf_reserve(&FLOW_EVENTS, sizeof(*event), 0);
	if (!event) {
		counter_add(COUNTER_RING_FULL, 1, 0);
		return;
	}
	/* After there was room for it: the next new flow says it where there was none. */
	if (__sync_val_compare_and_swap(&use->pressed_generation, previous, scan->generation) != previous) {
		bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->time_ns = now;
	event->kind = FLOW_EVENT_PRESSURE;
	event->incarnation = used;
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

/* A packet that finds no room in the table goes to the agent by itself. */
static __always_inline void tell_overflow(struct __sk_buff *skb, struct packet *packet,
                                          const struct flow_key *key, const struct flow_stats *stats,
                                          int reason)
{
	struct flow_overflow_event *event = bpf_ringbuf_reserve(&FLOW_EVENTS, sizeof(*event), 0);
	__u64 bytes = wire_bytes(packet);

	if (!event) {
		counter_add(reason, packet->segments, bytes);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->event.key = *key;
	event->event.time_ns = packet_time_exact(skb);
	event->event.kind = FLOW_EVENT_OVERFLOW;
	event->event.way = packet->way;
	event->event.tcp_flags[packet->way & 1] = packet->tcp_flags;
	event->packets = packet->segments;
	event->bytes = bytes;
	event->hook = packet->hook;
	event->flow_label = packet->flow_label;
	event->vlan_id = packet->vlan_id;
	event->traffic_class = packet->traffic_class;
	event->ttl = packet->ttl;
	event->icmp_type = packet->icmp_type;
	event->icmp_code = packet->icmp_code;
	event->entered = (first_flags(skb, packet) & FLOW_WAY_ENTERED) != 0;
	if (stats->flags & FLOW_HAS_MAC)
		__builtin_memcpy(event->source_mac, stats->source_mac, sizeof(event->source_mac));
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	counter_add(COUNTER_OVERFLOW, packet->segments, bytes);
}

static __always_inline void fill_new_flow(struct __sk_buff *skb, struct packet *packet,
                                          struct flow_stats *stats, __u64 now)
{
	struct flow_way_stats *way = &stats->ways[packet->way & 1];

	__builtin_memset(stats, 0, sizeof(*stats));
	way->owner_hook = packet->hook;
	way->flags = first_flags(skb, packet);
	way->packets = packet->segments;
	way->bytes = wire_bytes(packet);
	way->generation = scan_generation();
	way->last_seen_ns = now;
	restart_first(packet, stats, way, now);
	note_sender(skb, packet, stats);
	if (packet->protocol == TRANSPORT_TCP && is_telling(packet, way))
		observe_tcp(packet, stats, now);
	way->tcp_flags = packet->tcp_flags;
}

#endif
