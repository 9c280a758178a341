/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks: attaching by TCX or clsact, detaching, who else is there. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/membarrier.h>

#include "internal.h"

/* Longer than any run of a program, for kernels that do not offer to wait for the end of all. */
#define RUN_MOST_US 50000

static struct hook *hook_find(struct merminbpf *handle, uint32_t ifindex, uint32_t egress)
{
	for (uint32_t i = 0; i < handle->hook_count; i++) {
		struct hook *hook = &handle->hooks[i];

		if (hook->ifindex == ifindex && hook->egress == egress)
			return hook;
	}
	return NULL;
}

bool hook_has_link(struct merminbpf *handle, uint32_t ifindex, uint32_t egress)
{
	const struct hook *hook = hook_find(handle, ifindex, egress);

	return hook && hook->mode == MERMINBPF_ATTACH_TCX;
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

static int attach_by_mode(struct merminbpf *handle, struct failure *failure, struct hook *hook,
                          const struct merminbpf_task *task)
{
	int error;

	if (task->mode != MERMINBPF_ATTACH_CLSACT) {
		error = tcx_attach(handle, failure, hook, task->order);
		if (error == 0) {
			/* An agent that was killed may have left filters, which would go on counting for
			 * nobody. */
			clsact_clean(hook->ifindex);
			return 0;
		}
		/* A kernel that does not know the attach type answers with one of these. */
		if (error != -EINVAL && error != -EOPNOTSUPP)
			return failure_set(failure, error, "Cannot attach to interface %u by TCX",
			                   hook->ifindex);
		if (task->mode == MERMINBPF_ATTACH_TCX)
			return failure_set(failure, error,
			                   "TCX needs Linux 6.6, attach_mode \"auto\" takes what there is");
	}
	hook->mode = MERMINBPF_ATTACH_CLSACT;
	/* Before: two programs at one hook would count each packet twice. */
	pinned_link_drop(handle, hook);
	return clsact_attach(failure, hook);
}

static int attach_here(struct merminbpf *handle, struct failure *failure, const struct merminbpf_task *task,
                       uint32_t egress)
{
	struct hook *hook;
	int error;

	if (hook_find(handle, task->ifindex, egress))
		return failure_set(failure, -EEXIST, "Already attached to interface %u", task->ifindex);
	hook = hook_reserve(handle);
	if (!hook)
		return failure_set(failure, -ENOMEM, "Cannot attach to interface %u", task->ifindex);
	*hook = (struct hook){
		.ifindex = task->ifindex,
		.egress = egress,
		.priority = task->tc_priority,
		.link_fd = -1,
		.program_fd = program_descriptor_quietly(handle, egress),
	};
	if (hook->program_fd < 0)
		return failure_set(failure, -ENOENT, "There is no loaded program %s", program_names[egress]);
	/* Before the hook sees its first packet: what its absence proved so far proves nothing from here on.
	 */
	if (handle->scan)
		__atomic_store_n(&handle->scan->attached_generation,
		                 __atomic_load_n(&handle->scan->generation, __ATOMIC_RELAXED),
		                 __ATOMIC_RELEASE);
	error = attach_by_mode(handle, failure, hook, task);
	if (error)
		return error;
	handle->hook_count++;
	return (int)hook->mode;
}

int hook_attach(struct merminbpf *handle, struct failure *failure, const struct merminbpf_task *task,
                uint32_t egress)
{
	int result;
	int error;
	int home;

	if (egress > 1 || task->mode > MERMINBPF_ATTACH_CLSACT || task->order > MERMINBPF_ORDER_LAST ||
	    task->ifindex == 0 || task->ifindex > INT_MAX)
		return failure_set(failure, -EINVAL, "Cannot attach to interface %u", task->ifindex);
	error = namespace_enter_watched(failure, &home);
	if (error)
		return error;
	result = attach_here(handle, failure, task, egress);
	namespace_leave(home);
	return result;
}

MERMINBPF_API int merminbpf_hook_attach(struct merminbpf *handle, uint32_t ifindex, uint32_t egress,
                                        uint32_t mode, uint32_t order, uint32_t tc_priority)
{
	struct merminbpf_task task = {
		.ifindex = ifindex, .mode = mode, .order = order, .tc_priority = tc_priority
	};

	tasks_wait(handle);
	return hook_attach(handle, &handle->failure, &task, egress);
}

static int detach_here(struct merminbpf *handle, struct failure *failure, struct hook *hook)
{
	if (hook->mode == MERMINBPF_ATTACH_TCX) {
		tcx_detach(handle, hook);
	} else {
		int error = clsact_detach(failure, hook);

		if (error)
			return error;
	}
	*hook = handle->hooks[--handle->hook_count];
	return 0;
}

int hook_detach(struct merminbpf *handle, struct failure *failure, uint32_t ifindex, uint32_t egress)
{
	struct hook *hook = hook_find(handle, ifindex, egress);
	int result;
	int error;
	int home;

	if (!hook)
		return failure_set(failure, -ENOENT, "Not attached to interface %u", ifindex);
	error = namespace_enter_watched(failure, &home);
	if (error)
		return error;
	result = detach_here(handle, failure, hook);
	namespace_leave(home);
	return result;
}

MERMINBPF_API int merminbpf_hook_detach(struct merminbpf *handle, uint32_t ifindex, uint32_t egress)
{
	tasks_wait(handle);
	return hook_detach(handle, &handle->failure, ifindex, egress);
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
		if (hook_detach(handle, &handle->failure, last->ifindex, last->egress))
			handle->hook_count--;
	}
	free(handle->hooks);
	handle->hooks = NULL;
}

int hook_programs(struct failure *failure, uint32_t ifindex, uint32_t egress, uint32_t *ids, uint32_t max)
{
	int clsact = 0;
	int error;
	int home;
	int tcx;

	error = namespace_enter_watched(failure, &home);
	if (error)
		return error;
	tcx = tcx_programs(ifindex, egress, ids, max);
	if (tcx >= 0)
		clsact = clsact_programs(ifindex, egress, ids + tcx, max - (uint32_t)tcx);
	namespace_leave(home);
	if (tcx < 0)
		return failure_set(failure, tcx, "Cannot list the TCX programs of interface %u", ifindex);
	if (clsact < 0)
		return failure_set(failure, clsact, "Cannot list the filters of interface %u", ifindex);
	return tcx + clsact;
}

MERMINBPF_API int merminbpf_hook_programs(struct merminbpf *handle, uint32_t ifindex, uint32_t egress,
                                          uint32_t *ids, uint32_t max)
{
	return hook_programs(&handle->failure, ifindex, egress, ids, max);
}

void runs_wait(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0)
		usleep(RUN_MOST_US);
}

MERMINBPF_API int merminbpf_counting_stop(struct merminbpf *handle)
{
	if (map_descriptor(handle, MAP_SCAN) < 0)
		return -ENOENT;
	handle->is_stopped = true;
	__atomic_store_n(&handle->scan->generation, 0, __ATOMIC_SEQ_CST);
	runs_wait();
	return 0;
}
