/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters of an interface's clsact qdisc, listed. Ours are told from others' by their handle and by their
 * program; whether an agent made the qdisc under them, by which of two handles they have.
 */
#include <string.h>
#include <sys/socket.h>

#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "tc_filter.h"

/* libbpf names a filter after its program: the name in the object cut to 15 bytes, ":[", id, "]". */
static const char *const filter_prefixes[2] = { "mermin_ingress:[", "mermin_egress:[" };

static uint32_t parent_of(uint32_t egress)
{
	return TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
}

static void read_bpf_filter(struct filter_search *list, const struct tcmsg *tc, const struct nlattr *options)
{
	const char *prefix = filter_prefixes[list->egress];
	const void *nested = netlink_payload(options);
	size_t size = netlink_payload_size(options);
	uint32_t id = netlink_u32(nested, size, TCA_BPF_ID, 0);
	char name[64];

	if (id && list->id_count < list->max)
		list->ids[list->id_count++] = id;
	if (tc->tcm_handle != FILTER_HANDLE && tc->tcm_handle != FILTER_HANDLE_QDISC)
		return;
	netlink_text(nested, size, TCA_BPF_NAME, name, sizeof(name));
	if (strncmp(name, prefix, strlen(prefix)) != 0 || list->own_count == OWN_FILTERS_MAX)
		return;
	list->own[list->own_count++] = (struct own_filter){
		.priority = TC_H_MAJ(tc->tcm_info) >> 16,
		.handle = tc->tcm_handle,
		.program_id = id,
	};
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
	list->own_count = 0;
}

int filters_list(uint32_t ifindex, struct filter_search *list)
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
