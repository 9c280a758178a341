/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's own clock. In a time namespace CLOCK_MONOTONIC is shifted for processes, but not for BPF
 * programs. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "internal.h"

#define NS_PER_SECOND 1000000000

static pthread_once_t offset_once = PTHREAD_ONCE_INIT;
static int64_t offset_ns;

/* A process never changes its time namespace without beginning anew, and the offset of one never changes. */
static void read_offset(void)
{
	long long seconds;
	long long nanoseconds;
	FILE *file = fopen("/proc/self/timens_offsets", "re");

	/* No such file: a kernel without time namespaces. */
	if (!file)
		return;
	if (fscanf(file, "monotonic %lld %lld", &seconds, &nanoseconds) == 2)
		offset_ns = seconds * NS_PER_SECOND + nanoseconds;
	fclose(file);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * NS_PER_SECOND + (uint64_t)time.tv_nsec;
}

uint64_t clock_kernel_ns(void)
{
	pthread_once(&offset_once, read_offset);
	return clock_ns(CLOCK_MONOTONIC) - (uint64_t)offset_ns;
}

MERMINBPF_API int merminbpf_clock_read(uint32_t *words)
{
	uint64_t before = clock_kernel_ns();
	uint64_t real = clock_ns(CLOCK_REALTIME);
	uint64_t monotonic = before + (clock_kernel_ns() - before) / 2;

	words[0] = (uint32_t)monotonic;
	words[1] = (uint32_t)(monotonic >> 32);
	words[2] = (uint32_t)real;
	words[3] = (uint32_t)(real >> 32);
	return 0;
}
