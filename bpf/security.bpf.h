/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Numbers that packets show whose content is encrypted: SPI of ESP, indices of WireGuard. */
#ifndef MERMIN_SECURITY_BPF_H
#define MERMIN_SECURITY_BPF_H

#define ESP_HEADER_BYTES 8

/* Message types of WireGuard and their least lengths (the protocol's white paper, 5.4). */
#define WIREGUARD_INITIATION 1
#define WIREGUARD_INITIATION_BYTES 148
#define WIREGUARD_RESPONSE 2
#define WIREGUARD_RESPONSE_BYTES 92
#define WIREGUARD_COOKIE 3
#define WIREGUARD_COOKIE_BYTES 64
#define WIREGUARD_DATA 4
#define WIREGUARD_DATA_BYTES 32

struct wireguard_header {
	__u8 type;
	__u8 reserved[3];
	__u32 first;  /* little-endian: the sender's index, in a cookie reply and in data the receiver's */
	__u32 second; /* of a response: the receiver's index */
};

static __always_inline __u32 from_little_endian(__u32 value)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return value;
#else
	return __builtin_bswap32(value);
#endif
}

static __always_inline void read_wireguard(struct __sk_buff *skb, struct packet *packet, __u32 start,
                                           __u32 bytes)
{
	struct wireguard_header *message = tunnel_header_at(skb, packet, start, sizeof(*message));

	/* Another protocol on that port, until the message is known. */
	packet->encapsulation = ENCAPSULATION_NONE;
	if (!message || message->reserved[0] || message->reserved[1] || message->reserved[2])
		return;
	if (message->type == WIREGUARD_INITIATION && bytes >= WIREGUARD_INITIATION_BYTES) {
		packet->indices[0] = from_little_endian(message->first);
	} else if (message->type == WIREGUARD_RESPONSE && bytes >= WIREGUARD_RESPONSE_BYTES) {
		packet->indices[0] = from_little_endian(message->first);
		packet->indices[1] = from_little_endian(message->second);
	} else if ((message->type == WIREGUARD_COOKIE && bytes >= WIREGUARD_COOKIE_BYTES) ||
	           (message->type == WIREGUARD_DATA && bytes >= WIREGUARD_DATA_BYTES)) {
		packet->indices[1] = from_little_endian(message->first);
	} else {
		return;
	}
	packet->encapsulation = ENCAPSULATION_WIREGUARD;
	packet->has_details = 1;
}

/* The first four bytes of ESP are its SPI; zero in UDP is IKE's marker (RFC 3948, 2.2), one byte a keepalive.
 */
static __always_inline void read_esp(struct __sk_buff *skb, struct packet *packet, __u32 start, __u32 bytes)
{
	__be32 *spi = tunnel_header_at(skb, packet, start, sizeof(*spi));

	if (!spi || bytes < ESP_HEADER_BYTES || !*spi)
		return;
	packet->indices[0] = bpf_ntohl(*spi);
	packet->has_details = 1;
}

/* Reads what packet->encapsulation shows of itself, where nothing can be read through it. */
static __always_inline void read_security(struct __sk_buff *skb, struct packet *packet)
{
	__u32 start = packet->offset + (packet->protocol == TRANSPORT_UDP ? UDP_HEADER_BYTES : 0);
	__u32 end = packet_end(packet);
	__u32 bytes = end > start ? end - start : 0;

	if (packet->encapsulation == ENCAPSULATION_WIREGUARD)
		read_wireguard(skb, packet, start, bytes);
	else
		read_esp(skb, packet, start, bytes);
}

static __always_inline int is_read_through(__u8 encapsulation)
{
	return encapsulation && encapsulation < ENCAPSULATION_WIREGUARD;
}

#endif
