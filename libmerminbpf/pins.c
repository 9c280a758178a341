/* SPDX-License-Identifier: Apache-2.0 */
/* Maps that outlive the handle: adopted from an earlier agent, pinned for a later one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "internal.h"

#define TEXT(number) #number
#define VERSION_TEXT(number) TEXT(number)
#define VERSION "_v" VERSION_TEXT(MERMIN_SCHEMA_VERSION)
#define PATH_SIZE 256

static const struct {
	const char *map;
	const char *pin;
} pins[] = {
	{ "FLOW_STATS", "mermin_flow_stats_map" VERSION },
	{ "FLOW_EVENTS", "mermin_flow_events" VERSION },
	{ "FLOW_DETAILS", "mermin_flow_details" VERSION },
	{ "FLOW_EXPORTED", "mermin_flow_exported" VERSION },
	{ "FLOW_TAKEN", "mermin_flow_taken" VERSION },
	{ "SCAN", "mermin_scan" VERSION },
	{ "TABLE_USE", "mermin_table_use" VERSION },
	{ "COUNTERS", "mermin_counters" VERSION },
};
#define PINS (sizeof(pins) / sizeof(pins[0]))

enum pin_state { PIN_MISSING, PIN_FITS, PIN_DIFFERS };

static void pin_path(char path[PATH_SIZE], const struct merminbpf *handle, const char *name)
{
	snprintf(path, PATH_SIZE, "%s/%s", handle->pin_directory, name);
}

static enum pin_state look_at_pin(const struct merminbpf *handle, const struct bpf_map *map, const char *name)
{
	struct bpf_map_info info = { 0 };
	uint32_t length = sizeof(info);
	char path[PATH_SIZE];
	int error;
	int fd;

	pin_path(path, handle, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return fd == -ENOENT ? PIN_MISSING : PIN_DIFFERS;
	/* Of something that is no map the kernel tells other things, none of which fit. */
	error = bpf_obj_get_info_by_fd(fd, &info, &length);
	close(fd);
	if (error || info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
	    info.value_size != bpf_map__value_size(map) || info.max_entries != bpf_map__max_entries(map))
		return PIN_DIFFERS;
	return PIN_FITS;
}

/* The maps that only agents use take no room where there is nobody to come. */
static void shrink_unpinned(struct merminbpf *handle)
{
	static const char *const names[] = { "FLOW_EXPORTED", "FLOW_TAKEN" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(handle->object, names[i]);

		if (map)
			bpf_map__set_max_entries(map, 1);
	}
}

/* Counts the pins that fit into `states`; -EEXIST, with a text, at the first that does not. */
static int look_at_pins(struct merminbpf *handle, enum pin_state states[PINS])
{
	int found = 0;

	for (size_t i = 0; i < PINS; i++) {
		const struct bpf_map *map = bpf_object__find_map_by_name(handle->object, pins[i].map);

		states[i] = map ? look_at_pin(handle, map, pins[i].pin) : PIN_DIFFERS;
		if (states[i] == PIN_DIFFERS)
			return failure_set(&handle->failure, -EEXIST,
			                   "%s/%s is not as this agent would make it", handle->pin_directory,
			                   pins[i].pin);
		if (states[i] == PIN_FITS)
			found++;
	}
	return found;
}

MERMINBPF_API int merminbpf_pins_use(struct merminbpf *handle, const char *directory, uint32_t keep)
{
	enum pin_state states[PINS] = { 0 };
	char path[PATH_SIZE];
	size_t size;
	int found;

	if (handle->state != LOAD_NONE)
		return failure_set(&handle->failure, -EBUSY, "Cannot use pins after load");
	size = strlen(directory) + 1;
	if (size > sizeof(handle->pin_directory))
		return failure_set(&handle->failure, -ENAMETOOLONG, "Cannot use pins in %s", directory);
	memcpy(handle->pin_directory, directory, size);
	handle->keeps_pins = keep != 0;
	handle->has_other_links = pinned_links_of_others(handle);
	found = look_at_pins(handle, states);
	if (found < 0 || (found == 0 && !keep)) {
		handle->keeps_pins = false;
		shrink_unpinned(handle);
		return found;
	}
	for (size_t i = 0; i < PINS; i++) {
		if (states[i] == PIN_MISSING && !keep)
			continue;
		pin_path(path, handle, pins[i].pin);
		/* libbpf takes the map that is there, or pins the one that it makes. */
		bpf_map__set_pin_path(bpf_object__find_map_by_name(handle->object, pins[i].map), path);
	}
	handle->keeps_exported = true;
	return found;
}

MERMINBPF_API int merminbpf_pins_remove(struct merminbpf *handle)
{
	char path[PATH_SIZE];

	for (size_t i = 0; i < PINS; i++) {
		const struct bpf_map *map = bpf_object__find_map_by_name(handle->object, pins[i].map);

		if (!map || !bpf_map__pin_path(map))
			continue;
		pin_path(path, handle, pins[i].pin);
		if (unlink(path) && errno != ENOENT)
			return failure_set(&handle->failure, -errno, "Cannot remove %s", path);
	}
	handle->keeps_exported = false;
	return 0;
}

MERMINBPF_API uint32_t merminbpf_scan_generation(struct merminbpf *handle)
{
	return handle->scan ? __atomic_load_n(&handle->scan->generation, __ATOMIC_RELAXED) : 0;
}

static uint64_t packets_of(const struct flow_exported *value)
{
	return value->packets[0] + value->packets[1];
}

/* The value to write where `before` is: of a later life's beginning its times alone, else all but those. */
static struct flow_exported merged(const struct flow_exported *before, const struct flow_exported *value)
{
	struct flow_exported result = value->flags & FLOW_EXPORTED_NEXT ? *before : *value;
	bool is_next = value->flags & FLOW_EXPORTED_NEXT || (!(value->flags & FLOW_EXPORTED_BEGUN) &&
	                                                     before->next_incarnation > value->incarnation);
	const struct flow_exported *next = value->flags & FLOW_EXPORTED_NEXT ? value : before;

	result.next_start_ns = is_next ? next->next_start_ns : 0;
	result.next_incarnation = is_next ? next->next_incarnation : 0;
	result.flags &= FLOW_EXPORTED_TRANSLATED;
	return result;
}

/* Writes or removes one entry, and adds to *told what is told more by it, or less. */
static int exported_apply(struct merminbpf *handle, const struct flow_exported_entry *entry, uint64_t *told)
{
	int exported = handle->maps[MAP_FLOW_EXPORTED];
	int kept = handle->maps[MAP_FLOW_TAKEN];
	const struct flow_exported *value = &entry->value;
	/* What is written in advance is of the flow that is still counted, unless it says otherwise. */
	bool is_taken = !(value->flags & FLOW_EXPORTED_BEGUN) || value->flags & FLOW_EXPORTED_OF_TAKEN;
	struct flow_taken taken = { 0 };
	struct flow_exported after;
	uint64_t more;
	int error = 0;

	is_taken = is_taken && bpf_map_lookup_elem(kept, &entry->key, &taken) == 0;
	if (!is_taken)
		bpf_map_lookup_elem(exported, &entry->key, &taken.told);
	more = value->flags & FLOW_EXPORTED_NEXT ? 0 : packets_of(value) - packets_of(&taken.told);
	after = merged(&taken.told, value);
	if (value->flags & FLOW_EXPORTED_ENDED) {
		bpf_map_delete_elem(is_taken ? kept : exported, &entry->key);
	} else if (is_taken) {
		taken.told = after;
		error = bpf_map_update_elem(kept, &entry->key, &taken, BPF_EXIST);
	} else {
		/* The times of a later life alone say nothing. */
		error = bpf_map_update_elem(exported, &entry->key, &after,
		                            value->flags & FLOW_EXPORTED_NEXT ? BPF_EXIST : BPF_ANY);
	}
	if (!error)
		*told += more;
	return error == -ENOENT ? 0 : error;
}

MERMINBPF_API int merminbpf_exported_write(struct merminbpf *handle, const void *entries, uint32_t count)
{
	const struct flow_exported_entry *entry = entries;
	uint64_t told = 0;
	int refused = 0;

	if (map_descriptor(handle, MAP_FLOW_EXPORTED) < 0 || map_descriptor(handle, MAP_FLOW_TAKEN) < 0)
		return -ENOENT;
	if (!handle->keeps_exported)
		return 0;
	for (uint32_t i = 0; i < count; i++)
		if (exported_apply(handle, &entry[i], &told))
			refused++;
	account_add(handle, ACCOUNT_TOLD, told);
	return refused;
}

MERMINBPF_API int merminbpf_kept_next(struct merminbpf *handle, uint32_t taken, void *keys, void *values,
                                      uint32_t max)
{
	int fd = map_descriptor(handle, taken ? MAP_FLOW_TAKEN : MAP_FLOW_EXPORTED);
	size_t size = taken ? sizeof(struct flow_taken) : sizeof(struct flow_exported);
	struct flow_key *key = keys;
	uint32_t count = 0;

	if (fd < 0)
		return fd;
	if (handle->is_kept_end) {
		handle->is_kept_end = false;
		return 0;
	}
	while (count < max) {
		if (bpf_map_get_next_key(fd, handle->has_kept_key ? &handle->kept_key : NULL, &key[count])) {
			handle->has_kept_key = false;
			/* What was read is handed out first; the next call says that it was all. */
			handle->is_kept_end = count > 0;
			break;
		}
		handle->kept_key = key[count];
		handle->has_kept_key = true;
		if (bpf_map_lookup_elem(fd, &key[count], (char *)values + count * size) == 0)
			count++;
	}
	return (int)count;
}
