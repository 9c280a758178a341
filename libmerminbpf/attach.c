/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks: attaching by TCX or clsact, detaching, who else is there. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
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

static int tcx_attach(struct merminbpf *handle, struct hook *hook, int program_fd, uint32_t order)
{
	struct tcx_link_create create = {
		.program_fd = (uint32_t)program_fd,
		.ifindex = hook->ifindex,
		.attach_type = tcx_type(hook->egress),
		.flags = order == MERMINBPF_ORDER_FIRST ? ATTACH_BEFORE : ATTACH_AFTER,
	};

	int error = pinned_link_take(handle, hook, create.attach_type, program_fd);

	hook->mode = MERMINBPF_ATTACH_TCX;
	if (error != -ENOENT)
		return error;
	hook->link_fd = bpf_call(BPF_LINK_CREATE, &create, sizeof(create));
	if (hook->link_fd < 0)
		return hook->link_fd;
	error = pinned_link_make(handle, hook);
	if (error)
		close(hook->link_fd);
	return error;
}

/* Detached by name and not by closing alone, which the kernel may finish later. */
static void tcx_detach(struct merminbpf *handle, const struct hook *hook)
{
	uint32_t link_fd = (uint32_t)hook->link_fd;

	bpf_call(BPF_LINK_DETACH, &link_fd, sizeof(link_fd));
	close(hook->link_fd);
	pinned_link_remove(handle, hook);
}

static int tcx_programs(uint32_t ifindex, uint32_t egress, uint32_t *ids, uint32_t max)
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

static struct hook *hook_find(struct merminbpf *handle, uint32_t ifindex, uint32_t egress)
{
	for (uint32_t i = 0; i < handle->hook_count; i++) {
		struct hook *hook = &handle->hooks[i];

		if (hook->ifindex == ifindex && hook->egress == egress)
			return hook;
	}
	return NULL;
}

bool hook_exists(struct merminbpf *handle, uint32_t ifindex, uint32_t egress)
{
	return hook_find(handle, ifindex, egress) != NULL;
}

static struct hook *hook_reserve(struct merminbpf *handle)
{
	size_t size = ((size_t)handle->hook_count + 1) * sizeof(*handle->hooks);
	struct hook *hooks = realloc(handle->hooks, size);

	if (!hooks)
		return NULL;
	handle->hooks = hooks;
	return &hooks[handle->hook_count];
}

static int attach_by_mode(struct merminbpf *handle, struct hook *hook, uint32_t mode, uint32_t order)
{
	int program_fd = program_descriptor(handle, hook->egress);
	int error;

	if (program_fd < 0)
		return program_fd;
	if (mode != MERMINBPF_ATTACH_CLSACT) {
		error = tcx_attach(handle, hook, program_fd, order);
		if (error == 0)
			return 0;
		/* A kernel that does not know the attach type answers with one of these. */
		if (mode == MERMINBPF_ATTACH_TCX || (error != -EINVAL && error != -EOPNOTSUPP))
			return failure_set(&handle->failure, error, "Cannot attach to interface %u by TCX",
			                   hook->ifindex);
	}
	hook->mode = MERMINBPF_ATTACH_CLSACT;
	return clsact_attach(handle, hook, program_fd);
}

MERMINBPF_API int merminbpf_hook_attach(struct merminbpf *handle, uint32_t ifindex, uint32_t egress,
                                        uint32_t mode, uint32_t order, uint32_t tc_priority)
{
	struct hook *hook;
	int error;

	if (egress > 1 || mode > MERMINBPF_ATTACH_CLSACT || order > MERMINBPF_ORDER_LAST || ifindex == 0 ||
	    ifindex > INT_MAX)
		return failure_set(&handle->failure, -EINVAL, "Cannot attach to interface %u", ifindex);
	if (hook_find(handle, ifindex, egress))
		return failure_set(&handle->failure, -EEXIST, "Already attached to interface %u", ifindex);
	hook = hook_reserve(handle);
	if (!hook)
		return failure_set(&handle->failure, -ENOMEM, "Cannot attach to interface %u", ifindex);
	*hook = (struct hook){ .ifindex = ifindex, .egress = egress, .priority = tc_priority, .link_fd = -1 };
	/* Before the hook sees its first packet: what its absence proved so far proves nothing from here on.
	 */
	if (handle->scan)
		__atomic_store_n(&handle->scan->attached_generation, handle->scan->generation,
		                 __ATOMIC_RELEASE);
	error = attach_by_mode(handle, hook, mode, order);
	if (error)
		return error;
	handle->hook_count++;
	return (int)hook->mode;
}

/* The last detached clsact hook of an interface removes the qdisc, whichever of both had made it. */
static void hand_over_qdisc(struct merminbpf *handle, struct hook *hook)
{
	struct hook *other = hook_find(handle, hook->ifindex, !hook->egress);

	if (!hook->made_qdisc || !other || other->mode != MERMINBPF_ATTACH_CLSACT)
		return;
	other->made_qdisc = true;
	hook->made_qdisc = false;
}

MERMINBPF_API int merminbpf_hook_detach(struct merminbpf *handle, uint32_t ifindex, uint32_t egress)
{
	struct hook *hook = hook_find(handle, ifindex, egress);

	if (!hook)
		return failure_set(&handle->failure, -ENOENT, "Not attached to interface %u", ifindex);
	if (hook->mode == MERMINBPF_ATTACH_TCX) {
		tcx_detach(handle, hook);
	} else {
		int error;

		hand_over_qdisc(handle, hook);
		error = clsact_detach(handle, hook);
		if (error)
			return error;
	}
	*hook = handle->hooks[--handle->hook_count];
	return 0;
}

/* What persists stays attached: its links by their pins, filters by their qdisc. */
static void hooks_leave(struct merminbpf *handle)
{
	for (uint32_t i = 0; i < handle->hook_count; i++) {
		if (handle->hooks[i].link_fd >= 0)
			close(handle->hooks[i].link_fd);
	}
	handle->hook_count = 0;
}

void hooks_close(struct merminbpf *handle)
{
	if (handle->keeps_pins)
		hooks_leave(handle);
	while (handle->hook_count > 0) {
		struct hook *last = &handle->hooks[handle->hook_count - 1];

		/* On failure there is nobody left to try again. */
		if (merminbpf_hook_detach(handle, last->ifindex, last->egress))
			handle->hook_count--;
	}
	free(handle->hooks);
	handle->hooks = NULL;
}

MERMINBPF_API int merminbpf_hook_programs(struct merminbpf *handle, uint32_t ifindex, uint32_t egress,
                                          uint32_t *ids, uint32_t max)
{
	int tcx = tcx_programs(ifindex, egress, ids, max);
	int clsact;

	if (tcx < 0)
		return failure_set(&handle->failure, tcx, "Cannot list the TCX programs of interface %u",
		                   ifindex);
	clsact = clsact_programs(ifindex, egress, ids + tcx, max - (uint32_t)tcx);
	if (clsact < 0)
		return failure_set(&handle->failure, clsact, "Cannot list the filters of interface %u",
		                   ifindex);
	return tcx + clsact;
}
