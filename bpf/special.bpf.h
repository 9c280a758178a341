/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Packets that are more than one IP packet with its transport: carriers, encrypted ones, fragments. */
#ifndef MERMIN_SPECIAL_BPF_H
#define MERMIN_SPECIAL_BPF_H

/* The last packet that was read whole is the flow's. Messages without user data are not overlooked: they are
 * counted. */
__noinline int finish_special(struct __sk_buff *skb, struct packet *packet)
{
	struct descent *descent = find_descent();
	struct flow_key key = {};
	int reason = 0;

	if (!packet || !descent)
		return 0;
	count_segments(skb, packet);
	if (is_read_through(packet->encapsulation))
		counter_add(COUNTER_ENCAPSULATED_UNREAD, packet->segments, wire_bytes(packet));
	else if (packet->encapsulation)
		read_security(skb, packet);
	if (packet->is_fragment)
		reason = follow_fragment(skb, packet, 0);
	if (reason) {
		counter_add(reason, packet->segments, packet->network_bytes);
		return 0;
	}
	if (packet->is_encapsulated)
		measure_overhead(descent, packet);
	form_key(packet, &key);
	observe_more_segments(skb, packet);
	if (!is_passed_over(packet, &key))
		account(skb, packet, &key, bpf_map_lookup_elem(&FLOW_STATS, &key));
	return 0;
}

/* From the outermost packet to the innermost. None of it costs a plain packet anything. */
__noinline int observe_special(struct __sk_buff *skb, struct packet *outermost)
{
	struct descent *descent = find_descent();

	if (!outermost || !descent)
		return 0;
	descent->carriers[FLOW_LAYER_IPIP].encapsulation = ENCAPSULATION_NONE;
	descent->has_ethernet = outermost->ethernet_end != 0;
	descent->depth = 0;
	bound_carried(outermost, 0);
	/* Written out: an index that the verifier does not know costs copies instead. */
	if (descend(skb, descent, outermost, 0))
		return finish_special(skb, outermost);
	if (descend(skb, descent, &descent->inner[0], 1))
		return finish_special(skb, &descent->inner[0]);
	if (descend(skb, descent, &descent->inner[1], 2))
		return finish_special(skb, &descent->inner[1]);
	return finish_special(skb, &descent->inner[2]);
}

#endif
