/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that waits. Attaching and detaching by TCX, and listing interfaces, take the kernel's lock of
 * the network configuration, often for tens of milliseconds: here, so that the ring's reader never waits.
 *
 *   told <= done <= asked <= told + TASKS_MAX: places of a ring, counted for ever
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define HOOK_PROGRAMS_MAX 64

struct tasks {
	struct merminbpf *handle;
	pthread_t thread;
	pthread_mutex_t lock; /* of what is below, but the places between done and asked: the thread's */
	pthread_cond_t changed;
	struct merminbpf_task places[MERMINBPF_TASKS_MAX];
	uint32_t asked;
	uint32_t done;
	uint32_t told;
	bool is_ending;
	struct link_table links; /* of the last list */
	struct failure failure;  /* the thread's */
};

static struct merminbpf_task *place_of(struct tasks *tasks, uint32_t number)
{
	return &tasks->places[number % MERMINBPF_TASKS_MAX];
}

/* Both sides or none. */
static int attach_both(struct tasks *tasks, const struct merminbpf_task *task)
{
	int mode = hook_attach(tasks->handle, &tasks->failure, task, 0);
	int error = mode < 0 ? mode : hook_attach(tasks->handle, &tasks->failure, task, 1);
	struct failure ignored;

	if (error >= 0)
		return mode;
	if (mode >= 0)
		hook_detach(tasks->handle, &ignored, task->ifindex, 0);
	return error;
}

static int detach_both(struct tasks *tasks, const struct merminbpf_task *task)
{
	int ingress = hook_detach(tasks->handle, &tasks->failure, task->ifindex, 0);
	int egress = hook_detach(tasks->handle, &tasks->failure, task->ifindex, 1);
	int error = ingress ? ingress : egress;

	return error == -ENOENT ? 0 : error;
}

/* Who runs before our program, and whether it is there at all. */
static int look_at(struct tasks *tasks, struct merminbpf_task *task, uint32_t egress)
{
	uint32_t ids[HOOK_PROGRAMS_MAX];
	int ours = program_id_of(program_descriptor_quietly(tasks->handle, egress));
	int count = hook_programs(&tasks->failure, task->ifindex, egress, ids, HOOK_PROGRAMS_MAX);

	if (count < 0)
		return count;
	for (int i = 0; i < count && !task->ours[egress]; i++) {
		if (ours > 0 && ids[i] == (uint32_t)ours)
			task->ours[egress] = 1;
		else if (task->before_count[egress] < MERMINBPF_BEFORE_MAX)
			task->before[egress][task->before_count[egress]++] = ids[i];
	}
	return 0;
}

static int perform(struct tasks *tasks, struct merminbpf_task *task)
{
	int error;

	switch (task->kind) {
	case MERMINBPF_TASK_LIST: return links_read(&tasks->failure, &tasks->links);
	case MERMINBPF_TASK_ATTACH: return attach_both(tasks, task);
	case MERMINBPF_TASK_DETACH: return detach_both(tasks, task);
	default: error = look_at(tasks, task, 0); return error ? error : look_at(tasks, task, 1);
	}
}

static void *work(void *context)
{
	struct tasks *tasks = context;

	pthread_mutex_lock(&tasks->lock);
	for (;;) {
		struct merminbpf_task *task = place_of(tasks, tasks->done);

		if (tasks->done == tasks->asked) {
			if (tasks->is_ending)
				break;
			pthread_cond_wait(&tasks->changed, &tasks->lock);
			continue;
		}
		pthread_mutex_unlock(&tasks->lock);
		task->result = perform(tasks, task);
		if (task->result < 0)
			snprintf(task->text, sizeof(task->text), "%.*s", (int)sizeof(task->text) - 1,
			         tasks->failure.text);
		pthread_mutex_lock(&tasks->lock);
		tasks->done++;
		pthread_cond_broadcast(&tasks->changed);
	}
	pthread_mutex_unlock(&tasks->lock);
	return NULL;
}

/* Signals are for the threads that know of them. */
static int start(struct tasks *tasks)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&tasks->thread, NULL, work, tasks);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -error;
}

static int tasks_open(struct merminbpf *handle)
{
	struct tasks *tasks = calloc(1, sizeof(*tasks));
	int error = tasks ? 0 : -ENOMEM;

	if (tasks) {
		tasks->handle = handle;
		pthread_mutex_init(&tasks->lock, NULL);
		pthread_cond_init(&tasks->changed, NULL);
		error = start(tasks);
	}
	if (error) {
		free(tasks);
		return failure_set(&handle->failure, error, "Cannot start the thread that attaches");
	}
	handle->tasks = tasks;
	return 0;
}

MERMINBPF_API int merminbpf_task_add(struct merminbpf *handle, const struct merminbpf_task *task)
{
	int error = handle->tasks ? 0 : tasks_open(handle);
	struct tasks *tasks = handle->tasks;

	if (error)
		return error;
	if (task->kind < MERMINBPF_TASK_LIST || task->kind > MERMINBPF_TASK_LOOK)
		return failure_set(&handle->failure, -EINVAL, "There is no task %u", task->kind);
	pthread_mutex_lock(&tasks->lock);
	if (tasks->asked - tasks->told == MERMINBPF_TASKS_MAX) {
		error = -EAGAIN;
	} else {
		struct merminbpf_task *place = place_of(tasks, tasks->asked);

		*place = (struct merminbpf_task){
			.kind = task->kind,
			.ifindex = task->ifindex,
			.mode = task->mode,
			.order = task->order,
			.tc_priority = task->tc_priority,
		};
		tasks->asked++;
		pthread_cond_broadcast(&tasks->changed);
	}
	pthread_mutex_unlock(&tasks->lock);
	return error ? failure_set(&handle->failure, error, "%d tasks are under way", MERMINBPF_TASKS_MAX)
	             : 0;
}

MERMINBPF_API int merminbpf_task_next(struct merminbpf *handle, struct merminbpf_task *task)
{
	struct tasks *tasks = handle->tasks;
	int found;

	if (!tasks)
		return 0;
	pthread_mutex_lock(&tasks->lock);
	found = tasks->told != tasks->done;
	if (found)
		*task = *place_of(tasks, tasks->told++);
	pthread_mutex_unlock(&tasks->lock);
	return found;
}

MERMINBPF_API int merminbpf_links_listed(struct merminbpf *handle, struct merminbpf_link *links, uint32_t max)
{
	const struct tasks *tasks = handle->tasks;
	uint32_t count = tasks ? tasks->links.count : 0;

	if (count > max)
		return failure_set(&handle->failure, -ENOSPC, "There are %u interfaces", count);
	if (count)
		memcpy(links, tasks->links.links, count * sizeof(*links));
	return (int)count;
}

void tasks_wait(struct merminbpf *handle)
{
	struct tasks *tasks = handle->tasks;

	if (!tasks)
		return;
	pthread_mutex_lock(&tasks->lock);
	while (tasks->done != tasks->asked)
		pthread_cond_wait(&tasks->changed, &tasks->lock);
	pthread_mutex_unlock(&tasks->lock);
}

void tasks_close(struct merminbpf *handle)
{
	struct tasks *tasks = handle->tasks;

	if (!tasks)
		return;
	pthread_mutex_lock(&tasks->lock);
	tasks->is_ending = true;
	pthread_cond_broadcast(&tasks->changed);
	pthread_mutex_unlock(&tasks->lock);
	pthread_join(tasks->thread, NULL);
	free(tasks->links.links);
	free(tasks);
	handle->tasks = NULL;
}
