/* SPDX-License-Identifier: Apache-2.0 */
/* What a datagram of ctnetlink says of translated connections, as rows. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "internal.h"

/* Of the nlmsghdr and nfgenmsg before the attributes of a message. */
#define HEADERS_SIZE NLMSG_LENGTH(sizeof(struct nfgenmsg))

/* One direction of an entry. Ports hold the identifier of an ICMP echo. */
struct tuple {
	uint8_t source[16];
	uint8_t destination[16];
	__be16 source_port;
	__be16 destination_port;
	__be16 zone; /* where it is a zone of this direction alone */
	uint8_t protocol;
	uint8_t ip_version;
	bool is_echo;
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
	tuple->zone = read_u16(netlink_payload(whole), netlink_payload_size(whole), CTA_TUPLE_ZONE);
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
	uint16_t zone;
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
	zone = read_u16(attributes, size, CTA_ZONE);
	row->original_zone = ntohs(zone ? zone : original.zone);
	row->translated_zone = ntohs(zone ? zone : reply.zone);
	return memcmp(row->original, row->translated, sizeof(row->original)) != 0;
}

uint32_t conntrack_read_entries(const void *datagram, size_t size, struct merminbpf_translation *rows,
                                uint32_t max)
{
	const struct nlmsghdr *message;
	uint32_t count = 0;
	size_t at = 0;

	while (count < max && (message = netlink_message(datagram, size, &at)))
		if (read_entry(message, &rows[count]))
			count++;
	return count;
}
