/* SPDX-License-Identifier: Apache-2.0 */
/* Opens, sizes, loads and closes a BPF object; maps the ring and SCAN into memory. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "internal.h"

_Static_assert(sizeof(struct flow_key) == 48, "flow_key");
_Static_assert(sizeof(struct flow_stats) == 256, "flow_stats");
_Static_assert(sizeof(struct flow_details) == 320, "flow_details");
/* Per-CPU values are read as arrays: the kernel pads them to 8 bytes, which these are. */
_Static_assert(sizeof(struct interface_stats) == 40, "interface_stats");
_Static_assert(sizeof(struct related_interfaces) == 40, "related_interfaces");
_Static_assert(sizeof(struct scan_state) == 32, "scan_state");
_Static_assert(sizeof(struct table_use) == 16, "table_use");
_Static_assert(sizeof(struct filter_prefix) == 20, "filter_prefix");
_Static_assert(sizeof(struct filter_rules) == 65824, "filter_rules");
_Static_assert(sizeof(struct counter) == 16, "counter");
_Static_assert(COUNTER_REASONS <= COUNTER_MOST_REASONS, "counter_reason");
_Static_assert((int)COUNTER_SHOWN(COUNTER_MOST_REASONS) <= (int)ACCOUNT_SET_OFF, "COUNTER_SHOWN");
_Static_assert(sizeof(struct flow_exported_entry) == 224, "flow_exported_entry");
_Static_assert(sizeof(struct flow_taken) == 432, "flow_taken");
_Static_assert(sizeof(struct flow_removal) == 312, "flow_removal");

/* Buffers are sized by these, so an object whose maps differ is refused. */
static const struct {
	const char *name;
	enum bpf_map_type type;
	uint32_t key_size;
	uint32_t value_size;
} map_shapes[MAP_NAMES] = {
	[MAP_FLOW_STATS] = { "FLOW_STATS", BPF_MAP_TYPE_HASH, sizeof(struct flow_key),
	                     sizeof(struct flow_stats) },
	[MAP_FLOW_EVENTS] = { "FLOW_EVENTS", BPF_MAP_TYPE_RINGBUF, 0, 0 },
	[MAP_INTERFACES] = { "INTERFACES", BPF_MAP_TYPE_PERCPU_HASH, sizeof(uint32_t),
	                     sizeof(struct interface_stats) },
	[MAP_INTERFACES_DIRECT] = { "INTERFACES_DIRECT", BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint32_t),
	                            sizeof(struct interface_stats) },
	[MAP_RELATED_INTERFACES] = { "RELATED_INTERFACES", BPF_MAP_TYPE_HASH, sizeof(uint32_t),
	                             sizeof(struct related_interfaces) },
	[MAP_SCAN] = { "SCAN", BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct scan_state) },
	[MAP_COUNTERS] = { "COUNTERS", BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint32_t), sizeof(struct counter) },
	[MAP_FLOW_DETAILS] = { "FLOW_DETAILS", BPF_MAP_TYPE_HASH, sizeof(struct flow_key),
	                       sizeof(struct flow_details) },
	[MAP_FILTER_ADDRESSES] = { "FILTER_ADDRESSES", BPF_MAP_TYPE_LPM_TRIE, sizeof(struct filter_prefix),
	                           sizeof(uint32_t) },
	[MAP_FILTER_RULES] = { "FILTER_RULES", BPF_MAP_TYPE_ARRAY, sizeof(uint32_t),
	                       sizeof(struct filter_rules) },
	[MAP_FLOW_EXPORTED] = { "FLOW_EXPORTED", BPF_MAP_TYPE_HASH, sizeof(struct flow_key),
	                        sizeof(struct flow_exported) },
	[MAP_FLOW_TAKEN] = { "FLOW_TAKEN", BPF_MAP_TYPE_HASH, sizeof(struct flow_key),
	                     sizeof(struct flow_taken) },
	[MAP_REMOVALS] = { "REMOVALS", BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct flow_removal) },
	[MAP_TABLE_USE] = { "TABLE_USE", BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct table_use) },
};

MERMINBPF_API uint32_t merminbpf_schema_version(void)
{
	return MERMIN_SCHEMA_VERSION;
}

static int check_maps(struct failure *failure, const struct bpf_object *object)
{
	for (int i = 0; i < MAP_NAMES; i++) {
		const struct bpf_map *map = bpf_object__find_map_by_name(object, map_shapes[i].name);

		if (!map)
			continue;
		if (bpf_map__type(map) != map_shapes[i].type ||
		    bpf_map__key_size(map) != map_shapes[i].key_size ||
		    bpf_map__value_size(map) != map_shapes[i].value_size)
			return failure_set(failure, -EINVAL,
			                   "Map %s of the object is of another type or size than schema %d",
			                   map_shapes[i].name, MERMIN_SCHEMA_VERSION);
	}
	return 0;
}

static struct merminbpf *new_handle(struct bpf_object *object)
{
	struct merminbpf *handle = calloc(1, sizeof(*handle));
	int cpus = libbpf_num_possible_cpus();

	if (!handle || cpus < 1)
		goto fail;
	handle->cpus = (uint32_t)cpus;
	handle->per_cpu = calloc(handle->cpus, sizeof(struct interface_stats));
	if (!handle->per_cpu)
		goto fail;
	handle->object = object;
	for (int i = 0; i < MAP_NAMES; i++)
		handle->maps[i] = -ENOENT;
	for (int i = 0; i < 2; i++)
		handle->programs[i] = bpf_object__find_program_by_name(object, program_names[i]);
	handle->remover = bpf_object__find_program_by_name(object, "flows_remove");
	handle->lock_fd = -1;
	handle->label_fd = -1;
	handle->links_fd = -1;
	handle->addresses_fd = -1;
	handle->conntrack.events_fd = -1;
	handle->conntrack.listing_fd = -1;
	handle->statistics_fd = -1;
	return handle;
fail:
	free(handle);
	return NULL;
}

MERMINBPF_API struct merminbpf *merminbpf_object_open(const void *elf, uint32_t size)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "mermin");
	struct failure *failure = failure_of_thread();
	struct merminbpf *handle = NULL;
	struct bpf_object *object;
	/* libelf may align and convert in place: it gets a copy, needed only until libbpf has parsed it. */
	void *copy = malloc(size ? size : 1);

	failure_begin(failure);
	if (!copy) {
		failure_set(failure, -ENOMEM, "Cannot copy the BPF object");
		return NULL;
	}
	memcpy(copy, elf, size);
	object = bpf_object__open_mem(copy, size, &options);
	if (!object)
		failure_set(failure, -errno, "Cannot read the BPF object");
	free(copy);
	if (!object)
		return NULL;
	if (check_maps(failure, object) == 0) {
		handle = new_handle(object);
		if (!handle)
			failure_set(failure, -ENOMEM, "Cannot allocate a handle");
	}
	if (!handle)
		bpf_object__close(object);
	failure_end();
	return handle;
}

MERMINBPF_API int merminbpf_map_size_set(struct merminbpf *handle, const char *name, uint32_t max_entries)
{
	struct bpf_map *map;
	int error;

	if (handle->state != LOAD_NONE)
		return failure_set(&handle->failure, -EBUSY, "Cannot resize map %s after load", name);
	map = bpf_object__find_map_by_name(handle->object, name);
	if (!map)
		return failure_set(&handle->failure, -ENOENT, "The object has no map %s", name);
	error = bpf_map__set_max_entries(map, max_entries);
	if (error)
		return failure_set(&handle->failure, error, "Cannot set the size of map %s to %u", name,
		                   max_entries);
	return 0;
}

/* Maps the ring: its writable page, then the producer's page and the data twice, read only. */
static int map_ring(struct merminbpf *handle, uint32_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct ring *ring = &handle->ring;
	int fd = handle->maps[MAP_FLOW_EVENTS];
	void *consumer;
	void *producer;

	consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (consumer == MAP_FAILED)
		return -errno;
	producer = mmap(NULL, page + 2 * (size_t)size, PROT_READ, MAP_SHARED, fd, (off_t)page);
	if (producer == MAP_FAILED) {
		int error = -errno;

		munmap(consumer, page);
		return error;
	}
	ring->consumer_position = consumer;
	ring->producer_position = producer;
	ring->data = (const uint8_t *)producer + page;
	ring->mask = size - 1;
	return 0;
}

static void unmap(struct merminbpf *handle)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct ring *ring = &handle->ring;

	if (ring->consumer_position) {
		munmap(ring->consumer_position, page);
		munmap((void *)ring->producer_position, page + 2 * ((size_t)ring->mask + 1));
	}
	if (handle->scan)
		munmap(handle->scan, page);
	if (handle->removals)
		munmap(handle->removals, FLOW_REMOVALS * sizeof(*handle->removals));
}

/* The `size` bytes of a map; NULL, with a text, where the kernel refuses. */
static void *map_array(struct merminbpf *handle, enum map_name name, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, handle->maps[name], 0);

	if (memory != MAP_FAILED)
		return memory;
	failure_set(&handle->failure, -errno, "Cannot map %s into memory", map_shapes[name].name);
	return NULL;
}

static int map_memory(struct merminbpf *handle)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct bpf_map_info info = { 0 };
	uint32_t length = sizeof(info);
	int error;

	if (handle->maps[MAP_FLOW_EVENTS] >= 0) {
		/* Asked of the kernel: libbpf rounds the size up to a power of two of pages. */
		if (bpf_obj_get_info_by_fd(handle->maps[MAP_FLOW_EVENTS], &info, &length))
			return failure_set(&handle->failure, -errno, "Cannot ask the size of FLOW_EVENTS");
		error = map_ring(handle, info.max_entries);
		if (error)
			return failure_set(&handle->failure, error, "Cannot map FLOW_EVENTS into memory");
	}
	if (handle->maps[MAP_SCAN] >= 0) {
		handle->scan = map_array(handle, MAP_SCAN, page);
		if (!handle->scan)
			return -ENOMEM;
	}
	if (handle->maps[MAP_REMOVALS] >= 0 && handle->remover) {
		handle->removals = map_array(handle, MAP_REMOVALS, FLOW_REMOVALS * sizeof(*handle->removals));
		if (!handle->removals)
			return -ENOMEM;
	}
	return 0;
}

MERMINBPF_API int merminbpf_object_load(struct merminbpf *handle)
{
	int error;

	if (handle->state != LOAD_NONE)
		return failure_set(&handle->failure, -EALREADY, "The BPF object is loaded once only");
	failure_begin(&handle->failure);
	handle->state = LOAD_FAILED;
	error = bpf_object__load(handle->object);
	if (error) {
		failure_set(&handle->failure, error, "Cannot load the BPF programs");
		/* libbpf's own numbers are no errno. */
		return -error >= __LIBBPF_ERRNO__START ? -EINVAL : error;
	}
	failure_end();
	for (int i = 0; i < MAP_NAMES; i++) {
		const struct bpf_map *map = bpf_object__find_map_by_name(handle->object, map_shapes[i].name);

		if (map)
			handle->maps[i] = bpf_map__fd(map);
		if (map && i == MAP_COUNTERS)
			handle->counters_size = bpf_map__max_entries(map);
	}
	error = map_memory(handle);
	if (error)
		return error;
	handle->state = LOAD_DONE;
	return 0;
}

int map_descriptor(struct merminbpf *handle, enum map_name name)
{
	if (handle->maps[name] < 0)
		return failure_set(&handle->failure, -ENOENT, "There is no loaded map %s",
		                   map_shapes[name].name);
	return handle->maps[name];
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

MERMINBPF_API void merminbpf_object_close(struct merminbpf *handle)
{
	if (!handle)
		return;
	tasks_close(handle);
	hooks_close(handle);
	unmap(handle);
	bpf_object__close(handle->object);
	close_if_open(handle->statistics_fd);
	close_if_open(handle->links_fd);
	close_if_open(handle->addresses_fd);
	conntrack_close(&handle->conntrack);
	/* The lock last: the next agent finds nothing of ours. */
	close_if_open(handle->label_fd);
	close_if_open(handle->lock_fd);
	free(handle->per_cpu);
	free(handle->test_output);
	free(handle);
}
