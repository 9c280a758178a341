/* SPDX-License-Identifier: Apache-2.0 */
/* What agents, this one or others, dead or alive, have in the kernel: programs, maps, links and filters by
 * name. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "tc_filter.h"

#define NAME_PREFIX "mermin_"
#define HOOK_PROGRAMS_MAX 64

/* Of Linux 6.6: the kind of a link, and where its struct bpf_link_info says the interface and the side. */
#define LINK_TYPE_TCX 11
#define ATTACH_TYPE_TCX_EGRESS 47

static int program_read(uint32_t id, struct merminbpf_program *program)
{
	struct bpf_prog_info info = {
		.map_ids = (uint64_t)(uintptr_t)program->map_ids,
		.nr_map_ids = MERMINBPF_PROGRAM_MAPS_MAX,
	};
	uint32_t length = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);
	int error;

	/* It went between the two calls. */
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	error = bpf_obj_get_info_by_fd(fd, &info, &length) ? -errno : 0;
	close(fd);
	if (error || strncmp(info.name, NAME_PREFIX, strlen(NAME_PREFIX)) != 0)
		return error;
	program->id = id;
	program->map_count =
		info.nr_map_ids < MERMINBPF_PROGRAM_MAPS_MAX ? info.nr_map_ids : MERMINBPF_PROGRAM_MAPS_MAX;
	memcpy(program->name, info.name, sizeof(program->name));
	return 1;
}

MERMINBPF_API int merminbpf_programs_list(struct merminbpf_program *programs, uint32_t max)
{
	uint32_t count = 0;
	uint32_t id = 0;
	int error;

	while ((error = bpf_prog_get_next_id(id, &id)) == 0) {
		struct merminbpf_program program = { 0 };

		error = program_read(id, &program);
		if (error < 0)
			break;
		if (error == 0)
			continue;
		if (count == max)
			return failure_set(failure_of_thread(), -ENOSPC, "There are more than %u programs",
			                   max);
		programs[count++] = program;
	}
	if (error != -ENOENT)
		return failure_set(failure_of_thread(), error, "Cannot list the BPF programs");
	return (int)count;
}

MERMINBPF_API int merminbpf_map_name(uint32_t id, char *name, uint32_t size)
{
	struct bpf_map_info info = { 0 };
	uint32_t length = sizeof(info);
	int fd = bpf_map_get_fd_by_id(id);
	int error = fd < 0 ? fd : bpf_obj_get_info_by_fd(fd, &info, &length) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	if (!error && size < sizeof(info.name))
		error = -ENOSPC;
	if (error)
		return failure_set(failure_of_thread(), error, "Cannot ask about map %u", id);
	memcpy(name, info.name, sizeof(info.name));
	return 0;
}

/* Whether the interface of this index in the watched namespace is the one that the program is attached to. */
static bool is_here(const struct merminbpf_attached *attached)
{
	uint32_t ids[HOOK_PROGRAMS_MAX];
	int count = tcx_programs(attached->ifindex, attached->egress, ids, HOOK_PROGRAMS_MAX);

	for (int i = 0; i < count; i++)
		if (ids[i] == attached->program_id)
			return true;
	return false;
}

/* 1 where the link is one of TCX with one of the programs. */
static int link_read(uint32_t id, const uint32_t *programs, uint32_t program_count,
                     struct merminbpf_attached *attached)
{
	/* Bytes enough for newer kernels' structure, which begins with what is read here. */
	uint32_t info[64] = { 0 };
	uint32_t length = sizeof(info);
	int fd = bpf_link_get_fd_by_id(id);
	int error;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	error = bpf_obj_get_info_by_fd(fd, info, &length) ? -errno : 0;
	close(fd);
	if (error || info[0] != LINK_TYPE_TCX)
		return error;
	/* type, id, program id, padding, interface, attach type */
	*attached = (struct merminbpf_attached){ .id = id,
		                                 .program_id = info[2],
		                                 .ifindex = info[4],
		                                 .egress = info[5] == ATTACH_TYPE_TCX_EGRESS };
	attached->is_here = is_here(attached);
	for (uint32_t i = 0; i < program_count; i++)
		if (programs[i] == attached->program_id)
			return 1;
	return 0;
}

static int links_read_of(const uint32_t *programs, uint32_t program_count, struct merminbpf_attached *rows,
                         uint32_t max)
{
	uint32_t count = 0;
	uint32_t id = 0;
	int error;

	while ((error = bpf_link_get_next_id(id, &id)) == 0) {
		struct merminbpf_attached row;

		error = link_read(id, programs, program_count, &row);
		if (error < 0)
			break;
		if (error == 0)
			continue;
		if (count == max)
			return -ENOSPC;
		rows[count++] = row;
	}
	return error == -ENOENT ? (int)count : error;
}

MERMINBPF_API int merminbpf_links_of(const uint32_t *programs, uint32_t program_count,
                                     struct merminbpf_attached *rows, uint32_t max)
{
	struct failure *failure = failure_of_thread();
	int home;
	int count = namespace_enter_watched(failure, &home);

	if (count)
		return count;
	count = links_read_of(programs, program_count, rows, max);
	namespace_leave(home);
	return count < 0 ? failure_set(failure, count, "Cannot list the BPF links") : count;
}

MERMINBPF_API int merminbpf_link_pinned(const char *path)
{
	uint32_t info[64] = { 0 };
	uint32_t length = sizeof(info);
	int fd = bpf_obj_get(path);
	int error = fd < 0 ? fd : bpf_obj_get_info_by_fd(fd, info, &length) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	if (!error && info[0] != LINK_TYPE_TCX)
		error = -EINVAL;
	/* type, id */
	return error ? failure_set(failure_of_thread(), error, "Cannot read the link pinned at %s", path)
	             : (int)info[1];
}

MERMINBPF_API int merminbpf_link_remove(uint32_t id)
{
	int fd = bpf_link_get_fd_by_id(id);
	int error = fd < 0 ? fd : bpf_link_detach(fd);

	if (fd >= 0)
		close(fd);
	return error && error != -ENOENT
	               ? failure_set(failure_of_thread(), error, "Cannot detach link %u", id)
	               : 0;
}

static int filters_read(uint32_t ifindex, struct merminbpf_attached *rows, uint32_t max)
{
	uint32_t count = 0;

	for (uint32_t egress = 0; egress < 2; egress++) {
		struct filter_search search = { .egress = egress };
		int error = filters_list(ifindex, &search);

		if (error)
			return error;
		for (uint32_t i = 0; i < search.own_count; i++) {
			if (count == max)
				return -ENOSPC;
			rows[count++] = (struct merminbpf_attached){
				.id = search.own[i].handle,
				.program_id = search.own[i].program_id,
				.ifindex = ifindex,
				.egress = egress,
				.tc_priority = search.own[i].priority,
				.is_here = 1,
				.made_qdisc = search.own[i].handle == FILTER_HANDLE_QDISC,
			};
		}
	}
	return (int)count;
}

MERMINBPF_API int merminbpf_filters_of(uint32_t ifindex, struct merminbpf_attached *rows, uint32_t max)
{
	struct failure *failure = failure_of_thread();
	int home;
	int count = namespace_enter_watched(failure, &home);

	if (count)
		return count;
	count = filters_read(ifindex, rows, max);
	namespace_leave(home);
	return count < 0 ? failure_set(failure, count, "Cannot list the filters of interface %u", ifindex)
	                 : count;
}

MERMINBPF_API int merminbpf_filters_remove(uint32_t ifindex)
{
	struct failure *failure = failure_of_thread();
	int home;
	int removed = namespace_enter_watched(failure, &home);

	if (removed)
		return removed;
	removed = clsact_clean(ifindex);
	namespace_leave(home);
	return removed < 0
	               ? failure_set(failure, removed, "Cannot remove the filters of interface %u", ifindex)
	               : removed;
}
