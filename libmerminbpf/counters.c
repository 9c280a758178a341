/* SPDX-License-Identifier: Apache-2.0 */
/* COUNTERS: what the programs counted, and what of it agents have told or shown; of this agent and of those
 * before. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "internal.h"

#define PATH_SIZE 512
#define PIN_PREFIX "mermin_counters_v"

/* Sums one counter over the CPUs. */
static int counter_sum(const struct merminbpf *handle, int fd, uint32_t index, struct counter *sum)
{
	const struct counter *per_cpu = handle->per_cpu;
	int error = bpf_map_lookup_elem(fd, &index, handle->per_cpu);

	*sum = (struct counter){ 0 };
	for (uint32_t cpu = 0; !error && cpu < handle->cpus; cpu++) {
		sum->packets += per_cpu[cpu].packets;
		sum->bytes += per_cpu[cpu].bytes;
	}
	return error;
}

/* Sums `max` counters from index `first` on; returns how many. */
static int counters_sum(struct merminbpf *handle, uint32_t first, struct counter *sums, uint32_t max)
{
	int fd = map_descriptor(handle, MAP_COUNTERS);
	uint32_t count;

	if (fd < 0)
		return fd;
	for (count = 0; count < max && first + count < handle->counters_size; count++) {
		int error = counter_sum(handle, fd, first + count, &sums[count]);

		if (error)
			return failure_set(&handle->failure, error, "Cannot read counter %u", first + count);
	}
	return (int)count;
}

MERMINBPF_API int merminbpf_counters_read(struct merminbpf *handle, void *counters, uint32_t max)
{
	return counters_sum(handle, 0, counters, max);
}

/* What agents write is kept in the first CPU's value. */
static int counter_write(const struct merminbpf *handle, int fd, uint32_t index, struct counter counter)
{
	struct counter *per_cpu = handle->per_cpu;

	memset(per_cpu, 0, handle->cpus * sizeof(*per_cpu));
	*per_cpu = counter;
	return bpf_map_update_elem(fd, &index, per_cpu, BPF_ANY);
}

static int account_write(const struct merminbpf *handle, int fd, uint32_t account, uint64_t packets)
{
	return counter_write(handle, fd, account, (struct counter){ .packets = packets });
}

int account_add(const struct merminbpf *handle, uint32_t account, uint64_t packets)
{
	int fd = handle->maps[MAP_COUNTERS];
	struct counter before;
	int error = fd < 0 ? fd : counter_sum(handle, fd, account, &before);

	return error ? error : account_write(handle, fd, account, before.packets + packets);
}

MERMINBPF_API int merminbpf_shown_read(struct merminbpf *handle, void *counters, uint32_t max)
{
	return counters_sum(handle, COUNTER_SHOWN(0), counters,
	                    max < COUNTER_REASONS ? max : COUNTER_REASONS);
}

MERMINBPF_API int merminbpf_shown_write(struct merminbpf *handle, const void *counters, uint32_t count)
{
	int fd = map_descriptor(handle, MAP_COUNTERS);
	const struct counter *shown = counters;
	int error = 0;

	if (fd < 0)
		return fd;
	for (uint32_t reason = 0; !error && reason < count && reason < COUNTER_REASONS; reason++)
		error = counter_write(handle, fd, COUNTER_SHOWN(reason), shown[reason]);
	return error ? failure_set(&handle->failure, error, "Cannot write what was shown") : 0;
}

MERMINBPF_API int merminbpf_account_resume(struct merminbpf *handle, uint32_t *told)
{
	int fd = map_descriptor(handle, MAP_COUNTERS);
	struct counter sum;
	int error = fd < 0 ? fd : counter_sum(handle, fd, ACCOUNT_TOLD, &sum);

	if (!error)
		error = account_write(handle, fd, ACCOUNT_SET_OFF, 0);
	if (error)
		return failure_set(&handle->failure, error, "Cannot read what was told");
	told[0] = (uint32_t)sum.packets;
	told[1] = (uint32_t)(sum.packets >> 32);
	return 0;
}

static bool is_counters(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t length = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &length) == 0 && info.type == BPF_MAP_TYPE_PERCPU_ARRAY &&
	       info.key_size == sizeof(uint32_t) && info.value_size == sizeof(struct counter) &&
	       info.max_entries == COUNTERS_ENTRIES;
}

/* Sets off what nobody told of a map of counters, and adds it to *packets. */
static int set_off_accounted(const struct merminbpf *handle, int fd, __u64 *packets)
{
	struct counter accounted, told, before;
	int error = counter_sum(handle, fd, COUNTER_ACCOUNTED, &accounted);

	if (!error)
		error = counter_sum(handle, fd, ACCOUNT_TOLD, &told);
	if (!error)
		error = counter_sum(handle, fd, ACCOUNT_SET_OFF, &before);
	if (error || accounted.packets <= told.packets + before.packets)
		return error;
	error = account_write(handle, fd, ACCOUNT_SET_OFF, accounted.packets - told.packets);
	if (!error)
		*packets += accounted.packets - told.packets - before.packets;
	return error;
}

/* Takes what nobody has shown of another reason for shown, and adds it to *sum. */
static int set_off_reason(const struct merminbpf *handle, int fd, uint32_t reason, struct counter *sum)
{
	struct counter counted, shown;
	int error = counter_sum(handle, fd, reason, &counted);

	if (!error)
		error = counter_sum(handle, fd, COUNTER_SHOWN(reason), &shown);
	if (error || counted.packets <= shown.packets)
		return error;
	error = counter_write(handle, fd, COUNTER_SHOWN(reason), counted);
	if (error)
		return error;
	sum->packets += counted.packets - shown.packets;
	if (counted.bytes > shown.bytes)
		sum->bytes += counted.bytes - shown.bytes;
	return 0;
}

static int set_off(const struct merminbpf *handle, int fd, struct counter sums[COUNTER_REASONS])
{
	int error = set_off_accounted(handle, fd, &sums[COUNTER_ACCOUNTED].packets);

	for (uint32_t reason = COUNTER_ACCOUNTED + 1; !error && reason < COUNTER_REASONS; reason++)
		error = set_off_reason(handle, fd, reason, &sums[reason]);
	return error;
}

static int set_off_pin(const struct merminbpf *handle, const char *name, struct counter sums[COUNTER_REASONS])
{
	char path[PATH_SIZE];
	int error = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", handle->pin_directory, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (is_counters(fd))
		error = set_off(handle, fd, sums);
	close(fd);
	return error;
}

MERMINBPF_API int merminbpf_counters_set_off(struct merminbpf *handle, void *counters, uint32_t max)
{
	const struct bpf_map *own = bpf_object__find_map_by_name(handle->object, "COUNTERS");
	const char *own_path = own ? bpf_map__pin_path(own) : NULL;
	const char *own_name = own_path ? strrchr(own_path, '/') + 1 : "";
	DIR *directory = handle->pin_directory[0] ? opendir(handle->pin_directory) : NULL;
	uint32_t count = max < COUNTER_REASONS ? max : COUNTER_REASONS;
	struct counter sums[COUNTER_REASONS] = { 0 };
	struct dirent *entry;
	int error = 0;

	/* Of programs that were replaced or detached a moment ago some may still run. */
	if (directory)
		runs_wait();
	while (directory && !error && (entry = readdir(directory)))
		if (strncmp(entry->d_name, PIN_PREFIX, strlen(PIN_PREFIX)) == 0 &&
		    strcmp(entry->d_name, own_name) != 0)
			error = set_off_pin(handle, entry->d_name, sums);
	if (directory)
		closedir(directory);
	if (error)
		return failure_set(&handle->failure, error, "Cannot read the counters of another agent");
	memcpy(counters, sums, count * sizeof(sums[0]));
	return (int)count;
}
