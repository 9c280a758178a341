/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters on the clsact qdisc, for kernels without TCX. Ours are told from others' by their handle
 * and by their program; nothing else is ever changed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "internal.h"

/* Handle of our filters inside their priority: "mrmn". */
#define FILTER_HANDLE 0x6d726d6eU

/* libbpf names a filter after its program: the name in the object cut to 15 bytes, ":[", id, "]". */
static const char *const filter_prefixes[2] = { "mermin_ingress:[", "mermin_egress:[" };

struct filter_search {
	uint32_t egress;  /* the side */
	uint32_t filters; /* of every kind */
	uint32_t *ids;    /* of programs of bpf filters */
	uint32_t id_count;
	uint32_t max;
	/* the filter at our handle and this priority */
	uint32_t priority;
	const char *prefix;
	bool at_our_place;
	bool ours; /* by its name */
	uint32_t program_id;
};

static uint32_t parent_of(uint32_t egress)
{
	return TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
}

static void read_bpf_filter(struct filter_search *list, const struct tcmsg *tc, const struct nlattr *options)
{
	const void *nested = netlink_payload(options);
	size_t size = netlink_payload_size(options);
	uint32_t id = netlink_u32(nested, size, TCA_BPF_ID, 0);
	char name[64];

	if (id && list->id_count < list->max)
		list->ids[list->id_count++] = id;
	if (tc->tcm_handle != FILTER_HANDLE || TC_H_MAJ(tc->tcm_info) >> 16 != list->priority)
		return;
	netlink_text(nested, size, TCA_BPF_NAME, name, sizeof(name));
	list->at_our_place = true;
	list->ours = list->prefix && strncmp(name, list->prefix, strlen(list->prefix)) == 0;
	list->program_id = id;
}

static int visit_filter(const struct nlmsghdr *message, void *context)
{
	struct filter_search *list = context;
	const struct tcmsg *tc = NLMSG_DATA(message);
	const struct nlattr *options;
	const char *attributes;
	size_t size;
	char kind[8];

	if (message->nlmsg_type != RTM_NEWTFILTER || message->nlmsg_len < NLMSG_LENGTH(sizeof(*tc)))
		return 0;
	/* A message without handle announces a chain or priority, not a filter. */
	if (tc->tcm_handle == 0)
		return 0;
	/* The older ingress qdisc has one side, and answers with its filters for both. */
	if (list->egress && tc->tcm_parent != parent_of(list->egress))
		return 0;
	list->filters++;
	attributes = (const char *)tc + NLMSG_ALIGN(sizeof(*tc));
	size = message->nlmsg_len - NLMSG_LENGTH(sizeof(*tc));
	netlink_text(attributes, size, TCA_KIND, kind, sizeof(kind));
	options = netlink_attribute(attributes, size, TCA_OPTIONS, 0);
	if (strcmp(kind, "bpf") == 0 && options)
		read_bpf_filter(list, tc, options);
	return 0;
}

static void restart_filters(void *context)
{
	struct filter_search *list = context;

	list->filters = 0;
	list->id_count = 0;
	list->at_our_place = false;
	list->ours = false;
}

/* Lists the filters of a side. Without qdisc or interface there is none. */
static int list_filters(uint32_t ifindex, struct filter_search *list)
{
	struct {
		struct nlmsghdr header;
		struct tcmsg tc;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_GETTFILTER,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.tc = { .tcm_family = AF_UNSPEC, .tcm_ifindex = (int)ifindex, .tcm_parent = parent_of(list->egress) },
	};

	return netlink_dump_consistent(NETLINK_ROUTE, &request.header, visit_filter, restart_filters, list);
}

int clsact_programs(uint32_t ifindex, uint32_t egress, uint32_t *ids, uint32_t max)
{
	struct filter_search list = { .egress = egress, .ids = ids, .max = max };
	int error = list_filters(ifindex, &list);

	return error ? error : (int)list.id_count;
}

static struct bpf_tc_hook tc_hook(const struct hook *hook)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook),
		.ifindex = (int)hook->ifindex,
		.attach_point = hook->egress ? BPF_TC_EGRESS : BPF_TC_INGRESS,
	};
}

struct qdisc_search {
	uint32_t ifindex;
	bool has_egress;
};

static int visit_qdisc(const struct nlmsghdr *message, void *context)
{
	struct qdisc_search *search = context;
	const struct tcmsg *tc = NLMSG_DATA(message);
	char kind[8];

	if (message->nlmsg_type != RTM_NEWQDISC || message->nlmsg_len < NLMSG_LENGTH(sizeof(*tc)))
		return 0;
	if ((uint32_t)tc->tcm_ifindex != search->ifindex || tc->tcm_parent != TC_H_CLSACT)
		return 0;
	netlink_text((const char *)tc + NLMSG_ALIGN(sizeof(*tc)),
	             message->nlmsg_len - NLMSG_LENGTH(sizeof(*tc)), TCA_KIND, kind, sizeof(kind));
	search->has_egress = strcmp(kind, "clsact") == 0;
	return 0;
}

static void restart_qdiscs(void *context)
{
	((struct qdisc_search *)context)->has_egress = false;
}

/* 1 where the interface's qdisc is clsact, 0 where it is ingress: there a filter for egress would be run
 * on ingress. */
static int has_egress_side(uint32_t ifindex)
{
	struct qdisc_search search = { .ifindex = ifindex };
	struct {
		struct nlmsghdr header;
		struct tcmsg tc;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_GETQDISC,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.tc = { .tcm_family = AF_UNSPEC, .tcm_ifindex = (int)ifindex },
	};
	int error =
		netlink_dump_consistent(NETLINK_ROUTE, &request.header, visit_qdisc, restart_qdiscs, &search);

	return error ? error : search.has_egress;
}

static void remove_empty_qdisc(const struct hook *hook)
{
	struct bpf_tc_hook both = tc_hook(hook);

	for (uint32_t egress = 0; egress < 2; egress++) {
		struct filter_search list = { .egress = egress };

		if (list_filters(hook->ifindex, &list) || list.filters > 0)
			return;
	}
	both.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	/* A qdisc that stays is harmless, and there is nothing to do about it. */
	bpf_tc_hook_destroy(&both);
}

static int attach_filter(struct merminbpf *handle, struct hook *hook, int program_fd)
{
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program_fd, .handle = FILTER_HANDLE,
	            .priority = hook->priority);
	struct filter_search list = {
		.egress = hook->egress,
		.priority = hook->priority,
		.prefix = filter_prefixes[hook->egress],
	};
	struct bpf_tc_hook tc = tc_hook(hook);
	int error = list_filters(hook->ifindex, &list);

	if (error)
		return failure_set(&handle->failure, error, "Cannot list the filters of interface %u",
		                   hook->ifindex);
	if (list.at_our_place && !list.ours)
		return failure_set(&handle->failure, -EBUSY,
		                   "Priority %u of interface %u holds another's filter with our handle",
		                   hook->priority, hook->ifindex);
	if (list.ours)
		options.flags = BPF_TC_F_REPLACE;
	error = bpf_tc_attach(&tc, &options);
	if (error)
		return failure_set(&handle->failure, error,
		                   "Cannot attach to interface %u by clsact at priority %u", hook->ifindex,
		                   hook->priority);
	return 0;
}

int clsact_attach(struct merminbpf *handle, struct hook *hook, int program_fd)
{
	struct bpf_tc_hook tc = tc_hook(hook);
	int error;
	int side;

	if (hook->priority == 0 || hook->priority > UINT16_MAX)
		return failure_set(&handle->failure, -EINVAL, "A tc priority is 1 to 65535, not %u",
		                   hook->priority);
	failure_begin(&handle->failure);
	error = bpf_tc_hook_create(&tc);
	if (error && error != -EEXIST)
		return failure_set(&handle->failure, error, "Cannot make the clsact qdisc of interface %u",
		                   hook->ifindex);
	hook->made_qdisc = error == 0;
	side = hook->egress && !hook->made_qdisc ? has_egress_side(hook->ifindex) : 1;
	if (side <= 0)
		return failure_set(&handle->failure, side ? side : -EOPNOTSUPP,
		                   "The qdisc of interface %u has no egress side", hook->ifindex);
	/* Where the qdisc existed libbpf has complained. */
	failure_begin(&handle->failure);
	error = attach_filter(handle, hook, program_fd);
	if (error && hook->made_qdisc)
		remove_empty_qdisc(hook);
	failure_end();
	return error;
}

/* 1 where our own filter is still there, 0 where the interface is gone or another agent replaced it. */
static int is_attached(struct merminbpf *handle, const struct hook *hook)
{
	struct filter_search list = { .egress = hook->egress, .priority = hook->priority };
	int error = list_filters(hook->ifindex, &list);
	int id = error ? error : merminbpf_program_id(handle, hook->egress);

	if (id < 0)
		return id;
	return list.at_our_place && list.program_id == (uint32_t)id;
}

int clsact_detach(struct merminbpf *handle, const struct hook *hook)
{
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = FILTER_HANDLE, .priority = hook->priority);
	struct bpf_tc_hook tc = tc_hook(hook);
	int attached = is_attached(handle, hook);
	int error = attached < 0 ? attached : 0;

	failure_begin(&handle->failure);
	if (attached > 0)
		error = bpf_tc_detach(&tc, &options);
	if (error && error != -ENOENT && error != -ENODEV)
		return failure_set(&handle->failure, error, "Cannot detach from interface %u", hook->ifindex);
	if (hook->made_qdisc)
		remove_empty_qdisc(hook);
	failure_end();
	return 0;
}
