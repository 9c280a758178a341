/* SPDX-License-Identifier: Apache-2.0 */
/* The loaded programs and what the kernel knows of them. */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "internal.h"

const char *const program_names[2] = { "mermin_ingress", "mermin_egress" };

int program_descriptor(struct merminbpf *handle, uint32_t egress)
{
	if (egress > 1)
		return failure_set(&handle->failure, -EINVAL, "A hook is ingress (0) or egress (1), not %u",
		                   egress);
	if (program_descriptor_quietly(handle, egress) < 0)
		return failure_set(&handle->failure, -ENOENT, "There is no loaded program %s",
		                   program_names[egress]);
	return bpf_program__fd(handle->programs[egress]);
}

int program_descriptor_quietly(const struct merminbpf *handle, uint32_t egress)
{
	if (handle->state != LOAD_DONE || !handle->programs[egress])
		return -ENOENT;
	return bpf_program__fd(handle->programs[egress]);
}

int program_id_of(int fd)
{
	struct bpf_prog_info info = { 0 };
	uint32_t length = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &length) ? -errno : (int)info.id;
}

static int program_info(struct merminbpf *handle, const char *name, struct bpf_prog_info *info)
{
	const struct bpf_program *program = bpf_object__find_program_by_name(handle->object, name);
	uint32_t length = sizeof(*info);

	memset(info, 0, sizeof(*info));
	if (handle->state != LOAD_DONE || !program)
		return failure_set(&handle->failure, -ENOENT, "There is no loaded program %s", name);
	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), info, &length))
		return failure_set(&handle->failure, -errno, "Cannot ask about program %s", name);
	return 0;
}

MERMINBPF_API int merminbpf_program_verified_instructions(struct merminbpf *handle, const char *program)
{
	struct bpf_prog_info info;
	int error = program_info(handle, program, &info);

	return error ? error : (int)info.verified_insns;
}

MERMINBPF_API int merminbpf_program_run_statistics(struct merminbpf *handle, const char *program,
                                                   uint32_t *words)
{
	struct bpf_prog_info info;
	int error = program_info(handle, program, &info);

	if (error)
		return error;
	words[0] = (uint32_t)info.run_time_ns;
	words[1] = (uint32_t)(info.run_time_ns >> 32);
	words[2] = (uint32_t)info.run_cnt;
	words[3] = (uint32_t)(info.run_cnt >> 32);
	return 0;
}

MERMINBPF_API int merminbpf_program_id(struct merminbpf *handle, uint32_t egress)
{
	int fd = program_descriptor(handle, egress);
	int id = fd < 0 ? fd : program_id_of(fd);

	return fd >= 0 && id < 0 ? failure_set(&handle->failure, id, "Cannot ask about a program") : id;
}

MERMINBPF_API int merminbpf_run_statistics_enable(struct merminbpf *handle)
{
	if (handle->statistics_fd >= 0)
		return 0;
	handle->statistics_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (handle->statistics_fd < 0)
		return failure_set(&handle->failure, handle->statistics_fd, "Cannot enable run statistics");
	return 0;
}
