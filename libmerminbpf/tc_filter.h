/* SPDX-License-Identifier: Apache-2.0 */
/* Filters of an interface's clsact qdisc. Shared by clsact.c and registry.c. */
#ifndef MERMINBPF_TC_FILTER_H
#define MERMINBPF_TC_FILTER_H

#include "internal.h"

/*
 * Handles of our filters inside their priority: "mrmn" on a qdisc that was there, "mrmq" on one that an
 * agent made. A qdisc cannot be marked, but a filter goes with its qdisc: one of ours with the second handle
 * proves whose the qdisc is, also after its agent was killed.
 */
#define FILTER_HANDLE 0x6d726d6eU
#define FILTER_HANDLE_QDISC 0x6d726d71U

/* Of one side of an interface: one agent has one; more were left by killed ones of other priorities. */
#define OWN_FILTERS_MAX 16

struct own_filter {
	uint32_t priority;
	uint32_t handle;
	uint32_t program_id;
};

struct filter_search {
	uint32_t egress; /* in: the side */
	uint32_t *ids;   /* of programs of bpf filters, in the order they run; `max` places */
	uint32_t max;    /* in */
	uint32_t id_count;
	uint32_t filters; /* of every kind */
	struct own_filter own[OWN_FILTERS_MAX];
	uint32_t own_count;
};

/* Lists the filters of a side. Without qdisc or interface there is none. */
int filters_list(uint32_t ifindex, struct filter_search *list);

#endif
