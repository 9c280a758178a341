/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The normalised key of a parsed packet, and which way the packet goes in it. */
#ifndef MERMIN_KEY_BPF_H
#define MERMIN_KEY_BPF_H

/* Less than 0, 0 or more than 0, as the 16 bytes compare. */
static __always_inline int compare_addresses(const __u64 *left, const __u64 *right)
{
	__u64 a = bpf_be64_to_cpu(left[0]), b = bpf_be64_to_cpu(right[0]);

	if (a == b) {
		a = bpf_be64_to_cpu(left[1]);
		b = bpf_be64_to_cpu(right[1]);
	}
	return a < b ? -1 : a > b;
}

/* A one-way message is not ordered by its ports: they are type and code, not two ends. */
static __always_inline int is_from_high(const struct packet *packet)
{
	int order = compare_addresses(packet->source, packet->destination);

	if (order)
		return order > 0;
	return packet->icmp_pairing == ICMP_PAIRED &&
	       bpf_ntohs(packet->source_port) > bpf_ntohs(packet->destination_port);
}

/* Fills the zeroed `key` and sets packet->way. */
static __always_inline void form_key(struct packet *packet, struct flow_key *key)
{
	__u64 *low = (__u64 *)key->low_address, *high = (__u64 *)key->high_address;

	key->protocol = packet->protocol;
	key->ip_version = packet->ip_version;
	key->icmp_pairing = packet->icmp_pairing;
	key->tunnel_id = packet->tunnel_id;
	if (key_includes_vlan)
		key->vlan_id = packet->vlan_id;
	if (is_from_high(packet)) {
		packet->way = FLOW_HIGH_TO_LOW;
		low[0] = packet->destination[0];
		low[1] = packet->destination[1];
		high[0] = packet->source[0];
		high[1] = packet->source[1];
		key->low_port = packet->destination_port;
		key->high_port = packet->source_port;
		if (key->icmp_pairing == ICMP_ONE_WAY_LOW)
			key->icmp_pairing = ICMP_ONE_WAY_HIGH;
	} else {
		packet->way = FLOW_LOW_TO_HIGH;
		low[0] = packet->source[0];
		low[1] = packet->source[1];
		high[0] = packet->destination[0];
		high[1] = packet->destination[1];
		key->low_port = packet->source_port;
		key->high_port = packet->destination_port;
	}
}

#endif
