/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the segments of a TCP connection tell: what was sent again or late, how soon requests are answered,
 * which handshake and which FIN was acknowledged. Of the owner hook's packets, in order of arrival.
 */
#ifndef MERMIN_STREAM_BPF_H
#define MERMIN_STREAM_BPF_H

/*
 * Payload that was seen before is a retransmission if it comes at least this long after the end it does not
 * reach was raised, and at least half of the handshake's latency; sooner, no sender can know of a loss.
 */
#define RETRANSMIT_MIN_NS (3 * 1000000ULL)

/* Resolution of sequence_raised: 65.5 µs, which wraps after 78 hours. */
#define RAISED_SHIFT 16

/* A difference counts for a sixteenth (RFC 3550, 6.4.1). */
#define JITTER_SHIFT 4

#define MOST_NS32 0xffffffff

/* Of two sequence numbers less than 2^31 apart (RFC 9293, 3.4). */
static __always_inline int is_beyond(__u32 sequence, __u32 other)
{
	return (__s32)(sequence - other) > 0;
}

/* Whether a packet of `way` has anything for observe_tcp(). Plain acknowledgements do not, but for a few. */
static __always_inline int is_telling(const struct packet *packet, const struct flow_way_stats *way)
{
	return packet->payload_bytes || packet->tcp_flags & (TCP_SYN | TCP_FIN) ||
	       way->flags & FLOW_WAY_AWAITED;
}

static __always_inline void observe_response(struct flow_stats *stats, __u64 now)
{
	__u64 asked = stats->payload_ns, latency;
	__u32 latency32, previous = stats->response_previous_ns;
	__u32 difference, jitter = stats->response_jitter_ns;

	/* The CPU that takes the request away counts the response. */
	if (!asked || __sync_val_compare_and_swap(&stats->payload_ns, asked, 0) != asked || now < asked)
		return;
	latency = now - asked;
	latency32 = latency > MOST_NS32 ? MOST_NS32 : latency;
	if (stats->response_count) {
		difference = latency32 > previous ? latency32 - previous : previous - latency32;
		stats->response_jitter_ns = jitter + (((__s64)difference - jitter) >> JITTER_SHIFT);
	}
	stats->response_previous_ns = latency32;
	stats->response_sum_ns += latency;
	stats->response_count++;
}

/* Payload that was not seen before: of a request, or the first of its response. */
static __always_inline void observe_new_payload(const struct packet *packet, struct flow_stats *stats,
                                                __u64 now)
{
	__u8 initiator = stats->initiator;

	if (!initiator)
		return;
	if (initiator == packet->way + 1)
		stats->payload_ns = now;
	else
		observe_response(stats, now);
}

/* Payload all of which was seen before, or is behind what was. */
static __always_inline void observe_old_payload(const struct packet *packet, struct flow_stats *stats,
                                                __u64 now)
{
	__u32 way = packet->way & 1;
	__u64 least = stats->handshake_ns / 2;
	/* Signed: another CPU may have raised the end a moment later. */
	__s32 since = (__u32)(now >> RAISED_SHIFT) - stats->sequence_raised[way];

	if (least < RETRANSMIT_MIN_NS)
		least = RETRANSMIT_MIN_NS;
	if (since > 0 && (__u64)since << RAISED_SHIFT >= least)
		stats->retransmits[way] += packet->segments;
	else
		stats->out_of_order[way] += packet->segments;
}

/* A SYN begins its way's sequence anew: an earlier one with another number was refused. */
static __always_inline void observe_sequence(const struct packet *packet, struct flow_stats *stats, __u64 now)
{
	__u32 way = packet->way & 1, previous = stats->sequence_end[way];
	__u32 is_syn = (packet->tcp_flags & TCP_SYN) != 0;
	__u32 begin = bpf_ntohl(packet->sequence);
	__u32 payload_end = begin + is_syn + packet->payload_bytes;
	__u32 end = payload_end + (packet->tcp_flags & TCP_FIN ? 1 : 0);
	int is_begun = !(stats->tcp_state & FLOW_TCP_SEQUENCE << way) || (is_syn && end != previous);

	if (packet->payload_bytes) {
		if (is_begun || is_beyond(payload_end, previous))
			observe_new_payload(packet, stats, now);
		/* The last byte alone is a keep-alive (RFC 9293, 3.8.4). */
		else if (!is_beyond(end, previous) && begin != previous - 1)
			observe_old_payload(packet, stats, now);
	}
	if (!is_begun && !is_beyond(end, previous))
		return;
	stats->sequence_end[way] = end;
	stats->sequence_raised[way] = now >> RAISED_SHIFT;
	add_tcp_state(stats, FLOW_TCP_SEQUENCE << way);
}

/* Whether the state of the connection still depends on an acknowledgement by `way`. */
static __always_inline int is_awaited(const struct flow_stats *stats, __u32 way)
{
	__u32 other = !way;

	if (stats->ways[other].tcp_flags & TCP_FIN && !(stats->tcp_state & FLOW_TCP_FIN_ACKED << other))
		return 1;
	return stats->initiator == way + 1 && !(stats->tcp_state & FLOW_TCP_ESTABLISHED);
}

static __always_inline void observe_acknowledgement(const struct packet *packet, struct flow_stats *stats)
{
	__u32 way = packet->way & 1, other = !way;
	struct flow_way_stats *own = &stats->ways[way];

	if (!(packet->tcp_flags & TCP_ACK))
		return;
	if (!(packet->tcp_flags & TCP_SYN) && (stats->initiator == way + 1 || packet->payload_bytes))
		add_tcp_state(stats, FLOW_TCP_ESTABLISHED);
	if (stats->ways[other].tcp_flags & TCP_FIN &&
	    !is_beyond(stats->sequence_end[other], bpf_ntohl(packet->acknowledgement)))
		add_tcp_state(stats, FLOW_TCP_FIN_ACKED << other);
	if (own->flags & FLOW_WAY_AWAITED && !is_awaited(stats, way))
		__sync_fetch_and_and((__u32 *)&own->tcp_flags, ~((__u32)FLOW_WAY_AWAITED << OCTET_SHIFT(3)));
}

/* After what the packet acknowledges: a FIN that answers another is no first one. */
static __always_inline void observe_fin(const struct packet *packet, struct flow_stats *stats)
{
	__u32 way = packet->way & 1, other = !way;

	if (!(stats->ways[way].tcp_flags & TCP_FIN) && !(stats->tcp_state & FLOW_TCP_FIN_ACKED << other))
		add_tcp_state(stats, FLOW_TCP_FIN_ACTIVE << way);
	if (!(stats->tcp_state & FLOW_TCP_FIN_ACKED << way))
		await_acknowledgement(&stats->ways[other]);
}

/* Payload that neither opens nor closes its connection. */
static __always_inline int is_plain_payload(const struct packet *packet)
{
	return packet->payload_bytes &&
	       (packet->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) == TCP_ACK;
}

/* What observe_tcp() comes to where is_plain_payload() is true. */
static __always_inline void observe_payload(const struct packet *packet, struct flow_stats *stats, __u64 now)
{
	observe_acknowledgement(packet, stats);
	observe_sequence(packet, stats, now);
}

/*
 * A packet for which is_telling() is true, before its flags are merged. `now` is exact where it has payload,
 * SYN or FIN. A function of its own to the verifier, as account_unusual(). Of a RST nothing but its flag
 * counts; a header that was cut off has no flags.
 */
__noinline int observe_tcp(struct packet *packet, struct flow_stats *stats, __u64 now)
{
	if (!packet || !stats || !packet->tcp_flags)
		return 0;
	if (packet->tcp_flags & TCP_RST)
		return 0;
	if (packet->tcp_flags & TCP_SYN)
		observe_handshake(packet, stats, now);
	observe_acknowledgement(packet, stats);
	if (packet->payload_bytes || packet->tcp_flags & (TCP_SYN | TCP_FIN))
		observe_sequence(packet, stats, now);
	if (packet->tcp_flags & TCP_FIN)
		observe_fin(packet, stats);
	return 0;
}

#endif
