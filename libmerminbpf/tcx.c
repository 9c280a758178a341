/* SPDX-License-Identifier: Apache-2.0 */
/* Links on the TCX hooks of an interface (Linux 6.6). */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "internal.h"

/* Of Linux 6.6; the headers of older distributions lack them. */
#define ATTACH_TCX_INGRESS 46
#define ATTACH_TCX_EGRESS 47
#define ATTACH_BEFORE (1U << 3)
#define ATTACH_AFTER (1U << 4)

/* union bpf_attr of BPF_LINK_CREATE for TCX. No relative program: before or after all others. */
struct tcx_link_create {
	uint32_t program_fd;
	uint32_t ifindex;
	uint32_t attach_type;
	uint32_t flags;
	uint32_t relative_fd;
	uint32_t padding;
	uint64_t expected_revision;
};

/* union bpf_attr of BPF_PROG_QUERY as of Linux 6.6: the kernel writes as far as `revision`. */
struct tcx_query {
	uint32_t ifindex;
	uint32_t attach_type;
	uint32_t query_flags;
	uint32_t attach_flags;
	uint64_t program_ids;
	uint32_t count;
	uint32_t padding;
	uint64_t program_attach_flags;
	uint64_t link_ids;
	uint64_t link_attach_flags;
	uint64_t revision;
};

int bpf_call(enum bpf_cmd command, void *attributes, size_t size)
{
	long result = syscall(SYS_bpf, command, attributes, size);

	return result < 0 ? -errno : (int)result;
}

static uint32_t tcx_type(uint32_t egress)
{
	return egress ? ATTACH_TCX_EGRESS : ATTACH_TCX_INGRESS;
}

int tcx_attach(const struct merminbpf *handle, struct failure *failure, struct hook *hook, uint32_t order)
{
	struct tcx_link_create create = {
		.program_fd = (uint32_t)hook->program_fd,
		.ifindex = hook->ifindex,
		.attach_type = tcx_type(hook->egress),
		.flags = order == MERMINBPF_ORDER_FIRST ? ATTACH_BEFORE : ATTACH_AFTER,
	};

	int error = pinned_link_take(handle, failure, hook, create.attach_type);

	hook->mode = MERMINBPF_ATTACH_TCX;
	if (error != -ENOENT)
		return error;
	hook->link_fd = bpf_call(BPF_LINK_CREATE, &create, sizeof(create));
	if (hook->link_fd < 0)
		return hook->link_fd;
	error = pinned_link_make(handle, failure, hook);
	if (error)
		close(hook->link_fd);
	return error;
}

/* By name and not by closing alone, which the kernel may finish later. */
void tcx_detach(const struct merminbpf *handle, const struct hook *hook)
{
	uint32_t link_fd = (uint32_t)hook->link_fd;

	bpf_call(BPF_LINK_DETACH, &link_fd, sizeof(link_fd));
	close(hook->link_fd);
	pinned_link_remove(handle, hook);
}

int tcx_programs(uint32_t ifindex, uint32_t egress, uint32_t *ids, uint32_t max)
{
	struct tcx_query query = {
		.ifindex = ifindex,
		.attach_type = tcx_type(egress),
		.program_ids = (uint64_t)(uintptr_t)ids,
		.count = max,
	};
	int error = max ? bpf_call(BPF_PROG_QUERY, &query, sizeof(query)) : -ENOSPC;

	/* No program, respectively a kernel without TCX. */
	if (error == -ENOENT || error == -EINVAL)
		return 0;
	/* More programs than room: the first `max` were written. */
	if (error == -ENOSPC)
		return (int)max;
	return error < 0 ? error : (int)query.count;
}
