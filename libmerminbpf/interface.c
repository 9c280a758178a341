/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs know of an interface: INTERFACES, INTERFACES_DIRECT, RELATED_INTERFACES. */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "internal.h"

/*
 * Reads the array's entry at an interface's place into handle->per_cpu and returns whose it is: 0 where it is
 * free, or a negative errno.
 */
static int64_t direct_holder(struct merminbpf *handle, uint32_t ifindex)
{
	uint32_t place = ifindex & (INTERFACES_DIRECT_SIZE - 1);
	const struct interface_stats *per_cpu = handle->per_cpu;
	int fd = map_descriptor(handle, MAP_INTERFACES_DIRECT);
	int error = fd < 0 ? fd : bpf_map_lookup_elem(fd, &place, handle->per_cpu);

	return error ? error : (int64_t)per_cpu->ifindex;
}

/* Writes all CPUs' values of an interface from handle->per_cpu, into the array or the hash. */
static int interface_write(struct merminbpf *handle, uint32_t ifindex, bool direct)
{
	uint32_t place = ifindex & (INTERFACES_DIRECT_SIZE - 1);
	int fd = map_descriptor(handle, direct ? MAP_INTERFACES_DIRECT : MAP_INTERFACES);

	return fd < 0 ? fd : bpf_map_update_elem(fd, direct ? &place : &ifindex, handle->per_cpu, BPF_ANY);
}

MERMINBPF_API int merminbpf_interface_add(struct merminbpf *handle, uint32_t ifindex, uint32_t link_layer)
{
	struct interface_stats *per_cpu = handle->per_cpu;
	int64_t holder = direct_holder(handle, ifindex);
	int error;

	memset(per_cpu, 0, handle->cpus * sizeof(*per_cpu));
	for (uint32_t cpu = 0; cpu < handle->cpus; cpu++) {
		per_cpu[cpu].link_layer = link_layer;
		per_cpu[cpu].ifindex = ifindex;
	}
	error = interface_write(handle, ifindex, holder == 0 || holder == ifindex);
	if (error)
		return failure_set(&handle->failure, error, "Cannot add interface %u", ifindex);
	return 0;
}

MERMINBPF_API int merminbpf_interface_relate(struct merminbpf *handle, uint32_t ifindex,
                                             const uint32_t *same_side, uint32_t opposite_side)
{
	struct related_interfaces related = { .opposite_side = opposite_side };
	int fd = map_descriptor(handle, MAP_RELATED_INTERFACES);
	int error;

	if (fd < 0)
		return fd;
	memcpy(related.same_side, same_side, sizeof(related.same_side));
	error = bpf_map_update_elem(fd, &ifindex, &related, BPF_ANY);
	if (error)
		return failure_set(&handle->failure, error, "Cannot relate interface %u", ifindex);
	return 0;
}

static int delete_entry(struct merminbpf *handle, enum map_name name, uint32_t ifindex)
{
	int fd = map_descriptor(handle, name);
	int error = fd < 0 ? fd : bpf_map_delete_elem(fd, &ifindex);

	return error == -ENOENT ? 0 : error;
}

MERMINBPF_API int merminbpf_interface_remove(struct merminbpf *handle, uint32_t ifindex)
{
	bool direct = direct_holder(handle, ifindex) == ifindex;
	int error = 0;

	if (direct) {
		memset(handle->per_cpu, 0, handle->cpus * sizeof(struct interface_stats));
		error = interface_write(handle, ifindex, true);
	}
	if (!error)
		error = delete_entry(handle, MAP_INTERFACES, ifindex);
	if (!error)
		error = delete_entry(handle, MAP_RELATED_INTERFACES, ifindex);
	if (error)
		return failure_set(&handle->failure, error, "Cannot remove interface %u", ifindex);
	return 0;
}

/* Reads all CPUs' values of an interface into handle->per_cpu, from where they are. */
static int interface_load(struct merminbpf *handle, uint32_t ifindex)
{
	int fd;

	if (direct_holder(handle, ifindex) == ifindex)
		return 0;
	fd = map_descriptor(handle, MAP_INTERFACES);
	return fd < 0 ? fd : bpf_map_lookup_elem(fd, &ifindex, handle->per_cpu);
}

MERMINBPF_API int merminbpf_interface_read(struct merminbpf *handle, uint32_t ifindex, void *stats)
{
	const struct interface_stats *per_cpu = handle->per_cpu;
	struct interface_stats sum = { .ifindex = ifindex };
	int error = interface_load(handle, ifindex);

	if (error)
		return failure_set(&handle->failure, error, "Cannot read interface %u", ifindex);
	sum.link_layer = per_cpu[0].link_layer;
	for (uint32_t cpu = 0; cpu < handle->cpus; cpu++) {
		for (int side = 0; side < 2; side++) {
			sum.packets[side] += per_cpu[cpu].packets[side];
			sum.bytes[side] += per_cpu[cpu].bytes[side];
		}
	}
	memcpy(stats, &sum, sizeof(sum));
	return 0;
}
