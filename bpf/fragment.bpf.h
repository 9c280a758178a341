/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Later fragments have no ports: they are joined to the flow of the first by the datagram's identification.
 */
#ifndef MERMIN_FRAGMENT_BPF_H
#define MERMIN_FRAGMENT_BPF_H

/* Linux gives up reassembly then (net.ipv4.ipfrag_time); what comes later belongs to another datagram. */
#define FRAGMENT_LIFE_NS (30ULL * 1000000000ULL)

/* Captures need not be in the order of time. */
static __always_inline int is_fresh(const struct fragment_ports *ports, __u64 now)
{
	return (__s64)(now - ports->seen_ns) < (__s64)FRAGMENT_LIFE_NS;
}

static __always_inline void form_fragment_key(const struct packet *packet, struct fragment_key *key)
{
	__builtin_memcpy(key->source, packet->source, sizeof(key->source));
	__builtin_memcpy(key->destination, packet->destination, sizeof(key->destination));
	key->identification = packet->identification;
	key->ip_version = packet->ip_version;
	key->tunnel_id = packet->tunnel_id;
	if (key_includes_vlan)
		key->vlan_id = packet->vlan_id;
	key->protocol = packet->fragment_protocol;
}

static __always_inline void remember_first(struct packet *packet, const struct fragment_key *key, __u64 now,
                                           __u8 flags)
{
	struct fragment_ports *known = bpf_map_lookup_elem(&FRAGMENTS, key);
	struct fragment_ports ports = {
		.seen_ns = now,
		.source_port = packet->source_port,
		.destination_port = packet->destination_port,
		.protocol = packet->protocol,
		.icmp_pairing = packet->icmp_pairing,
		.icmp_type = packet->icmp_type,
		.icmp_code = packet->icmp_code,
		.flags = flags,
	};

	if (known && known->flags & FRAGMENT_WAITING && is_fresh(known, now))
		counter_add(COUNTER_FRAGMENT_REORDERED, known->waiting, 0);
	bpf_map_update_elem(&FRAGMENTS, key, &ports, BPF_ANY);
}

/* A later fragment without its first: it waits for it, while it is counted without ports. */
static __always_inline void wait_for_first(struct packet *packet, const struct fragment_key *key,
                                           struct fragment_ports *known, __u64 now)
{
	struct fragment_ports waiting = { .seen_ns = now, .waiting = 1, .flags = FRAGMENT_WAITING };

	if (known && known->flags & FRAGMENT_WAITING && is_fresh(known, now)) {
		__sync_fetch_and_add(&known->waiting, 1);
		known->seen_ns = now;
	} else {
		bpf_map_update_elem(&FRAGMENTS, key, &waiting, BPF_ANY);
	}
	packet->is_alone = 1;
}

static __always_inline int join_first(struct packet *packet, const struct fragment_key *key, __u64 now)
{
	struct fragment_ports *known = bpf_map_lookup_elem(&FRAGMENTS, key);

	if (!known || known->flags & FRAGMENT_WAITING || !is_fresh(known, now)) {
		wait_for_first(packet, key, known, now);
		return 0;
	}
	if (known->flags & FRAGMENT_ENCAPSULATED)
		return COUNTER_FRAGMENT_ENCAPSULATED;
	packet->source_port = known->source_port;
	packet->destination_port = known->destination_port;
	packet->protocol = known->protocol;
	packet->icmp_pairing = known->icmp_pairing;
	packet->icmp_type = known->icmp_type;
	packet->icmp_code = known->icmp_code;
	return 0;
}

/*
 * Remembers a first fragment, or gives a later one its ports. Returns 0, or the reason why a later one is in
 * no flow. `flags` (enum fragment_flag) are those of a first fragment.
 */
__noinline int follow_fragment(struct __sk_buff *skb, struct packet *packet, __u32 flags)
{
	struct fragment_key key = {};
	__u64 now;

	if (!packet)
		return 0;
	now = packet_time_coarse(skb);
	form_fragment_key(packet, &key);
	packet->has_details = 1;
	if (packet->is_later_fragment)
		return join_first(packet, &key, now);
	remember_first(packet, &key, now, flags);
	return 0;
}

#endif
