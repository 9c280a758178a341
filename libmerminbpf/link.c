/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces of the watched network namespace by rtnetlink. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "internal.h"

#define FIRST_CAPACITY 256

/* Room for the notices of some thousand changes between two looks. */
#define NOTICES_BYTES (4 * 1024 * 1024)

static void read_link_kind(struct merminbpf_link *link, const void *attributes, size_t size)
{
	const struct nlattr *details = netlink_attribute(attributes, size, IFLA_LINKINFO, 0);
	const void *nested;
	size_t nested_size;

	if (!details)
		return;
	nested = netlink_payload(details);
	nested_size = netlink_payload_size(details);
	netlink_text(nested, nested_size, IFLA_INFO_KIND, link->kind, sizeof(link->kind));
	netlink_text(nested, nested_size, IFLA_INFO_SLAVE_KIND, link->master_kind, sizeof(link->master_kind));
}

static void read_counters(struct merminbpf_link *link, const void *attributes, size_t size)
{
	const struct nlattr *stats = netlink_attribute(attributes, size, IFLA_STATS64, 2 * sizeof(uint64_t));

	/* The first two fields of struct rtnl_link_stats64. */
	if (stats)
		memcpy(link->packets, netlink_payload(stats), sizeof(link->packets));
}

static void read_link(struct merminbpf_link *link, const struct ifinfomsg *interface, size_t size)
{
	const char *attributes = (const char *)interface + NLMSG_ALIGN(sizeof(*interface));
	const struct nlattr *address = netlink_attribute(attributes, size, IFLA_ADDRESS, 0);

	memset(link, 0, sizeof(*link));
	link->ifindex = (uint32_t)interface->ifi_index;
	link->flags = interface->ifi_flags;
	link->type = interface->ifi_type;
	link->parent_ifindex = netlink_u32(attributes, size, IFLA_LINK, 0);
	link->master_ifindex = netlink_u32(attributes, size, IFLA_MASTER, 0);
	link->parent_netns_id = (int32_t)netlink_u32(attributes, size, IFLA_LINK_NETNSID, UINT32_MAX);
	link->mtu = netlink_u32(attributes, size, IFLA_MTU, 0);
	if (address && netlink_payload_size(address) == sizeof(link->address))
		memcpy(link->address, netlink_payload(address), sizeof(link->address));
	read_counters(link, attributes, size);
	netlink_text(attributes, size, IFLA_IFNAME, link->name, sizeof(link->name));
	read_link_kind(link, attributes, size);
}

static int visit_link(const struct nlmsghdr *message, void *context)
{
	struct link_table *table = context;
	const struct ifinfomsg *interface = NLMSG_DATA(message);

	if (message->nlmsg_type != RTM_NEWLINK || message->nlmsg_len < NLMSG_LENGTH(sizeof(*interface)))
		return 0;
	if (table->count == table->capacity) {
		uint32_t capacity = table->capacity ? table->capacity * 2 : FIRST_CAPACITY;
		struct merminbpf_link *links = realloc(table->links, capacity * sizeof(*links));

		if (!links)
			return -ENOMEM;
		table->links = links;
		table->capacity = capacity;
	}
	read_link(&table->links[table->count++], interface,
	          message->nlmsg_len - NLMSG_LENGTH(sizeof(*interface)));
	return 0;
}

static void restart_links(void *context)
{
	((struct link_table *)context)->count = 0;
}

int links_read(struct failure *failure, struct link_table *table)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg interface;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_GETLINK,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.interface = { .ifi_family = AF_UNSPEC },
	};
	int home;
	int error = namespace_enter_watched(failure, &home);

	if (error)
		return error;
	error = netlink_dump_consistent(NETLINK_ROUTE, &request.header, visit_link, restart_links, table);
	namespace_leave(home);
	if (error == -EINTR)
		return failure_set(failure, error,
		                   "Cannot list the interfaces: they change meanwhile, again and again");
	return error ? failure_set(failure, error, "Cannot list the interfaces") : (int)table->count;
}

MERMINBPF_API int merminbpf_links_list(struct merminbpf_link *links, uint32_t max)
{
	struct failure *failure = failure_of_thread();
	struct link_table table = { 0 };
	int count = links_read(failure, &table);

	if (count >= 0 && table.count > max)
		count = failure_set(failure, -ENOSPC, "There are %u interfaces", table.count);
	if (count > 0 && table.links)
		memcpy(links, table.links, table.count * sizeof(*links));
	free(table.links);
	return count;
}

static int subscribe(struct failure *failure)
{
	int bytes = NOTICES_BYTES;
	int home;
	int error = namespace_enter_watched(failure, &home);
	int fd;

	if (error)
		return error;
	fd = netlink_subscribe(RTMGRP_LINK);
	namespace_leave(home);
	if (fd < 0)
		return failure_set(failure, fd, "Cannot subscribe to link changes");
	/* Without the privilege there is less room, and more that is listed anew. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	return fd;
}

/* Who an index belongs to can only change where its device goes. A bridge tells of ports that leave it alike.
 */
static void take_notice(struct merminbpf_link_notices *notices, const void *message, size_t size)
{
	const struct nlmsghdr *header = message;
	const struct ifinfomsg *interface = NLMSG_DATA(header);

	notices->changed = 1;
	if (size < NLMSG_LENGTH(sizeof(*interface)) || header->nlmsg_type != RTM_DELLINK ||
	    interface->ifi_family != AF_UNSPEC)
		return;
	if (notices->gone_count == MERMINBPF_GONE_MAX)
		notices->lost = 1;
	else
		notices->gone[notices->gone_count++] = (uint32_t)interface->ifi_index;
}

MERMINBPF_API int merminbpf_links_changed(struct merminbpf *handle, struct merminbpf_link_notices *notices)
{
	/* What changed is read by listing: of a notice, its beginning says enough. */
	char start[NLMSG_LENGTH(sizeof(struct ifinfomsg))] __attribute__((aligned(NLMSG_ALIGNTO)));

	notices->changed = 0;
	notices->lost = 0;
	notices->gone_count = 0;
	if (handle->links_fd < 0) {
		int fd = subscribe(&handle->failure);

		if (fd < 0)
			return fd;
		handle->links_fd = fd;
		return 0;
	}
	for (;;) {
		ssize_t size = recv(handle->links_fd, start, sizeof(start), 0);

		if (size >= 0) {
			take_notice(notices, start, (size_t)size);
		} else if (errno == ENOBUFS) {
			notices->changed = 1;
			notices->lost = 1;
		} else if (errno == EAGAIN) {
			return 0;
		} else if (errno != EINTR) {
			return failure_set(&handle->failure, -errno, "Cannot read link changes");
		}
	}
}
