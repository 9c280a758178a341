/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the guest of `make test-kernels` needs beyond busybox: exchanges of an exact number of packets
 * between two network namespaces, a look at the kernel's BPF objects that owes nothing to libbpf, a
 * cable of two TUN devices, and the end of the machine. Static, so that it runs from an empty initramfs.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Newer than the oldest build machine's linux/bpf.h; Linux 6.6. */
#define TCX_INGRESS 46
#define TCX_EGRESS 47

#define DEBUG_EXIT_PORT 0xf4
#define EXCHANGE_SECONDS 60
#define BUFFER_BYTES 65536

static char buffer[BUFFER_BYTES];

static void fail(const char *format, ...)
{
	int error = errno;
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
}

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* ---- exit RC ---- */

static int end_machine(char **arguments)
{
	if (ioperm(DEBUG_EXIT_PORT, 4, 1))
		fail("ioperm");
	outb(16 + atoi(arguments[0]), DEBUG_EXIT_PORT);
	return 1;
}

/* ---- hooks INTERFACE: "ingress egress", each a number of TCX programs or "none" without TCX ---- */

static void print_hook(unsigned int ifindex, unsigned int type)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = ifindex;
	attr.query.attach_type = type;
	if (bpf(BPF_PROG_QUERY, &attr) == 0)
		printf("%u", attr.query.prog_cnt);
	else if (errno == ENOENT)
		printf("0");
	else if (errno == EINVAL)
		printf("none");
	else
		fail("BPF_PROG_QUERY of interface %u", ifindex);
}

static int show_hooks(char **arguments)
{
	unsigned int ifindex = if_nametoindex(arguments[0]);

	if (!ifindex)
		fail("%s", arguments[0]);
	print_hook(ifindex, TCX_INGRESS);
	printf(" ");
	print_hook(ifindex, TCX_EGRESS);
	printf("\n");
	return 0;
}

/* ---- objects: how many BPF programs, maps and links the kernel holds ---- */

static unsigned int count_objects(int command)
{
	union bpf_attr attr;
	unsigned int count = 0;

	memset(&attr, 0, sizeof(attr));
	while (bpf(command, &attr) == 0) {
		attr.start_id = attr.next_id;
		count++;
	}
	if (errno != ENOENT)
		fail("bpf command %d", command);
	return count;
}

static int show_objects(char **arguments)
{
	(void)arguments;
	printf("programs %u\n", count_objects(BPF_PROG_GET_NEXT_ID));
	printf("maps %u\n", count_objects(BPF_MAP_GET_NEXT_ID));
	printf("links %u\n", count_objects(BPF_LINK_GET_NEXT_ID));
	return 0;
}

/*
 * Keeps what this process sends on one processor, and with it the soft interrupts that carry it: a sender
 * that moves can overtake its own packets, and TCP would answer with options whose bytes nobody planned.
 */
static void stay_on_one_processor(void)
{
	cpu_set_t processors;

	CPU_ZERO(&processors);
	CPU_SET(0, &processors);
	if (sched_setaffinity(0, sizeof(processors), &processors))
		fail("sched_setaffinity");
}

/* ---- namespaces and addresses ---- */

/* "root" is the namespace of the guest's init. */
static void enter_namespace(const char *name)
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

static socklen_t parse_address(const char *address, const char *port, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(atoi(port));
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, address, &v6->sin6_addr) != 1)
		fail("%s: not an address", address);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(atoi(port));
	return sizeof(*v6);
}

static int open_socket(const char *namespace, int type, const struct sockaddr_storage *address,
                       socklen_t size)
{
	int one = 1;
	int fd;

	enter_namespace(namespace);
	fd = socket(address->ss_family, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		fail("socket in %s", namespace);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (const struct sockaddr *)address, size))
		fail("bind in %s", namespace);
	return fd;
}

/* ---- exchanges: CLIENT_NS CLIENT CLIENT_PORT SERVER_NS SERVER SERVER_PORT, then what ---- */

struct ends {
	int client;
	int server;
	struct sockaddr_storage client_address;
	struct sockaddr_storage server_address;
	socklen_t address_size;
};

static void open_ends(struct ends *ends, int type, char **arguments)
{
	ends->address_size = parse_address(arguments[1], arguments[2], &ends->client_address);
	parse_address(arguments[4], arguments[5], &ends->server_address);
	ends->server = open_socket(arguments[3], type, &ends->server_address, ends->address_size);
	if (type == SOCK_STREAM && listen(ends->server, 1))
		fail("listen");
	ends->client = open_socket(arguments[0], type, &ends->client_address, ends->address_size);
}

static void pass_datagram(int from, int to, const struct sockaddr_storage *address, socklen_t address_size,
                          size_t size)
{
	ssize_t got;

	if (sendto(from, buffer, size, 0, (const struct sockaddr *)address, address_size) != (ssize_t)size)
		fail("sendto");
	got = recv(to, buffer, sizeof(buffer), 0);
	if (got != (ssize_t)size)
		fail("recv gave %zd of %zu bytes", got, size);
}

/* udp … COUNT SIZE EVERY REPLY_SIZE: every EVERYth datagram is answered; each waits for the one before. */
static int exchange_udp(char **arguments)
{
	int count = atoi(arguments[6]);
	int every = atoi(arguments[8]);
	struct ends ends;

	stay_on_one_processor();
	open_ends(&ends, SOCK_DGRAM, arguments);
	for (int i = 1; i <= count; i++) {
		pass_datagram(ends.client, ends.server, &ends.server_address, ends.address_size,
		              atoi(arguments[7]));
		if (i % every == 0)
			pass_datagram(ends.server, ends.client, &ends.client_address, ends.address_size,
			              atoi(arguments[9]));
	}
	return 0;
}

static void send_stream(int fd, size_t size)
{
	while (size > 0) {
		ssize_t sent = send(fd, buffer, size < sizeof(buffer) ? size : sizeof(buffer), MSG_NOSIGNAL);

		if (sent <= 0)
			fail("send");
		size -= sent;
	}
}

static void receive_stream(int fd, size_t size)
{
	while (size > 0) {
		ssize_t got = recv(fd, buffer, size < sizeof(buffer) ? size : sizeof(buffer), 0);

		if (got <= 0)
			fail("recv gave %zd, %zu bytes are missing", got, size);
		size -= got;
	}
}

static void receive_end(int fd)
{
	if (recv(fd, buffer, sizeof(buffer), 0) != 0)
		fail("no end of the stream");
}

static void serve_tcp(int listener, int rounds, size_t size, size_t reply_size)
{
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		fail("accept");
	for (int i = 0; i < rounds; i++) {
		receive_stream(fd, size);
		send_stream(fd, reply_size);
	}
	receive_end(fd);
}

/* tcp … ROUNDS SIZE REPLY_SIZE: in each round the client sends, and the server answers when it has read all.
 */
static int exchange_tcp(char **arguments)
{
	int rounds = atoi(arguments[6]);
	size_t size = atoi(arguments[7]);
	size_t reply_size = atoi(arguments[8]);
	struct ends ends;
	int status;
	pid_t server;

	stay_on_one_processor();
	open_ends(&ends, SOCK_STREAM, arguments);
	server = fork();
	if (server < 0)
		fail("fork");
	if (server == 0) {
		close(ends.client);
		alarm(EXCHANGE_SECONDS);
		serve_tcp(ends.server, rounds, size, reply_size);
		exit(0);
	}
	if (connect(ends.client, (struct sockaddr *)&ends.server_address, ends.address_size))
		fail("connect");
	for (int i = 0; i < rounds; i++) {
		send_stream(ends.client, size);
		receive_stream(ends.client, reply_size);
	}
	if (shutdown(ends.client, SHUT_WR))
		fail("shutdown");
	receive_end(ends.client);
	if (waitpid(server, &status, 0) != server)
		fail("waitpid");
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
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
	{ "objects", 0, 0, show_objects },
	{ "udp", 10, EXCHANGE_SECONDS, exchange_udp },
	{ "tcp", 9, EXCHANGE_SECONDS, exchange_tcp },
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
	fprintf(stderr, "usage: tool exit|hooks|objects|udp|tcp|tun-cable …\n");
	return 2;
}
