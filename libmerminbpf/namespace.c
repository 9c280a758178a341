/* SPDX-License-Identifier: Apache-2.0 */
/* Network namespaces: being in another one for the length of a call, and what the kernel calls it here. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>

#include "internal.h"

#define PORT_RANGE_FILE "/proc/sys/net/ipv4/ip_local_port_range"

int namespace_enter(int fd, int *home)
{
	int error;

	*home = -1;
	if (fd < 0)
		return 0;
	*home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (*home < 0)
		return -errno;
	if (setns(fd, CLONE_NEWNET) == 0)
		return 0;
	error = -errno;
	close(*home);
	return error;
}

void namespace_leave(int home)
{
	if (home < 0)
		return;
	/* An agent that goes on in another namespace would watch it for its own. */
	if (setns(home, CLONE_NEWNET))
		abort();
	close(home);
}

void namespace_port_range(uint16_t *range)
{
	char text[32] = { 0 };
	unsigned int first;
	unsigned int last;
	int fd = open(PORT_RANGE_FILE, O_RDONLY | O_CLOEXEC);

	memset(range, 0, 2 * sizeof(*range));
	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text) - 1) > 0 && sscanf(text, "%u %u", &first, &last) == 2 &&
	    first <= last && last <= UINT16_MAX) {
		range[0] = (uint16_t)first;
		range[1] = (uint16_t)last;
	}
	close(fd);
}

/* Attributes begin behind the one byte of struct rtgenmsg, aligned. */
static int visit_id(const struct nlmsghdr *message, void *context)
{
	const size_t start = NLMSG_SPACE(sizeof(struct rtgenmsg));

	if (message->nlmsg_type == RTM_NEWNSID && message->nlmsg_len >= start)
		*(uint32_t *)context = netlink_u32((const char *)message + start, message->nlmsg_len - start,
		                                   NETNSA_NSID, (uint32_t)NETNSA_NSID_NOT_ASSIGNED);
	return 0;
}

MERMINBPF_API int merminbpf_namespace_id(int32_t namespace_fd)
{
	struct {
		struct nlmsghdr header;
		struct rtgenmsg general;
		uint8_t padding[NLMSG_ALIGN(sizeof(struct rtgenmsg)) - sizeof(struct rtgenmsg)];
		struct nlattr attribute;
		int32_t fd;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_GETNSID,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK, /* its end is the acknowledgement */
		},
		.attribute = { .nla_len = NLA_HDRLEN + sizeof(int32_t), .nla_type = NETNSA_FD },
		.fd = namespace_fd,
	};
	uint32_t id = (uint32_t)NETNSA_NSID_NOT_ASSIGNED;
	int error = netlink_dump(NETLINK_ROUTE, &request.header, visit_id, &id);

	if (!error && id == (uint32_t)NETNSA_NSID_NOT_ASSIGNED)
		error = -ENOENT;
	if (error)
		return failure_set(failure_of_thread(), error, "Cannot identify the network namespace");
	return (int)id;
}

MERMINBPF_API int merminbpf_addresses_changed(struct merminbpf *handle)
{
	int changed = netlink_changed(&handle->addresses_fd, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);

	return changed < 0 ? failure_set(&handle->failure, changed, "Cannot follow address changes")
	                   : changed;
}
