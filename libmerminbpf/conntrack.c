/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that the watched namespace translates: the sockets that ctnetlink tells them by, in events and
 * listings. */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "internal.h"

/* Linux sends at most 32 KiB of a listing at once (af_netlink.c, netlink_dump). */
#define RECEIVE_SIZE 32768

/* What a listing asks for, one after the other: the kernel compares all bits of a mask at once. */
static const uint32_t listed_status[] = { IPS_DST_NAT, IPS_SRC_NAT };
#define LISTINGS (sizeof(listed_status) / sizeof(*listed_status))

/*
 * Lets events of translated connections pass, in the kernel: the others are neither queued nor waited for. X
 * is the attribute that SKF_AD_NLATTR looks for behind the offset in A; it answers with the attribute's
 * offset, or 0.
 */
static struct sock_filter only_translated[] = {
	BPF_STMT(BPF_LDX | BPF_IMM, CTA_STATUS),
	BPF_STMT(BPF_LD | BPF_IMM, NLMSG_LENGTH(sizeof(struct nfgenmsg))),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_NLATTR)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 0),
	BPF_STMT(BPF_MISC | BPF_TAX, 0),
	BPF_STMT(BPF_LD | BPF_W | BPF_IND, NLA_HDRLEN),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, IPS_NAT_MASK, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, 0),
	BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
};

/* A datagram of netfilter's; 0: none waits. */
static ssize_t receive(int fd, void *buffer)
{
	ssize_t size;

	do {
		size = recv(fd, buffer, RECEIVE_SIZE, MSG_DONTWAIT | MSG_TRUNC);
	} while (size < 0 && errno == EINTR);
	if (size < 0)
		return errno == EAGAIN ? 0 : -errno;
	return size > RECEIVE_SIZE ? -EMSGSIZE : size;
}

/* Connected to the kernel (port 0): no other process can send to it. */
static int open_connected(uint32_t groups, int *fd)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };

	*fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (*fd < 0)
		return -errno;
	if (groups) {
		struct sock_fprog filter = { sizeof(only_translated) / sizeof(*only_translated),
			                     only_translated };

		if (setsockopt(*fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)))
			return -errno;
	}
	if (bind(*fd, (struct sockaddr *)&address, sizeof(address)))
		return -errno;
	address.nl_groups = 0;
	return connect(*fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
}

void conntrack_close(struct conntrack *conntrack)
{
	if (conntrack->events_fd >= 0)
		close(conntrack->events_fd);
	if (conntrack->listing_fd >= 0)
		close(conntrack->listing_fd);
	*conntrack = (struct conntrack){ .events_fd = -1, .listing_fd = -1 };
}

MERMINBPF_API void merminbpf_conntrack_close(struct merminbpf *handle)
{
	if (handle)
		conntrack_close(&handle->conntrack);
}

MERMINBPF_API int merminbpf_conntrack_open(struct merminbpf *handle, uint32_t receive_bytes)
{
	struct conntrack *conntrack = &handle->conntrack;
	const uint32_t groups = 1U << (NFNLGRP_CONNTRACK_NEW - 1) | 1U << (NFNLGRP_CONNTRACK_DESTROY - 1);
	int size = (int)(receive_bytes / 2); /* the kernel doubles it */
	int home;
	int error = namespace_enter_watched(&handle->failure, &home);

	if (error)
		return error;
	conntrack_close(conntrack);
	error = open_connected(groups, &conntrack->events_fd);
	if (!error)
		error = open_connected(0, &conntrack->listing_fd);
	/* Without the privilege as much as is allowed to anybody. */
	if (!error && setsockopt(conntrack->events_fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(conntrack->events_fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	namespace_leave(home);
	if (error)
		conntrack_close(conntrack);
	return error ? failure_set(&handle->failure, error, "Cannot subscribe to its events") : 0;
}

MERMINBPF_API int merminbpf_conntrack_read(struct merminbpf *handle, struct merminbpf_translation *rows,
                                           uint32_t max)
{
	char buffer[RECEIVE_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct conntrack *conntrack = &handle->conntrack;
	uint32_t count = 0;

	/* The kernel sends a datagram for each event. */
	for (uint32_t datagrams = 0; datagrams < max && count < max; datagrams++) {
		ssize_t size = receive(conntrack->events_fd, buffer);

		if (size == -ENOBUFS) {
			conntrack->is_losing = true;
			continue;
		}
		if (size < 0)
			return failure_set(&handle->failure, (int)size, "Cannot read its events");
		if (size == 0) {
			conntrack->has_overrun |= conntrack->is_losing;
			conntrack->is_losing = false;
			break;
		}
		count += conntrack_read_entries(buffer, (size_t)size, &rows[count], max - count);
	}
	return (int)count;
}

MERMINBPF_API int merminbpf_conntrack_overrun(struct merminbpf *handle)
{
	const bool has_overrun = handle->conntrack.has_overrun;

	handle->conntrack.has_overrun = false;
	return has_overrun;
}

static int send_request(struct conntrack *conntrack)
{
	struct {
		struct nlmsghdr header;
		struct nfgenmsg netfilter;
		struct nlattr status;
		__be32 status_value;
		struct nlattr mask;
		__be32 mask_value;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.netfilter = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 },
		.status = { .nla_len = NLA_HDRLEN + sizeof(__be32), .nla_type = CTA_STATUS },
		.status_value = htonl(listed_status[conntrack->listing]),
		.mask = { .nla_len = NLA_HDRLEN + sizeof(__be32), .nla_type = CTA_STATUS_MASK },
		.mask_value = htonl(listed_status[conntrack->listing]),
	};

	return send(conntrack->listing_fd, &request, sizeof(request), MSG_DONTWAIT) < 0 ? -errno : 0;
}

MERMINBPF_API int merminbpf_conntrack_list(struct merminbpf *handle)
{
	int error;

	handle->conntrack.listing = 0;
	handle->conntrack.is_interrupted = false;
	error = send_request(&handle->conntrack);
	return error ? failure_set(&handle->failure, error, "Cannot list what it translates") : 0;
}

/* What the last message of a datagram says: 0 goes on, 1 the end, or the kernel's negative errno. */
static int listing_end(const void *datagram, size_t size, bool *is_interrupted)
{
	const struct nlmsghdr *message;
	size_t at = 0;

	while ((message = netlink_message(datagram, size, &at))) {
		if (message->nlmsg_flags & NLM_F_DUMP_INTR)
			*is_interrupted = true;
		if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
			int error = netlink_carried_error(message);

			return error ? error : 1;
		}
	}
	return 0;
}

MERMINBPF_API int merminbpf_conntrack_listed(struct merminbpf *handle, struct merminbpf_translation *rows,
                                             uint32_t max)
{
	char buffer[RECEIVE_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct conntrack *conntrack = &handle->conntrack;
	ssize_t size;
	int end;

	if (conntrack->listing == LISTINGS)
		return conntrack->is_interrupted ? -EINTR : -ENODATA;
	size = receive(conntrack->listing_fd, buffer);
	end = size < 0 ? (int)size : listing_end(buffer, (size_t)size, &conntrack->is_interrupted);
	if (end > 0)
		end = ++conntrack->listing < LISTINGS ? send_request(conntrack) : 0;
	if (end < 0)
		return failure_set(&handle->failure, end, "Cannot list what it translates");
	return (int)conntrack_read_entries(buffer, (size_t)size, rows, max);
}
