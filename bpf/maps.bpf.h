/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Maps of the flow programs; sizes named here are defaults that the agent overrides before load. */
#ifndef MERMIN_MAPS_BPF_H
#define MERMIN_MAPS_BPF_H

#define FLOW_STATS_ENTRIES 131072
#define FLOW_EVENTS_BYTES (4 * 1024 * 1024)
#define INTERFACES_ENTRIES 4096
#define FRAGMENTS_ENTRIES 4096
#define FILTERED_FLOWS_ENTRIES 65536
#define FILTER_ADDRESSES_ENTRIES 65536

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct flow_key);
	__type(value, struct flow_stats);
	__uint(max_entries, FLOW_STATS_ENTRIES);
} FLOW_STATS SEC(".maps");

/* Not preallocated: few flows have details, and memory for all would double the table's. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct flow_key);
	__type(value, struct flow_details);
	__uint(max_entries, FLOW_STATS_ENTRIES);
} FLOW_DETAILS SEC(".maps");

/* For the agents alone; sized to nothing where nothing persists. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct flow_key);
	__type(value, struct flow_exported);
	__uint(max_entries, 1);
} FLOW_EXPORTED SEC(".maps");

/* Likewise: flows that were taken out of FLOW_STATS and whose last record is not acknowledged. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct flow_key);
	__type(value, struct flow_taken);
	__uint(max_entries, 1);
} FLOW_TAKEN SEC(".maps");

/* Between the agent and its own program, of each agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct flow_removal);
	__uint(max_entries, FLOW_REMOVALS);
} REMOVALS SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, FLOW_EVENTS_BYTES);
} FLOW_EVENTS SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct fragment_key);
	__type(value, struct fragment_ports);
	__uint(max_entries, FRAGMENTS_ENTRIES);
} FRAGMENTS SEC(".maps");

/* Verdicts that left a flow out. LRU: a flood of filtered flows takes no room from those that are told. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct flow_key);
	__type(value, __u8);
	__uint(max_entries, FILTERED_FLOWS_ENTRIES);
} FILTERED_FLOWS SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct filter_prefix);
	__type(value, __u32);
	__uint(max_entries, FILTER_ADDRESSES_ENTRIES);
} FILTER_ADDRESSES SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct filter_rules);
	__uint(max_entries, 1);
} FILTER_RULES SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct table_use);
	__uint(max_entries, 1);
} TABLE_USE SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__type(key, __u32);
	__type(value, struct interface_stats);
	__uint(max_entries, INTERFACES_ENTRIES);
} INTERFACES SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct interface_stats);
	__uint(max_entries, INTERFACES_DIRECT_SIZE);
} INTERFACES_DIRECT SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, struct related_interfaces);
	__uint(max_entries, INTERFACES_ENTRIES);
} RELATED_INTERFACES SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct scan_state);
	__uint(max_entries, 1);
} SCAN SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct counter);
	__uint(max_entries, COUNTERS_ENTRIES);
} COUNTERS SEC(".maps");

/* A new flow's value is built here: 256 bytes do not fit beside the key on the 512-byte stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct flow_stats);
	__uint(max_entries, 1);
} NEW_FLOW SEC(".maps");

/* As NEW_FLOW. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct flow_details);
	__uint(max_entries, 1);
} NEW_DETAILS SEC(".maps");

static __always_inline struct scan_state *find_scan(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&SCAN, &zero);
}

static __always_inline __u32 scan_generation(void)
{
	struct scan_state *scan = find_scan();

	return scan ? scan->generation : 0;
}

static __always_inline void counter_add(__u32 reason, __u64 packets, __u64 bytes)
{
	struct counter *counter = bpf_map_lookup_elem(&COUNTERS, &reason);

	if (!counter)
		return;
	counter->packets += packets;
	counter->bytes += bytes;
}

#endif
