/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traffic for the benchmarks. Usage:
 *
 *   traffic send DEVICE udp|vxlan|ack|data|syn FLOWS PACKETS RATE
 *
 * Frames by a packet socket, flow after flow; vxlan: udp in a tunnel; syn: random tuples. FLOWS 0: each frame
 * its own flow; RATE 0: as fast as it goes. They go to a station that is not there, so nothing but the
 * sender's own side handles them.
 *
 *   traffic serve PORT
 *
 * Answers each byte with a byte.
 *
 *   traffic ask ADDRESS PORT SECONDS
 *
 * Asks a byte at a time: COUNT P50_NS P99_NS.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ULL
#define BATCH 64
#define FRAME_BYTES 114
#define ACK_FRAME_BYTES 54
#define CARRIER_BYTES 50 /* Ethernet, IPv4, UDP, VXLAN */
#define PAYLOAD_AT 54
#define FLOWS_MAX (1U << 24)
#define EVEN_RATE 20000 /* frames a second; slower ones go one by one */
#define SAMPLES_MAX (1U << 22)

static const uint8_t template[34] = {
	0x02, 0, 0, 0, 0,   0x0f, 0x02, 0, 0,  0, 0, 0x0a, 0x08, 0, /* Ethernet: nobody's address, IPv4 */
	0x45, 0, 0, 0, 0,   0,    0x40, 0, 64, 0, 0, 0,             /* IPv4, don't fragment, TTL 64 */
	10,   0, 0, 0, 198, 18,   0,    1,
};

static void fail(const char *what)
{
	fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

struct sender {
	int is_tcp, is_syn;
	int carrier_bytes; /* in front of each frame: CARRIER_BYTES or 0 */
	int frame_bytes;
	uint32_t flows;
	uint32_t *rounds; /* frames of each flow so far: TCP data goes on in its sequence */
	uint8_t frames[BATCH][CARRIER_BYTES + FRAME_BYTES];
	struct iovec vectors[BATCH];
	struct mmsghdr messages[BATCH];
};

/* VXLAN from the station of the frames' own addresses, VNI 42. */
static void carry(uint8_t *carrier, int frame_bytes)
{
	int udp_bytes = CARRIER_BYTES - 34 + frame_bytes;

	memcpy(carrier, template, sizeof(template));
	put16(carrier + 16, 20 + udp_bytes);
	carrier[23] = IPPROTO_UDP;
	put16(carrier + 34, 50000);
	put16(carrier + 36, 4789);
	put16(carrier + 38, udp_bytes);
	carrier[42] = 0x08;
	carrier[48] = 42;
}

/* Every bit of the result depends on every bit of the number (splitmix64). */
static uint64_t scatter(uint64_t number)
{
	number += 0x9e3779b97f4a7c15;
	number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9;
	number = (number ^ number >> 27) * 0x94d049bb133111eb;
	return number ^ number >> 31;
}

static void prepare(struct sender *sender, const char *kind, uint32_t flows)
{
	int is_vxlan = !strcmp(kind, "vxlan"), is_ack = !strcmp(kind, "ack");

	sender->is_syn = !strcmp(kind, "syn");
	sender->is_tcp = strcmp(kind, "udp") && !is_vxlan;
	sender->carrier_bytes = is_vxlan ? CARRIER_BYTES : 0;
	sender->frame_bytes = is_ack || sender->is_syn ? ACK_FRAME_BYTES : FRAME_BYTES;
	sender->flows = flows;
	sender->rounds = calloc(flows ? flows : 1, sizeof(*sender->rounds));
	if (!sender->rounds)
		fail("calloc");
	for (int i = 0; i < BATCH; i++) {
		uint8_t *frame = sender->frames[i] + sender->carrier_bytes;

		if (is_vxlan)
			carry(sender->frames[i], sender->frame_bytes);
		memcpy(frame, template, sizeof(template));
		put16(frame + 16, sender->frame_bytes - ETH_HLEN);
		frame[23] = sender->is_tcp ? IPPROTO_TCP : IPPROTO_UDP;
		put16(frame + 36, is_vxlan ? 8443 : 443);
		if (sender->is_tcp)
			put16(frame + 46, sender->is_syn ? 0x5002 : 0x5010);
		else
			put16(frame + 38, sender->frame_bytes - 34);
		sender->vectors[i] =
			(struct iovec){ sender->frames[i], sender->carrier_bytes + sender->frame_bytes };
		sender->messages[i].msg_hdr =
			(struct msghdr){ .msg_iov = &sender->vectors[i], .msg_iovlen = 1 };
	}
}

/* Makes the frame one of flow `flow`: its source address, 10.0.0.0/8, and port; of a SYN all of the tuple. */
static void address(struct sender *sender, uint8_t *frame, uint32_t flow)
{
	frame += sender->carrier_bytes;
	if (sender->is_syn) {
		uint64_t random = scatter(flow);

		put32(frame + 26, 10U << 24 | (random & 0xffffff));
		put32(frame + 30, 198U << 24 | 18U << 16 | (random >> 24 & 0xffff));
		put16(frame + 34, random >> 40);
		put16(frame + 36, random >> 48);
		return;
	}
	put32(frame + 26, 10U << 24 | (flow & 0xffffff));
	put16(frame + 34, 1024 + flow % 60000);
	if (sender->is_tcp && sender->frame_bytes > PAYLOAD_AT && sender->flows)
		put32(frame + 38, sender->rounds[flow]++ * (FRAME_BYTES - PAYLOAD_AT));
}

/* No more than RATE frames a second since the start: waits until the next batch is due. */
static void pace(uint64_t start_ns, uint64_t sent, uint64_t rate)
{
	uint64_t due_ns = rate ? start_ns + sent * NS_PER_S / rate : 0;
	struct timespec due = { .tv_sec = due_ns / NS_PER_S, .tv_nsec = due_ns % NS_PER_S };

	if (due_ns > now_ns())
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

static int open_device(const char *device)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(device) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || !address.sll_ifindex || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		fail(device);
	return fd;
}

static int send_frames(const char *device, const char *kind, uint32_t flows, uint64_t packets, uint64_t rate)
{
	static struct sender sender;
	int fd = open_device(device);
	uint64_t sent = 0, start_ns;

	if (flows > FLOWS_MAX)
		return 2;
	prepare(&sender, kind, flows);
	start_ns = now_ns();
	while (sent < packets) {
		int count = packets - sent < BATCH ? packets - sent : BATCH;

		if (rate && rate < EVEN_RATE)
			count = 1;
		for (int i = 0; i < count; i++)
			address(&sender, sender.frames[i], flows ? (sent + i) % flows : sent + i);
		pace(start_ns, sent, rate);
		for (int done = 0; done < count;) {
			int result = sendmmsg(fd, sender.messages + done, count - done, 0);

			if (result < 0 && errno != ENOBUFS && errno != EINTR)
				fail("sendmmsg");
			/* ENOBUFS: dropped behind the hook, which has seen it. After a part of a batch it
			 * goes again. */
			done += result < 0 ? errno == ENOBUFS : result;
		}
		sent += count;
	}
	printf("%llu %.6f\n", (unsigned long long)sent, (now_ns() - start_ns) / 1e9);
	return 0;
}

static void without_delay(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static _Noreturn void serve(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 8))
		fail("listen");
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		int peer = accept(fd, NULL, NULL);
		char byte;

		if (peer < 0)
			fail("accept");
		without_delay(peer);
		while (read(peer, &byte, 1) == 1 && write(peer, &byte, 1) == 1)
			;
		close(peer);
	}
}

static int ascending(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static int ask(const char *host, uint16_t port, double seconds)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	uint32_t *samples = malloc(SAMPLES_MAX * sizeof(*samples)), count = 0;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t end_ns;

	inet_pton(AF_INET, host, &address.sin_addr);
	if (!samples || fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		fail("connect");
	without_delay(fd);
	end_ns = now_ns() + seconds * NS_PER_S;
	for (uint64_t asked_ns = now_ns(); asked_ns < end_ns && count < SAMPLES_MAX;) {
		char byte = 'a';
		uint64_t answered_ns;

		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			fail("ask");
		answered_ns = now_ns();
		samples[count++] = answered_ns - asked_ns;
		asked_ns = answered_ns;
	}
	if (!count)
		return 1;
	qsort(samples, count, sizeof(*samples), ascending);
	printf("%u %u %u\n", count, samples[count / 2], samples[(uint64_t)count * 99 / 100]);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 7 && !strcmp(argv[1], "send"))
		return send_frames(argv[2], argv[3], strtoul(argv[4], NULL, 10), strtoull(argv[5], NULL, 10),
		                   strtoull(argv[6], NULL, 10));
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(strtoul(argv[2], NULL, 10));
	if (argc == 5 && !strcmp(argv[1], "ask"))
		return ask(argv[2], strtoul(argv[3], NULL, 10), strtod(argv[4], NULL));
	fprintf(stderr, "traffic: send, serve or ask; see the head of bench/traffic.c\n");
	return 2;
}
