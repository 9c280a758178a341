/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets of the current network namespace, by inet_diag. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include <linux/inet_diag.h>
#include <linux/sock_diag.h>

#include "internal.h"

struct listener_list {
	struct merminbpf_listener *listeners;
	uint32_t before; /* count at the start of the present dump */
	uint32_t count;
	uint32_t max;
	uint8_t protocol;
};

static int visit_socket(const struct nlmsghdr *message, void *context)
{
	struct listener_list *list = context;
	const struct inet_diag_msg *socket = NLMSG_DATA(message);
	struct merminbpf_listener *listener;
	uint16_t port;

	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY || message->nlmsg_len < NLMSG_LENGTH(sizeof(*socket)))
		return 0;
	port = ntohs(socket->id.idiag_sport);
	if (port == 0)
		return 0;
	if (list->count == list->max)
		return -ENOSPC;
	listener = &list->listeners[list->count++];
	memset(listener, 0, sizeof(*listener));
	listener->protocol = list->protocol;
	listener->ip_version = socket->idiag_family == AF_INET6 ? 6 : 4;
	listener->port = port;
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

static int list_sockets(struct listener_list *list, uint8_t family, uint8_t protocol, uint32_t state)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 sockets;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.sockets = {
			.sdiag_family = family,
			.sdiag_protocol = protocol,
			.idiag_states = 1U << state,
		},
	};

	list->before = list->count;
	list->protocol = protocol;
	return netlink_dump_consistent(NETLINK_SOCK_DIAG, &request.header, visit_socket, restart_listeners,
	                               list);
}

MERMINBPF_API int merminbpf_listeners_list(struct merminbpf_listener *listeners, uint32_t max)
{
	static const struct {
		uint8_t family;
		uint8_t protocol;
		uint32_t state; /* an unconnected UDP socket is in TCP's closed state */
	} kinds[] = {
		{ AF_INET, IPPROTO_TCP, TCP_LISTEN },
		{ AF_INET6, IPPROTO_TCP, TCP_LISTEN },
		{ AF_INET, IPPROTO_UDP, TCP_CLOSE },
		{ AF_INET6, IPPROTO_UDP, TCP_CLOSE },
	};
	struct listener_list list = { .listeners = listeners, .max = max };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		int error = list_sockets(&list, kinds[i].family, kinds[i].protocol, kinds[i].state);

		if (error)
			return failure_set(failure_of_thread(), error, "Cannot list the %s sockets",
			                   kinds[i].protocol == IPPROTO_TCP ? "TCP" : "UDP");
	}
	return (int)list.count;
}
