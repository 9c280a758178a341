/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run by tests inside a namespace: DEVICE syn|udp FLOWS ROUNDS PAUSE_MS. Sends a frame of each flow in every
 * round, as fast as it goes, with a pause after each; says after each round how many frames went out in all.
 * `syn`: random tuples; `udp`: tuples in a row. One call a frame: each passes the device's egress hook
 * once, also where it is dropped behind it. The frames go to a station that is not there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define FRAME_BYTES 54

static const uint8_t template[FRAME_BYTES] = {
	0x02, 0, 0, 0, 0,   0x0f, 0x02, 0, 0,  0, 0, 0x0a, 0x08, 0, /* Ethernet: nobody's address, IPv4 */
	0x45, 0, 0, 0, 0,   0,    0x40, 0, 64, 0, 0, 0,             /* IPv4, don't fragment, TTL 64 */
	10,   0, 0, 0, 198, 18,   0,    1,
};

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

/* Every bit of the result depends on every bit of the number (splitmix64). */
static uint64_t scatter(uint64_t number)
{
	number += 0x9e3779b97f4a7c15;
	number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9;
	number = (number ^ number >> 27) * 0x94d049bb133111eb;
	return number ^ number >> 31;
}

static void fill_syn(uint8_t *frame, uint32_t flow)
{
	uint64_t random = scatter(flow);

	put32(frame + 26, 10U << 24 | (random & 0xffffff));
	put32(frame + 30, 198U << 24 | 18U << 16 | (random >> 24 & 0xffff));
	put16(frame + 34, random >> 40);
	put16(frame + 36, random >> 56);
	put16(frame + 46, 0x5002);
}

static void fill_udp(uint8_t *frame, uint32_t flow)
{
	put32(frame + 26, 10U << 24 | (flow & 0xffffff));
	put16(frame + 34, 1024 + flow % 60000);
	put16(frame + 36, 443);
	put16(frame + 38, FRAME_BYTES - 34);
}

static int open_device(const char *device)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(device) };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0 || !address.sll_ifindex || bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		perror(device);
		exit(1);
	}
	return fd;
}

static int send_frame(int fd, const uint8_t *frame)
{
	ssize_t sent;

	do {
		sent = send(fd, frame, FRAME_BYTES, 0);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 && errno != ENOBUFS ? -1 : 0;
}

int main(int argc, char **argv)
{
	uint8_t frame[FRAME_BYTES];
	uint64_t sent = 0;
	int fd, is_syn;

	if (argc != 6)
		return 2;
	fd = open_device(argv[1]);
	is_syn = !strcmp(argv[2], "syn");
	memcpy(frame, template, sizeof(frame));
	put16(frame + 16, FRAME_BYTES - 14);
	frame[23] = is_syn ? IPPROTO_TCP : IPPROTO_UDP;
	for (long round = 0, rounds = atol(argv[4]); round < rounds; round++) {
		long pause_ms = atol(argv[5]);
		struct timespec pause = { .tv_sec = pause_ms / 1000, .tv_nsec = pause_ms % 1000 * 1000000 };

		for (long flow = 0, flows = atol(argv[3]); flow < flows; flow++, sent++) {
			if (is_syn)
				fill_syn(frame, round * flows + flow);
			else
				fill_udp(frame, flow);
			if (send_frame(fd, frame)) {
				perror("send");
				return 1;
			}
		}
		printf("sent %llu\n", (unsigned long long)sent);
		fflush(stdout);
		nanosleep(&pause, NULL);
	}
	return 0;
}
