/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink dumps: request out, messages in, every length checked before it is believed. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"

/* Linux sends at most 32 KiB of a dump at once (af_netlink.c, netlink_dump). */
#define RECEIVE_SIZE 32768

/* A table that changes during every one of these is not read. */
#define DUMP_ATTEMPTS 8

static int open_socket(int protocol)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -errno;
	/* Connected to the kernel (port 0): no other process can send to it. */
	if (connect(fd, (struct sockaddr *)&kernel, sizeof(kernel)) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

static ssize_t receive(int fd, void *buffer, size_t size)
{
	ssize_t received;

	do {
		received = recv(fd, buffer, size, MSG_TRUNC);
	} while (received < 0 && errno == EINTR);
	if (received < 0)
		return -errno;
	return (size_t)received > size ? -EMSGSIZE : received;
}

const struct nlmsghdr *netlink_message(const void *datagram, size_t size, size_t *at)
{
	const struct nlmsghdr *message;

	if (*at > size || size - *at < sizeof(*message))
		return NULL;
	message = (const void *)((const char *)datagram + *at);
	if (message->nlmsg_len < sizeof(*message) || message->nlmsg_len > size - *at)
		return NULL;
	*at += NLMSG_ALIGN((size_t)message->nlmsg_len);
	return message;
}

int netlink_carried_error(const struct nlmsghdr *message)
{
	int error;

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(error)))
		return message->nlmsg_type == NLMSG_DONE ? 0 : -EBADMSG;
	memcpy(&error, NLMSG_DATA(message), sizeof(error));
	return error > 0 ? -EBADMSG : error;
}

/* Visits the messages of one datagram. Sets `done` after the last of the dump. */
static int visit_datagram(const void *datagram, size_t size, netlink_visit visit, void *context, bool *done,
                          bool *interrupted)
{
	const struct nlmsghdr *message;
	size_t at = 0;

	while ((message = netlink_message(datagram, size, &at))) {
		int result;

		if (message->nlmsg_flags & NLM_F_DUMP_INTR)
			*interrupted = true;
		if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
			*done = true;
			return netlink_carried_error(message);
		}
		result = visit(message, context);
		if (result)
			return result;
	}
	return 0;
}

int netlink_dump(int protocol, const struct nlmsghdr *request, netlink_visit visit, void *context)
{
	char buffer[RECEIVE_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	bool interrupted = false;
	bool done = false;
	int error = 0;
	int fd = open_socket(protocol);

	if (fd < 0)
		return fd;
	if (send(fd, request, request->nlmsg_len, 0) < 0)
		error = -errno;
	while (!error && !done) {
		ssize_t size = receive(fd, buffer, sizeof(buffer));

		error = size < 0 ? (int)size
		                 : visit_datagram(buffer, (size_t)size, visit, context, &done, &interrupted);
	}
	close(fd);
	return !error && interrupted ? -EINTR : error;
}

int netlink_dump_consistent(int protocol, const struct nlmsghdr *request, netlink_visit visit,
                            void (*restart)(void *context), void *context)
{
	int error = -EINTR;

	for (int attempt = 0; attempt < DUMP_ATTEMPTS && error == -EINTR; attempt++) {
		restart(context);
		error = netlink_dump(protocol, request, visit, context);
	}
	return error;
}

int netlink_subscribe(uint32_t groups)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

int netlink_changed(int *fd, uint32_t groups)
{
	char start[64]; /* What changed is read by listing; the message only says that something did. */
	int changed = 0;

	if (*fd < 0) {
		int opened = netlink_subscribe(groups);

		if (opened < 0)
			return opened;
		*fd = opened;
		return 0;
	}
	for (;;) {
		if (recv(*fd, start, sizeof(start), 0) >= 0 || errno == ENOBUFS)
			changed = 1;
		else if (errno == EAGAIN)
			return changed;
		else if (errno != EINTR)
			return -errno;
	}
}

const struct nlattr *netlink_attribute(const void *attributes, size_t size, uint16_t type, size_t least)
{
	const char *at = attributes;

	while (size >= NLA_HDRLEN) {
		const struct nlattr *attribute = (const void *)at;
		size_t length = attribute->nla_len;
		size_t step = NLA_ALIGN(length);

		if (length < NLA_HDRLEN || length > size)
			return NULL;
		if ((attribute->nla_type & NLA_TYPE_MASK) == type)
			return length - NLA_HDRLEN >= least ? attribute : NULL;
		if (step > size)
			return NULL;
		at += step;
		size -= step;
	}
	return NULL;
}

uint32_t netlink_u32(const void *attributes, size_t size, uint16_t type, uint32_t otherwise)
{
	const struct nlattr *attribute = netlink_attribute(attributes, size, type, sizeof(uint32_t));
	uint32_t value;

	if (!attribute)
		return otherwise;
	memcpy(&value, netlink_payload(attribute), sizeof(value));
	return value;
}

void netlink_text(const void *attributes, size_t size, uint16_t type, char *text, size_t room)
{
	const struct nlattr *attribute = netlink_attribute(attributes, size, type, 0);
	size_t length = attribute ? strnlen(netlink_payload(attribute), netlink_payload_size(attribute)) : 0;

	if (length > room - 1)
		length = room - 1;
	if (length)
		memcpy(text, netlink_payload(attribute), length);
	text[length] = '\0';
}
