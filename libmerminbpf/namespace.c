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

/* Of the process: what is watched does not differ by handle. Negative: its own namespace. */
static int watched_fd = WATCHED_NAMESPACE;

int namespace_enter(int fd, int *home)
{
	int error;

	*home = -1;
	if (fd < 0)
		fd = watched_fd;
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

int namespace_enter_watched(struct failure *failure, int *home)
{
	int error = namespace_enter(WATCHED_NAMESPACE, home);

	return error ? failure_set(failure, error, "Cannot enter the watched network namespace") : 0;
}

MERMINBPF_API int merminbpf_namespace_watch(const char *path)
{
	struct failure *failure = failure_of_thread();
	int fd = WATCHED_NAMESPACE;
	int error;
	int home;

	if (*path) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return failure_set(failure, -errno, "Cannot open the network namespace %s", path);
	}
	/* Tried at once, so that a missing privilege is told before anything is attached. */
	error = namespace_enter(fd, &home);
	if (error) {
		close(fd);
		return failure_set(failure, error, "Cannot enter the network namespace %s", path);
	}
	namespace_leave(home);
	if (watched_fd >= 0)
		close(watched_fd);
	watched_fd = fd;
	return 0;
}

MERMINBPF_API int merminbpf_namespace_read(const char *path, void *buffer, uint32_t size)
{
	struct failure *failure = failure_of_thread();
	uint32_t used = 0;
	ssize_t got = 1;
	int home;
	int error = namespace_enter_watched(failure, &home);
	int fd;

	if (error)
		return error;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	error = fd < 0 ? -errno : 0;
	while (!error && got != 0 && used < size) {
		got = read(fd, (char *)buffer + used, size - used);
		if (got < 0)
			error = -errno;
		else
			used += (uint32_t)got;
	}
	if (fd >= 0)
		close(fd);
	namespace_leave(home);
	return error ? failure_set(failure, error, "Cannot read %s", path) : (int)used;
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
	struct failure *failure = failure_of_thread();
	int home;
	int error = namespace_enter_watched(failure, &home);

	if (error)
		return error;
	error = netlink_dump(NETLINK_ROUTE, &request.header, visit_id, &id);
	namespace_leave(home);
	if (!error && id == (uint32_t)NETNSA_NSID_NOT_ASSIGNED)
		error = -ENOENT;
	if (error)
		return failure_set(failure, error, "Cannot identify the network namespace");
	return (int)id;
}

MERMINBPF_API int merminbpf_addresses_changed(struct merminbpf *handle)
{
	int home;
	/* Only the first call opens a socket, which stays in the namespace that it was opened in. */
	int changed = handle->addresses_fd < 0 ? namespace_enter_watched(&handle->failure, &home) : 0;

	if (changed)
		return changed;
	if (handle->addresses_fd >= 0)
		home = -1;
	changed = netlink_changed(&handle->addresses_fd, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
	namespace_leave(home);
	return changed < 0 ? failure_set(&handle->failure, changed, "Cannot follow address changes")
	                   : changed;
}
