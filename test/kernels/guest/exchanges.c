/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges of an exact number of packets between two network namespaces. */
#define _GNU_SOURCE
#include "tool.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char buffer[BUFFER_BYTES];

/* ---- addresses and sockets ---- */

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

/*
 * ---- exchanges: CLIENT_NS CLIENT CLIENT_PORT SERVER_NS SERVER SERVER_PORT, then what. SERVER is an address,
 * or CALLED=OWN where another one is called than the server has. ----
 */

struct ends {
	int client;
	int server;
	struct sockaddr_storage server_address; /* as the client calls it */
	struct sockaddr_storage heard_address;  /* of the client, as the server was told of it last */
	socklen_t address_size;
};

static void open_ends(struct ends *ends, int type, char **arguments)
{
	struct sockaddr_storage own_address;
	struct sockaddr_storage client_address;
	char *own = strchr(arguments[4], '=');

	if (own)
		*own = '\0';
	ends->address_size = parse_address(arguments[1], arguments[2], &client_address);
	parse_address(arguments[4], arguments[5], &ends->server_address);
	parse_address(own ? own + 1 : arguments[4], arguments[5], &own_address);
	ends->server = open_socket(arguments[3], type, &own_address, ends->address_size);
	if (type == SOCK_STREAM && listen(ends->server, 1))
		fail("listen");
	ends->client = open_socket(arguments[0], type, &client_address, ends->address_size);
}

static void pass_datagram(int from, int to, const struct sockaddr_storage *address, socklen_t address_size,
                          size_t size, struct sockaddr_storage *heard)
{
	socklen_t heard_size = sizeof(*heard);
	ssize_t got;

	if (sendto(from, buffer, size, 0, (const struct sockaddr *)address, address_size) != (ssize_t)size)
		fail("sendto");
	got = recvfrom(to, buffer, sizeof(buffer), 0, (struct sockaddr *)heard, &heard_size);
	if (got != (ssize_t)size)
		fail("recv gave %zd of %zu bytes", got, size);
}

static void pass_request(struct ends *ends, size_t size)
{
	pass_datagram(ends->client, ends->server, &ends->server_address, ends->address_size, size,
	              &ends->heard_address);
}

/* To whom the request came from, and as whoever was called: a translation on the way is undone. */
static void pass_answer(struct ends *ends, size_t size)
{
	struct sockaddr_storage heard;

	memset(&heard, 0, sizeof(heard));
	pass_datagram(ends->server, ends->client, &ends->heard_address, ends->address_size, size, &heard);
	if (memcmp(&heard, &ends->server_address, ends->address_size) != 0)
		fail("the answer is not of who was called");
}

/* udp … COUNT SIZE EVERY REPLY_SIZE: every EVERYth datagram is answered; each waits for the one before. */
int exchange_udp(char **arguments)
{
	int count = atoi(arguments[6]);
	int every = atoi(arguments[8]);
	struct ends ends;

	stay_on_one_processor();
	open_ends(&ends, SOCK_DGRAM, arguments);
	for (int i = 1; i <= count; i++) {
		pass_request(&ends, atoi(arguments[7]));
		if (i % every == 0)
			pass_answer(&ends, atoi(arguments[9]));
	}
	return 0;
}

/* spread … COUNT SIZE: a datagram each from COUNT ports, of which CLIENT_PORT is the first; none is answered.
 */
int spread_datagrams(char **arguments)
{
	int first = atoi(arguments[2]);
	int count = atoi(arguments[6]);
	static char port[sizeof("65535")];

	stay_on_one_processor();
	arguments[2] = port;
	for (int i = 0; i < count; i++) {
		struct ends ends;

		snprintf(port, sizeof(port), "%hu", (unsigned short)(first + i));
		open_ends(&ends, SOCK_DGRAM, arguments);
		pass_request(&ends, atoi(arguments[7]));
		close(ends.client);
		close(ends.server);
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
int exchange_tcp(char **arguments)
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

/* ---- until SIGTERM: … SIZE REPLY_SIZE PAUSE_MS COUNT, at most COUNT if it is not 0; prints how many ---- */

static volatile sig_atomic_t is_over;

static void end_sending(int number)
{
	(void)number;
	is_over = 1;
}

static void send_until_told(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = end_sending;
	action.sa_flags = SA_RESTART;
	if (sigaction(SIGTERM, &action, NULL))
		fail("sigaction");
}

/* SIGTERM cuts it short. */
static void pause_ms(long ms)
{
	const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

/* datagrams: each is answered. */
int send_datagrams(char **arguments)
{
	long count = atol(arguments[9]);
	struct ends ends;
	long sent = 0;

	stay_on_one_processor();
	send_until_told();
	open_ends(&ends, SOCK_DGRAM, arguments);
	for (; !is_over && (count == 0 || sent < count); sent++) {
		pass_request(&ends, atoi(arguments[6]));
		pass_answer(&ends, atoi(arguments[7]));
		pause_ms(atol(arguments[8]));
	}
	printf("%ld\n", sent);
	return 0;
}

static void serve_requests(int listener, size_t size, size_t reply_size)
{
	int fd = accept(listener, NULL, NULL);
	ssize_t got;

	if (fd < 0)
		fail("accept");
	while ((got = recv(fd, buffer, size, MSG_WAITALL)) != 0) {
		if (got != (ssize_t)size)
			fail("recv gave %zd of %zu bytes", got, size);
		send_stream(fd, reply_size);
	}
}

/* requests: over one TCP connection, each after the answer to the one before. */
int send_requests(char **arguments)
{
	size_t size = atoi(arguments[6]);
	size_t reply_size = atoi(arguments[7]);
	long count = atol(arguments[9]);
	struct ends ends;
	long sent = 0;
	pid_t server;

	stay_on_one_processor();
	open_ends(&ends, SOCK_STREAM, arguments);
	server = fork();
	if (server < 0)
		fail("fork");
	if (server == 0) {
		close(ends.client);
		serve_requests(ends.server, size, reply_size);
		exit(0);
	}
	send_until_told();
	if (connect(ends.client, (struct sockaddr *)&ends.server_address, ends.address_size))
		fail("connect");
	for (; !is_over && (count == 0 || sent < count); sent++) {
		send_stream(ends.client, size);
		receive_stream(ends.client, reply_size);
		pause_ms(atol(arguments[8]));
	}
	if (shutdown(ends.client, SHUT_WR))
		fail("shutdown");
	receive_end(ends.client);
	if (waitpid(server, NULL, 0) != server)
		fail("waitpid");
	printf("%ld\n", sent);
	return 0;
}
