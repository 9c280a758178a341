/* SPDX-License-Identifier: Apache-2.0 */
/* The poll path: flows by their keys, and how full their table is. Nothing here allocates. */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

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

/*
 * Where flows persist, one that is taken is kept in FLOW_TAKEN, with what was told of it, until its last
 * record is acknowledged. It is there before it leaves FLOW_STATS, so that no end of this process loses it.
 * -EAGAIN: an earlier flow of the key waits there still.
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
		return error;
	error = take(fd, key, value);
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

MERMINBPF_API int merminbpf_flows_take(struct merminbpf *handle, const void *keys, uint32_t count,
                                       void *values, void *details, uint8_t *present)
{
	int fd = map_descriptor(handle, MAP_FLOW_STATS);
	const struct flow_key *key = keys;
	struct flow_stats *value = values;
	struct flow_details *row = details;
	int error = 0;
	int taken = 0;

	memset(present, 0, count);
	if (fd < 0)
		return fd;
	for (uint32_t i = 0; i < count; i++) {
		error = take_kept(handle, fd, &key[i], &value[i]);
		if (error == -EAGAIN)
			present[i] = MERMINBPF_FLOW_STAYS;
		if (error == -ENOENT || error == -EAGAIN)
			continue;
		if (error) {
			failure_set(&handle->failure, error, "Cannot take flow %u of %u", i, count);
			break;
		}
		if (value[i].flags & FLOW_HAS_DETAILS)
			take_details(handle->maps[MAP_FLOW_DETAILS], &key[i], &row[i]);
		present[i] = MERMINBPF_FLOW_TAKEN;
		taken++;
	}
	add_removed(handle, taken);
	return error && error != -ENOENT && error != -EAGAIN ? error : taken;
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
