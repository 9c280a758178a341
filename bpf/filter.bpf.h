/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Which flows are left out: by sampling, by [filter.*]. The key tells both ends, not which of them is the
 * source; a flow is left out here only if it would be either way. The rest is decided once a flow by the
 * agent.
 */
#ifndef MERMIN_FILTER_BPF_H
#define MERMIN_FILTER_BPF_H

#define FILTER_IN_MATCH 1
#define FILTER_IN_NOT_MATCH 2
#define IP_VERSIONS 8

/* One step of a hash: every bit of `value` moves the upper half. */
static __always_inline __u64 hash_step(__u64 hash, __u64 value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

/* The same for both directions, at every hook and on every node: VLAN and tunnel id, which differ, are left
 * out. */
static __always_inline int is_sampled(const struct flow_key *key)
{
	const __u64 *low = (const __u64 *)key->low_address, *high = (const __u64 *)key->high_address;
	__u64 ports = (__u64)key->low_port << 16 | key->high_port;
	__u64 hash = hash_step(0, low[0]);

	hash = hash_step(hash, low[1]);
	hash = hash_step(hash, high[0]);
	hash = hash_step(hash, high[1]);
	hash = hash_step(hash, ports << 16 | (__u64)key->protocol << 8 | key->ip_version);
	return ((hash >> 32) * sampling) >> 32 == 0;
}

static __always_inline __u32 address_mask(const __u8 *address)
{
	struct filter_prefix prefix = { .bits = 128 };
	__u32 *mask;

	__builtin_memcpy(prefix.address, address, sizeof(prefix.address));
	mask = bpf_map_lookup_elem(&FILTER_ADDRESSES, &prefix);
	return mask ? *mask : 0;
}

/* Whether an end is refused as the one of `match` and its neighbour bit: source or destination. */
static __always_inline int is_refused(__u32 mask, __u32 lists, __u32 match)
{
	__u32 not_match = match << 1;

	return (mask & not_match) || ((lists & match) && !(mask & match));
}

static __always_inline int is_refused_end(const struct filter_rules *rules, __u32 address, __u32 port,
                                          __u32 match)
{
	return is_refused(address, rules->address_lists, match) || is_refused(port, rules->port_lists, match);
}

static __always_inline int is_refused_by_kind(const struct filter_rules *rules, const struct flow_key *key)
{
	__u8 protocol = rules->protocols[key->protocol];
	__u8 version = rules->ip_versions[key->ip_version & (IP_VERSIONS - 1)];

	return protocol & FILTER_IN_NOT_MATCH || version & FILTER_IN_NOT_MATCH ||
	       (rules->has_protocol_match && !(protocol & FILTER_IN_MATCH)) ||
	       (rules->has_version_match && !(version & FILTER_IN_MATCH));
}

/* ICMP's pair of numbers are no ports. */
static __always_inline __u32 filter_port(const struct flow_key *key, __be16 port)
{
	return key->protocol == TRANSPORT_ICMP || key->protocol == TRANSPORT_ICMPV6 ? 0 : port_index(port);
}

__noinline int is_left_out(struct flow_key *key)
{
	struct filter_rules *rules;
	__u32 zero = 0, low = 0, high = 0, low_port, high_port;

	rules = bpf_map_lookup_elem(&FILTER_RULES, &zero);
	if (!key || !rules)
		return 0;
	if (is_refused_by_kind(rules, key))
		return 1;
	if (rules->has_addresses) {
		low = address_mask(key->low_address);
		high = address_mask(key->high_address);
	}
	low_port = rules->ports[filter_port(key, key->low_port)];
	high_port = rules->ports[filter_port(key, key->high_port)];
	return (is_refused_end(rules, low, low_port, FILTER_SOURCE_MATCH) ||
	        is_refused_end(rules, high, high_port, FILTER_DESTINATION_MATCH)) &&
	       (is_refused_end(rules, high, high_port, FILTER_SOURCE_MATCH) ||
	        is_refused_end(rules, low, low_port, FILTER_DESTINATION_MATCH));
}

#endif
