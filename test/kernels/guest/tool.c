/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the guest of `make test-kernels` needs beyond busybox: exchanges of an exact number of packets
 * between two network namespaces, a look at the kernel's BPF objects that owes nothing to libbpf, a
 * cable of two TUN devices, and the end of the machine. Static, so that it runs from an empty initramfs.
 */
#define _GNU_SOURCE
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEBUG_EXIT_PORT 0xf4
/* Longer than a scenario may take. */
#define SENDING_SECONDS 900

static char buffer[BUFFER_BYTES];

void fail(const char *format, ...)
{
	int error = errno;
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
}

void enter_namespace(const char *name)
{
	char path[128];
	int fd;

	if (strcmp(name, "root") == 0)
		snprintf(path, sizeof(path), "/proc/1/ns/net");
	else
		snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		fail("%s", path);
	close(fd);
}

void stay_on_one_processor(void)
{
	cpu_set_t processors;

	CPU_ZERO(&processors);
	CPU_SET(0, &processors);
	if (sched_setaffinity(0, sizeof(processors), &processors))
		fail("sched_setaffinity");
}

/* ---- counters NAMESPACE: what its protocols have counted ---- */

static int show_counters(char **arguments)
{
	static const char *const paths[] = { "/proc/net/snmp", "/proc/net/netstat", "/proc/net/snmp6" };

	enter_namespace(arguments[0]);
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		ssize_t size;

		if (fd < 0)
			fail("%s", paths[i]);
		while ((size = read(fd, buffer, sizeof(buffer))) > 0)
			if (write(STDOUT_FILENO, buffer, (size_t)size) != size)
				fail("write");
		close(fd);
	}
	return 0;
}

/* ---- exit RC ---- */

static int end_machine(char **arguments)
{
	if (ioperm(DEBUG_EXIT_PORT, 4, 1))
		fail("ioperm");
	outb(16 + atoi(arguments[0]), DEBUG_EXIT_PORT);
	return 1;
}

/* ---- tun-cable NAME NS: NAME here and NAME in NS; what leaves one enters the other, until killed ---- */

static int open_tun(const char *name)
{
	struct ifreq request;
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail("/dev/net/tun");
	memset(&request, 0, sizeof(request));
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	request.ifr_flags = IFF_TUN | IFF_NO_PI;
	if (ioctl(fd, TUNSETIFF, &request))
		fail("TUNSETIFF %s", name);
	return fd;
}

/* A device that is down takes no packet (-EIO); that packet is dropped, as a cable would. */
static void copy_packet(int from, int to)
{
	ssize_t size = read(from, buffer, sizeof(buffer));

	if (size > 0 && write(to, buffer, size) != size && errno != EIO)
		fail("write to tun");
}

static int join_tuns(char **arguments)
{
	struct pollfd ends[2];

	stay_on_one_processor();
	ends[0] = (struct pollfd){ .fd = open_tun(arguments[0]), .events = POLLIN };
	enter_namespace(arguments[1]);
	ends[1] = (struct pollfd){ .fd = open_tun(arguments[0]), .events = POLLIN };
	while (poll(ends, 2, -1) > 0) {
		if (ends[0].revents & POLLIN)
			copy_packet(ends[0].fd, ends[1].fd);
		if (ends[1].revents & POLLIN)
			copy_packet(ends[1].fd, ends[0].fd);
	}
	return 1;
}

static const struct command {
	const char *name;
	int arguments;
	int seconds; /* 0: no limit */
	int (*run)(char **arguments);
} commands[] = {
	{ "exit", 1, 0, end_machine },
	{ "hooks", 1, 0, show_hooks },
	{ "devices", 0, 0, show_devices },
	{ "counters", 1, 0, show_counters },
	{ "objects", 0, 0, show_objects },
	{ "udp", 10, EXCHANGE_SECONDS, exchange_udp },
	{ "tcp", 9, EXCHANGE_SECONDS, exchange_tcp },
	{ "spread", 8, EXCHANGE_SECONDS, spread_datagrams },
	{ "datagrams", 10, SENDING_SECONDS, send_datagrams },
	{ "requests", 10, SENDING_SECONDS, send_requests },
	{ "order", 1, 0, show_order },
	{ "programs", 0, 0, show_programs },
	{ "runs", 1, 0, show_runs },
	{ "links", 0, 0, show_links },
	{ "foreign", 2, 0, hold_foreign },
	{ "tun-cable", 2, 0, join_tuns },
};

int main(int count, char **arguments)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (count < 2 || strcmp(arguments[1], commands[i].name) != 0)
			continue;
		if (count - 2 != commands[i].arguments)
			break;
		alarm(commands[i].seconds);
		return commands[i].run(arguments + 2);
	}
	fprintf(stderr, "usage: tool COMMAND WORD…, as main has them\n");
	return 2;
}
