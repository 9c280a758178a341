/* SPDX-License-Identifier: Apache-2.0 */
/* Filters on the clsact qdisc, for kernels without TCX. Nothing but our own filters is ever changed. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "tc_filter.h"

int clsact_programs(uint32_t ifindex, uint32_t egress, uint32_t *ids, uint32_t max)
{
	struct filter_search list = { .egress = egress, .ids = ids, .max = max };
	int error = filters_list(ifindex, &list);

	return error ? error : (int)list.id_count;
}

static struct bpf_tc_hook tc_hook(uint32_t ifindex, uint32_t egress)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook),
		.ifindex = (int)ifindex,
		.attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS,
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

static void remove_empty_qdisc(uint32_t ifindex)
{
	struct bpf_tc_hook both = tc_hook(ifindex, 0);

	for (uint32_t egress = 0; egress < 2; egress++) {
		struct filter_search list = { .egress = egress };

		if (filters_list(ifindex, &list) || list.filters > 0)
			return;
	}
	both.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	/* A qdisc that stays is harmless, and there is nothing to do about it. */
	bpf_tc_hook_destroy(&both);
}

static int remove_filter(uint32_t ifindex, uint32_t egress, const struct own_filter *filter)
{
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = filter->handle, .priority = filter->priority);
	struct bpf_tc_hook tc = tc_hook(ifindex, egress);

	return bpf_tc_detach(&tc, &options);
}

/* Removes our filters of a side but those of a program. Returns how many, or -errno; notes a made qdisc. */
static int remove_leftovers(uint32_t ifindex, uint32_t egress, uint32_t kept_program, bool *made_qdisc)
{
	struct filter_search list = { .egress = egress };
	int removed = 0;
	int error = filters_list(ifindex, &list);

	for (uint32_t i = 0; !error && i < list.own_count; i++) {
		if (list.own[i].program_id == kept_program)
			continue;
		error = remove_filter(ifindex, egress, &list.own[i]);
		*made_qdisc |= list.own[i].handle == FILTER_HANDLE_QDISC;
		removed++;
	}
	return error ? error : removed;
}

int clsact_clean(uint32_t ifindex)
{
	bool made_qdisc = false;
	int ingress = remove_leftovers(ifindex, 0, 0, &made_qdisc);
	int egress = remove_leftovers(ifindex, 1, 0, &made_qdisc);

	if (made_qdisc)
		remove_empty_qdisc(ifindex);
	if (ingress < 0 || egress < 0)
		return ingress < 0 ? ingress : egress;
	return ingress + egress;
}

/* Whether a filter of ours on either side says that an agent made the qdisc. */
static bool is_marked(uint32_t ifindex)
{
	for (uint32_t egress = 0; egress < 2; egress++) {
		struct filter_search list = { .egress = egress };

		if (filters_list(ifindex, &list))
			continue;
		for (uint32_t i = 0; i < list.own_count; i++)
			if (list.own[i].handle == FILTER_HANDLE_QDISC)
				return true;
	}
	return false;
}

static const struct own_filter *find_at(const struct filter_search *list, uint32_t priority)
{
	for (uint32_t i = 0; i < list->own_count; i++)
		if (list->own[i].priority == priority)
			return &list->own[i];
	return NULL;
}

static int attach_filter(struct failure *failure, struct hook *hook)
{
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = hook->program_fd, .priority = hook->priority);
	struct bpf_tc_hook tc = tc_hook(hook->ifindex, hook->egress);
	struct filter_search list = { .egress = hook->egress };
	const struct own_filter *old;
	int error = filters_list(hook->ifindex, &list);

	if (error)
		return failure_set(failure, error, "Cannot list the filters of interface %u", hook->ifindex);
	old = find_at(&list, hook->priority);
	hook->filter_handle = old ? old->handle : hook->made_qdisc ? FILTER_HANDLE_QDISC : FILTER_HANDLE;
	options.handle = hook->filter_handle;
	options.flags = old ? BPF_TC_F_REPLACE : 0;
	error = bpf_tc_attach(&tc, &options);
	if (error == -EEXIST)
		return failure_set(failure, -EBUSY,
		                   "Priority %u of interface %u holds another's filter with our handle",
		                   hook->priority, hook->ifindex);
	if (error)
		return failure_set(failure, error, "Cannot attach to interface %u by clsact at priority %u",
		                   hook->ifindex, hook->priority);
	remove_leftovers(hook->ifindex, hook->egress, (uint32_t)program_id_of(hook->program_fd),
	                 &hook->made_qdisc);
	return 0;
}

int clsact_attach(struct failure *failure, struct hook *hook)
{
	struct bpf_tc_hook tc = tc_hook(hook->ifindex, hook->egress);
	int error;
	int side;

	if (hook->priority == 0 || hook->priority > UINT16_MAX)
		return failure_set(failure, -EINVAL, "A tc priority is 1 to 65535, not %u", hook->priority);
	failure_begin(failure);
	error = bpf_tc_hook_create(&tc);
	if (error && error != -EEXIST)
		return failure_set(failure, error, "Cannot make the clsact qdisc of interface %u",
		                   hook->ifindex);
	side = hook->egress && error ? has_egress_side(hook->ifindex) : 1;
	if (side <= 0)
		return failure_set(failure, side ? side : -EOPNOTSUPP,
		                   "The qdisc of interface %u has no egress side", hook->ifindex);
	hook->made_qdisc = error == 0 || is_marked(hook->ifindex);
	/* Where the qdisc existed libbpf has complained. */
	failure_begin(failure);
	error = attach_filter(failure, hook);
	if (error && hook->made_qdisc)
		remove_empty_qdisc(hook->ifindex);
	failure_end();
	return error;
}

/* 1 where our own filter is still there, 0 where the interface is gone or another agent replaced it. */
static int is_attached(const struct hook *hook)
{
	struct filter_search list = { .egress = hook->egress };
	int error = filters_list(hook->ifindex, &list);
	int id = error ? error : program_id_of(hook->program_fd);
	const struct own_filter *filter;

	if (id < 0)
		return id;
	filter = find_at(&list, hook->priority);
	return filter && filter->program_id == (uint32_t)id;
}

int clsact_detach(struct failure *failure, const struct hook *hook)
{
	struct own_filter filter = { .priority = hook->priority, .handle = hook->filter_handle };
	int attached = is_attached(hook);
	int error = attached < 0 ? attached : 0;

	failure_begin(failure);
	if (attached > 0)
		error = remove_filter(hook->ifindex, hook->egress, &filter);
	if (error && error != -ENOENT && error != -ENODEV)
		return failure_set(failure, error, "Cannot detach from interface %u", hook->ifindex);
	if (hook->made_qdisc)
		remove_empty_qdisc(hook->ifindex);
	failure_end();
	return 0;
}
