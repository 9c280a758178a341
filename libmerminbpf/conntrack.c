/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that the watched namespace translates, as ctnetlink tells of them: events, and listings. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "internal.h"

/* Linux sends at most 32 KiB of a listing at once (af_netlink.c, netlink_dump). */
#define RECEIVE_SIZE 32768

/* Of the nlmsghdr and nfgenmsg before the attributes of a message. */
#define HEADERS_SIZE NLMSG_LENGTH(sizeof(struct nfgenmsg))

/* What a listing asks for, one after the other: the kernel compares all bits of a mask at once. */
static const uint32_t listed_status[] = { IPS_DST_NAT, IPS_SRC_NAT };
#define LISTINGS (sizeof(listed_status) / sizeof(*listed_status))

/* One direction of an entry. Ports hold the identifier of an ICMP echo. */
struct tuple {
	uint8_t source[16];
	uint8_t destination[16];
	__be16 source_port;
	__be16 destination_port;
	uint8_t protocol;
	uint8_t ip_version;
	bool is_echo;
};

/*
 * Lets events of translated connections pass, in the kernel: the others are neither queued nor waited for. X
 * is the attribute that SKF_AD_NLATTR looks for behind the offset in A; it answers with the attribute's
 * offset, or 0.
 */
static struct sock_filter only_translated[] = {
	BPF_STMT(BPF_LDX | BPF_IMM, CTA_STATUS),
	BPF_STMT(BPF_LD | BPF_IMM, HEADERS_SIZE),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_NLATTR)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 0),
	BPF_STMT(BPF_MISC | BPF_TAX, 0),
	BPF_STMT(BPF_LD | BPF_W | BPF_IND, NLA_HDRLEN),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, IPS_NAT_MASK, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, 0),
	BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
};

static bool read_address(const void *attributes, size_t size, uint16_t type, uint8_t *address)
{
	const bool is_ipv4 = type == CTA_IP_V4_SRC || type == CTA_IP_V4_DST;
	const size_t length = is_ipv4 ? 4 : 16;
	const struct nlattr *found = netlink_attribute(attributes, size, type, length);

	if (!found)
		return false;
	memset(address, 0, 10);
	memset(address + 10, 0xff, 2);
	memcpy(address + 16 - length, netlink_payload(found), length);
	return true;
}

static uint16_t read_u16(const void *attributes, size_t size, uint16_t type)
{
	const struct nlattr *found = netlink_attribute(attributes, size, type, sizeof(uint16_t));
	uint16_t value = 0;

	if (found)
		memcpy(&value, netlink_payload(found), sizeof(value));
	return value;
}

static uint8_t read_u8(const void *attributes, size_t size, uint16_t type)
{
	const struct nlattr *found = netlink_attribute(attributes, size, type, sizeof(uint8_t));

	return found ? *(const uint8_t *)netlink_payload(found) : 0;
}

/* Of ICMP only echoes have a key whose ports are their identifier: the others are left out. */
static bool read_ports(const void *attributes, size_t size, struct tuple *tuple)
{
	uint8_t type;

	tuple->protocol = read_u8(attributes, size, CTA_PROTO_NUM);
	if (tuple->protocol != IPPROTO_ICMP && tuple->protocol != IPPROTO_ICMPV6) {
		tuple->source_port = read_u16(attributes, size, CTA_PROTO_SRC_PORT);
		tuple->destination_port = read_u16(attributes, size, CTA_PROTO_DST_PORT);
		return tuple->protocol != 0;
	}
	if (tuple->protocol == IPPROTO_ICMP) {
		type = read_u8(attributes, size, CTA_PROTO_ICMP_TYPE);
		tuple->is_echo = type == 8 || type == 0;
		tuple->source_port = read_u16(attributes, size, CTA_PROTO_ICMP_ID);
	} else {
		type = read_u8(attributes, size, CTA_PROTO_ICMPV6_TYPE);
		tuple->is_echo = type == 128 || type == 129;
		tuple->source_port = read_u16(attributes, size, CTA_PROTO_ICMPV6_ID);
	}
	tuple->destination_port = tuple->source_port;
	return tuple->is_echo;
}

static bool read_tuple(const void *attributes, size_t size, uint16_t type, struct tuple *tuple)
{
	const struct nlattr *whole = netlink_attribute(attributes, size, type, 0);
	const struct nlattr *part;
	size_t length;

	memset(tuple, 0, sizeof(*tuple));
	if (!whole)
		return false;
	part = netlink_attribute(netlink_payload(whole), netlink_payload_size(whole), CTA_TUPLE_IP, 0);
	if (!part)
		return false;
	length = netlink_payload_size(part);
	if (read_address(netlink_payload(part), length, CTA_IP_V4_SRC, tuple->source) &&
	    read_address(netlink_payload(part), length, CTA_IP_V4_DST, tuple->destination))
		tuple->ip_version = 4;
	else if (read_address(netlink_payload(part), length, CTA_IP_V6_SRC, tuple->source) &&
	         read_address(netlink_payload(part), length, CTA_IP_V6_DST, tuple->destination))
		tuple->ip_version = 6;
	else
		return false;
	part = netlink_attribute(netlink_payload(whole), netlink_payload_size(whole), CTA_TUPLE_PROTO, 0);
	return part && read_ports(netlink_payload(part), netlink_payload_size(part), tuple);
}

/* As bpf/key.bpf.h forms keys of packets. Returns the way from source to destination. */
static uint8_t form_key(const struct tuple *tuple, struct flow_key *key)
{
	int order = memcmp(tuple->source, tuple->destination, sizeof(tuple->source));
	bool is_turned = order > 0;

	if (order == 0)
		is_turned = ntohs(tuple->source_port) > ntohs(tuple->destination_port);
	memset(key, 0, sizeof(*key));
	memcpy(key->low_address, is_turned ? tuple->destination : tuple->source, 16);
	memcpy(key->high_address, is_turned ? tuple->source : tuple->destination, 16);
	key->low_port = is_turned ? tuple->destination_port : tuple->source_port;
	key->high_port = is_turned ? tuple->source_port : tuple->destination_port;
	key->protocol = tuple->protocol;
	key->ip_version = tuple->ip_version;
	key->icmp_pairing = tuple->is_echo ? ICMP_ECHO : ICMP_PAIRED;
	return is_turned ? FLOW_HIGH_TO_LOW : FLOW_LOW_TO_HIGH;
}

/* What leaves the node in the entry's direction: answers turned round. */
static void turn(struct tuple *tuple)
{
	struct tuple reply = *tuple;

	memcpy(tuple->source, reply.destination, sizeof(tuple->source));
	memcpy(tuple->destination, reply.source, sizeof(tuple->destination));
	tuple->source_port = reply.destination_port;
	tuple->destination_port = reply.source_port;
}

/* Fills a row. False: the message is of no translated connection, or of one that has no key. */
static bool read_entry(const struct nlmsghdr *message, struct merminbpf_translation *row)
{
	const void *attributes = (const char *)message + HEADERS_SIZE;
	struct tuple original;
	struct tuple reply;
	size_t size;

	if (message->nlmsg_len < HEADERS_SIZE || NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_CTNETLINK)
		return false;
	size = message->nlmsg_len - HEADERS_SIZE;
	if (!read_tuple(attributes, size, CTA_TUPLE_ORIG, &original) ||
	    !read_tuple(attributes, size, CTA_TUPLE_REPLY, &reply))
		return false;
	turn(&reply);
	row->original_way = form_key(&original, (struct flow_key *)row->original);
	row->translated_way = form_key(&reply, (struct flow_key *)row->translated);
	row->is_gone = NFNL_MSG_TYPE(message->nlmsg_type) == IPCTNL_MSG_CT_DELETE;
	row->padding = 0;
	return memcmp(row->original, row->translated, sizeof(row->original)) != 0;
}

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

/* Returns the rows filled: fewer than there are messages, none where there is no room. */
static uint32_t read_entries(const void *datagram, size_t size, struct merminbpf_translation *rows,
                             uint32_t max)
{
	const struct nlmsghdr *message;
	uint32_t count = 0;

	for (message = datagram; NLMSG_OK(message, size) && count < max; message = NLMSG_NEXT(message, size))
		if (read_entry(message, &rows[count]))
			count++;
	return count;
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
	conntrack->events_fd = -1;
	conntrack->listing_fd = -1;
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
	return error ? failure_set(&handle->failure, error, "Cannot follow conntrack") : 0;
}

MERMINBPF_API int merminbpf_conntrack_read(struct merminbpf *handle, struct merminbpf_translation *rows,
                                           uint32_t max)
{
	char buffer[RECEIVE_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	uint32_t count = 0;

	/* The kernel sends a datagram for each event. */
	for (uint32_t datagrams = 0; datagrams < max && count < max; datagrams++) {
		ssize_t size = receive(handle->conntrack.events_fd, buffer);

		if (size == -ENOBUFS) {
			handle->conntrack.has_overrun = true;
			continue;
		}
		if (size < 0)
			return failure_set(&handle->failure, (int)size, "Cannot follow conntrack");
		if (size == 0)
			break;
		count += read_entries(buffer, (size_t)size, &rows[count], max - count);
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
	return error ? failure_set(&handle->failure, error, "Cannot list what conntrack translates") : 0;
}

/* What the last message of a datagram says: 0 goes on, 1 the end, or the kernel's negative errno. */
static int listing_end(const void *datagram, size_t size, bool *is_interrupted)
{
	const struct nlmsghdr *message;

	for (message = datagram; NLMSG_OK(message, size); message = NLMSG_NEXT(message, size)) {
		int error = 0;

		if (message->nlmsg_flags & NLM_F_DUMP_INTR)
			*is_interrupted = true;
		if (message->nlmsg_type != NLMSG_DONE && message->nlmsg_type != NLMSG_ERROR)
			continue;
		if (message->nlmsg_len >= NLMSG_LENGTH(sizeof(error)))
			memcpy(&error, NLMSG_DATA(message), sizeof(error));
		return error < 0 ? error : 1;
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
		return failure_set(&handle->failure, end, "Cannot list what conntrack translates");
	return (int)read_entries(buffer, (size_t)size, rows, max);
}
