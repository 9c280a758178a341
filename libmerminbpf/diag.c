/* SPDX-License-Identifier: Apache-2.0 */
/* Who answers: listening sockets by inet_diag and addresses by rtnetlink, of any network namespace. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>

#include "internal.h"

/* Ends a dump for which there is no more room. */
#define LIST_FULL 1

struct listener_list {
	struct merminbpf_listener *listeners;
	uint32_t before; /* count at the start of the present dump */
	uint32_t count;
	uint32_t max;
	uint8_t protocol;
};

struct socket_kind {
	uint8_t family;
	uint8_t protocol;
	uint8_t state; /* an unconnected UDP socket is in TCP's closed state */
};

static const struct socket_kind kinds[] = {
	{ AF_INET, IPPROTO_TCP, TCP_LISTEN },
	{ AF_INET6, IPPROTO_TCP, TCP_LISTEN },
	{ AF_INET, IPPROTO_UDP, TCP_CLOSE },
	{ AF_INET6, IPPROTO_UDP, TCP_CLOSE },
};

/* A request for sockets whose port is not in a range, which the kernel looks at before it answers. */
struct socket_request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 sockets;
	struct nlattr filter;
	struct inet_diag_bc_op steps[4];
};

static bool is_unspecified(const uint32_t *address)
{
	return !(address[0] | address[1] | address[2] | address[3]);
}

/* A socket on :: takes IPv4 too, unless it is told not to. */
static uint8_t ip_version(const struct inet_diag_msg *socket, size_t attributes_size)
{
	const struct nlattr *only;

	if (socket->idiag_family == AF_INET)
		return 4;
	if (!is_unspecified(socket->id.idiag_src))
		return 6;
	only = netlink_attribute(socket + 1, attributes_size, INET_DIAG_SKV6ONLY, 1);
	return only && *(const uint8_t *)netlink_payload(only) ? 6 : 0;
}

static uint64_t cgroup_id(const struct inet_diag_msg *socket, size_t attributes_size)
{
	uint64_t id = 0;
	const struct nlattr *attribute =
		netlink_attribute(socket + 1, attributes_size, INET_DIAG_CGROUP_ID, sizeof(id));

	if (attribute)
		memcpy(&id, netlink_payload(attribute), sizeof(id));
	return id;
}

static int visit_socket(const struct nlmsghdr *message, void *context)
{
	struct listener_list *list = context;
	const struct inet_diag_msg *socket = NLMSG_DATA(message);
	struct merminbpf_listener *listener;
	size_t attributes_size;
	uint16_t port;

	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY || message->nlmsg_len < NLMSG_LENGTH(sizeof(*socket)))
		return 0;
	port = ntohs(socket->id.idiag_sport);
	if (port == 0)
		return 0;
	if (list->count == list->max)
		return LIST_FULL;
	attributes_size = message->nlmsg_len - NLMSG_LENGTH(sizeof(*socket));
	listener = &list->listeners[list->count++];
	memset(listener, 0, sizeof(*listener));
	listener->protocol = list->protocol;
	listener->ip_version = ip_version(socket, attributes_size);
	listener->port = port;
	listener->ifindex = socket->id.idiag_if;
	listener->cgroup_id = cgroup_id(socket, attributes_size);
	if (socket->idiag_family == AF_INET6) {
		memcpy(listener->address, socket->id.idiag_src, sizeof(listener->address));
	} else if (socket->id.idiag_src[0] != 0) {
		memset(listener->address + 10, 0xff, 2);
		memcpy(listener->address + 12, socket->id.idiag_src, 4);
	}
	return 0;
}

static void restart_listeners(void *context)
{
	struct listener_list *list = context;

	list->count = list->before;
}

/*
 * Ports below the range and above it are wanted. A jump to the end takes the socket, one beyond it does not;
 * the kernel demands that following `yes` alone leads to the end.
 */
static void leave_out_ports(struct socket_request *request, const uint16_t *range)
{
	const uint16_t size = sizeof(request->steps);
	const uint16_t step = size / 2;
	/* Above 65,535 there is no port, and none is 0 or less. */
	const uint8_t is_above = range[1] == UINT16_MAX ? INET_DIAG_BC_S_LE : INET_DIAG_BC_S_GE;

	request->steps[0] = (struct inet_diag_bc_op){ INET_DIAG_BC_S_GE, (uint8_t)step, size };
	request->steps[1] = (struct inet_diag_bc_op){ .no = range[0] };
	request->steps[2] = (struct inet_diag_bc_op){ is_above, (uint8_t)step, step + 4 };
	request->steps[3] = (struct inet_diag_bc_op){ .no = (uint16_t)(range[1] + 1) };
	request->filter.nla_type = INET_DIAG_REQ_BYTECODE;
	request->filter.nla_len = NLA_HDRLEN + size;
	request->header.nlmsg_len = sizeof(*request);
}

static int list_sockets(struct listener_list *list, const struct socket_kind *kind, const uint16_t *range)
{
	struct socket_request request = {
		.header = {
			.nlmsg_len = NLMSG_LENGTH(sizeof(request.sockets)),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.sockets = {
			.sdiag_family = kind->family,
			.sdiag_protocol = kind->protocol,
			.idiag_states = 1U << kind->state,
		},
	};

	if (kind->protocol == IPPROTO_UDP && range[1])
		leave_out_ports(&request, range);
	list->before = list->count;
	list->protocol = kind->protocol;
	return netlink_dump_consistent(NETLINK_SOCK_DIAG, &request.header, visit_socket, restart_listeners,
	                               list);
}

MERMINBPF_API int merminbpf_listeners_list(int32_t namespace_fd, struct merminbpf_listener *listeners,
                                           uint32_t max, uint16_t *port_range)
{
	struct listener_list list = { .listeners = listeners, .max = max };
	struct failure *failure = failure_of_thread();
	int home;
	int error = namespace_enter(namespace_fd, &home);

	if (error)
		return failure_set(failure, error, "Cannot enter the network namespace");
	namespace_port_range(port_range);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) && !error; i++) {
		error = list_sockets(&list, &kinds[i], port_range);
		if (error < 0)
			failure_set(failure, error, "Cannot list the %s sockets",
			            kinds[i].protocol == IPPROTO_TCP ? "TCP" : "UDP");
	}
	namespace_leave(home);
	return error < 0 ? error : (int)list.count;
}

struct address_list {
	uint8_t *addresses; /* 16 bytes each */
	uint32_t count;
	uint32_t max;
};

static int visit_address(const struct nlmsghdr *message, void *context)
{
	struct address_list *list = context;
	const struct ifaddrmsg *header = NLMSG_DATA(message);
	const void *attributes = (const char *)header + NLMSG_ALIGN(sizeof(*header));
	size_t length = header->ifa_family == AF_INET ? 4 : 16;
	const struct nlattr *address;
	uint8_t *to;
	size_t size;

	if (message->nlmsg_type != RTM_NEWADDR || message->nlmsg_len < NLMSG_LENGTH(sizeof(*header)))
		return 0;
	size = message->nlmsg_len - NLMSG_LENGTH(sizeof(*header));
	/* Between two peers IFA_ADDRESS is the other's. */
	address = netlink_attribute(attributes, size, IFA_LOCAL, length);
	if (!address)
		address = netlink_attribute(attributes, size, IFA_ADDRESS, length);
	if (!address)
		return 0;
	if (list->count == list->max)
		return LIST_FULL;
	to = list->addresses + 16 * (size_t)list->count++;
	memset(to, 0, 10);
	memset(to + 10, 0xff, 2);
	memcpy(to + 16 - length, netlink_payload(address), length);
	return 0;
}

static void restart_addresses(void *context)
{
	((struct address_list *)context)->count = 0;
}

MERMINBPF_API int merminbpf_addresses_list(int32_t namespace_fd, uint8_t *addresses, uint32_t max)
{
	struct address_list list = { .addresses = addresses, .max = max };
	struct {
		struct nlmsghdr header;
		struct ifaddrmsg address;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_GETADDR,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.address = { .ifa_family = AF_UNSPEC },
	};
	struct failure *failure = failure_of_thread();
	int home;
	int error = namespace_enter(namespace_fd, &home);

	if (error)
		return failure_set(failure, error, "Cannot enter the network namespace");
	error = netlink_dump_consistent(NETLINK_ROUTE, &request.header, visit_address, restart_addresses,
	                                &list);
	namespace_leave(home);
	if (error < 0)
		return failure_set(failure, error, "Cannot list the addresses");
	return (int)list.count;
}
