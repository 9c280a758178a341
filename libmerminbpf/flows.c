/* SPDX-License-Identifier: Apache-2.0 */
/* The poll path: flows by their keys, and how full their table is. Nothing here allocates. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "internal.h"

/* Attempts at a key whose bucket is locked; what still fails stays in the map. */
#define TAKE_ATTEMPTS 16

static int take(int fd, const void *key, void *value)
{
	int error = -EBUSY;

	for (int attempt = 0; attempt < TAKE_ATTEMPTS && error == -EBUSY; attempt++)
		error = bpf_map_lookup_and_delete_elem(fd, key, value);
	return error;
}

/* Runs flows_remove for `count` flows. Whatever it does not come to is busy as before. */
static void run_remover(struct merminbpf *handle, const struct flow_key *keys, uint32_t count,
                        uint64_t quiet_since_ns)
{
	uint8_t frame[64] = { 0 };
	struct __sk_buff context = { .mark = count, .tstamp = quiet_since_ns };

	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
	            .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1);

	for (uint32_t i = 0; i < count; i++) {
		handle->removals[i].key = keys[i];
		handle->removals[i].outcome = FLOW_REMOVAL_BUSY;
	}
	bpf_prog_test_run_opts(bpf_program__fd(handle->remover), &options);
}

/* take() of one flow that counts what is lost meanwhile, where there is a remover. */
static int take_counted(struct merminbpf *handle, int fd, const struct flow_key *key,
                        struct flow_stats *value)
{
	const struct flow_removal *removal = handle->removals;

	if (!removal)
		return take(fd, key, value);
	run_remover(handle, key, 1, UINT64_MAX);
	if (removal->outcome == FLOW_REMOVAL_ABSENT)
		return -ENOENT;
	if (removal->outcome != FLOW_REMOVAL_TAKEN)
		return take(fd, key, value);
	*value = removal->stats;
	return 0;
}

/*
 * Where flows persist, one that is taken is kept in FLOW_TAKEN, with what was told of it, until its last
 * record is acknowledged. It is there before it leaves FLOW_STATS, so that no end of this process loses it.
 * -EAGAIN: an earlier flow of the key waits there still, or there is no room.
 */
static int take_kept(struct merminbpf *handle, int fd, const struct flow_key *key, struct flow_stats *value)
{
	int kept = handle->maps[MAP_FLOW_TAKEN];
	struct flow_taken taken = { 0 };
	int error;

	if (!handle->keeps_exported)
		return take(fd, key, value);
	if (bpf_map_lookup_elem(kept, key, &taken) == 0)
		return -EAGAIN;
	error = bpf_map_lookup_elem(fd, key, &taken.stats);
	if (error)
		return error;
	bpf_map_lookup_elem(handle->maps[MAP_FLOW_EXPORTED], key, &taken.told);
	error = bpf_map_update_elem(kept, key, &taken, BPF_NOEXIST);
	if (error)
		return error == -E2BIG || error == -ENOMEM ? -EAGAIN : error;
	error = take_counted(handle, fd, key, value);
	if (error) {
		bpf_map_delete_elem(kept, key);
		return error;
	}
	if (memcmp(&taken.stats, value, sizeof(*value)) != 0) {
		taken.stats = *value;
		bpf_map_update_elem(kept, key, &taken, BPF_EXIST);
	}
	bpf_map_delete_elem(handle->maps[MAP_FLOW_EXPORTED], key);
	return 0;
}

/*
 * After the flow itself: the other way round, a packet in between would leave an entry that no flow has and
 * nobody ever removes.
 */
static void take_details(int fd, const struct flow_key *key, struct flow_details *row)
{
	if (fd >= 0 && (take(fd, key, row) == 0 || bpf_map_lookup_elem(fd, key, row) == 0))
		return;
	memset(row, 0, sizeof(*row));
}

/* With what they made themselves, the programs know by it how full the table is. */
static void add_removed(struct merminbpf *handle, int taken)
{
	if (handle->scan)
		__atomic_fetch_add(&handle->scan->removed, (uint64_t)taken, __ATOMIC_RELAXED);
}

/* What is asked for: `count` keys, and for each its last value, its details and what became of it. */
struct taking {
	const struct flow_key *keys;
	struct flow_stats *values;
	struct flow_details *details;
	uint8_t *present;
	uint32_t count;
	uint64_t quiet_since_ns; /* a flow with a packet since then stays */
	int taken;
};

static bool is_quiet(const struct flow_stats *stats, uint64_t since_ns)
{
	return stats->ways[0].last_seen_ns <= since_ns && stats->ways[1].last_seen_ns <= since_ns;
}

/* take_kept, unless the flow had a packet of late. */
static int take_quiet(struct merminbpf *handle, const struct taking *taking, uint32_t i)
{
	int fd = handle->maps[MAP_FLOW_STATS];
	struct flow_stats *value = &taking->values[i];
	int error;

	if (taking->quiet_since_ns != UINT64_MAX) {
		error = bpf_map_lookup_elem(fd, &taking->keys[i], value);
		if (error)
			return error;
		if (!is_quiet(value, taking->quiet_since_ns))
			return -EAGAIN;
	}
	return take_kept(handle, fd, &taking->keys[i], value);
}

/* Takes the flow at `i` by itself, if it is there. */
static int take_one(struct merminbpf *handle, struct taking *taking, uint32_t i)
{
	int error = take_quiet(handle, taking, i);

	if (error == -EAGAIN)
		taking->present[i] = MERMINBPF_FLOW_STAYS;
	if (error == -ENOENT || error == -EAGAIN)
		return 0;
	if (error)
		return failure_set(&handle->failure, error, "Cannot take flow %u of %u", i, taking->count);
	taking->present[i] = MERMINBPF_FLOW_TAKEN;
	taking->taken++;
	return 0;
}

/* As take_one, of `count` flows from `first` on. After an error all that are gone are still told. */
static int take_together(struct merminbpf *handle, struct taking *taking, uint32_t first, uint32_t count)
{
	int error = 0;

	run_remover(handle, &taking->keys[first], count, taking->quiet_since_ns);
	for (uint32_t i = 0; i < count; i++) {
		const struct flow_removal *removal = &handle->removals[i];

		if (removal->outcome == FLOW_REMOVAL_TAKEN) {
			taking->values[first + i] = removal->stats;
			taking->present[first + i] = MERMINBPF_FLOW_TAKEN;
			taking->taken++;
		} else if (removal->outcome == FLOW_REMOVAL_STAYS)
			taking->present[first + i] = MERMINBPF_FLOW_STAYS;
		else if (removal->outcome == FLOW_REMOVAL_BUSY && !error)
			error = take_one(handle, taking, first + i);
	}
	return error;
}

static int take_all(struct merminbpf *handle, struct taking *taking)
{
	bool is_one_by_one = handle->keeps_exported || !handle->removals;
	int error = 0;

	for (uint32_t first = 0; first < taking->count && !error;) {
		uint32_t left = taking->count - first;
		uint32_t count = left < FLOW_REMOVALS ? left : FLOW_REMOVALS;

		if (is_one_by_one)
			count = 1;
		error = is_one_by_one ? take_one(handle, taking, first)
		                      : take_together(handle, taking, first, count);
		first += count;
	}
	return error;
}

MERMINBPF_API int merminbpf_flows_take(struct merminbpf *handle, const void *keys, uint32_t count,
                                       void *values, void *details, uint8_t *present, uint32_t quiet)
{
	struct taking taking = {
		.keys = keys,
		.values = values,
		.details = details,
		.present = present,
		.count = count,
		.quiet_since_ns = quiet && handle->scan ? handle->scan->heartbeat_ns : UINT64_MAX,
	};
	int error;

	memset(present, 0, count);
	if (map_descriptor(handle, MAP_FLOW_STATS) < 0)
		return -ENOENT;
	error = take_all(handle, &taking);
	for (uint32_t i = 0; i < count; i++)
		if (present[i] == MERMINBPF_FLOW_TAKEN && taking.values[i].flags & FLOW_HAS_DETAILS)
			take_details(handle->maps[MAP_FLOW_DETAILS], &taking.keys[i], &taking.details[i]);
	add_removed(handle, taking.taken);
	return error ? error : taking.taken;
}

static int find(struct merminbpf *handle, enum map_name name, const void *key, void *value)
{
	int fd = map_descriptor(handle, name);
	int error = fd < 0 ? fd : bpf_map_lookup_elem(fd, key, value);

	if (error && fd >= 0)
		return failure_set(&handle->failure, error, "Cannot find a flow");
	return error;
}

MERMINBPF_API int merminbpf_flow_find(struct merminbpf *handle, const void *key, void *value)
{
	return find(handle, MAP_FLOW_STATS, key, value);
}

MERMINBPF_API int merminbpf_details_find(struct merminbpf *handle, const void *key, void *details)
{
	return find(handle, MAP_FLOW_DETAILS, key, details);
}

MERMINBPF_API int merminbpf_pressure_set(struct merminbpf *handle, uint32_t entries)
{
	if (map_descriptor(handle, MAP_SCAN) < 0)
		return -ENOENT;
	__atomic_store_n(&handle->scan->pressure_entries, entries, __ATOMIC_RELAXED);
	return 0;
}

MERMINBPF_API uint32_t merminbpf_entries_used(struct merminbpf *handle)
{
	int fd = handle->maps[MAP_TABLE_USE];
	struct table_use use = { 0 };
	uint32_t zero = 0;
	uint64_t removed;

	if (fd < 0 || !handle->scan || bpf_map_lookup_elem(fd, &zero, &use))
		return 0;
	/* An entry may be taken before the program that made it has counted it. */
	removed = __atomic_load_n(&handle->scan->removed, __ATOMIC_RELAXED);
	return use.created > removed ? (uint32_t)(use.created - removed) : 0;
}
