/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run by tests inside a namespace: DEVICE BYTES. Sets how large the super-packets of a device may be, for
 * both address families, sending and receiving; `ip` of older distributions knows a part of it.
 */
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/rtnetlink.h>

/* Of Linux 5.19 and 6.3; the headers of older distributions lack some. */
enum size_attribute {
	GSO_MAX_SIZE = 41,
	GRO_MAX_SIZE = 58,
	GSO_IPV4_MAX_SIZE = 63,
	GRO_IPV4_MAX_SIZE = 64,
};

struct size_setting {
	struct rtattr head;
	__u32 bytes;
};

struct request {
	struct nlmsghdr header;
	struct ifinfomsg link;
	struct size_setting settings[4];
};

struct answer {
	struct nlmsghdr header;
	struct nlmsgerr error;
	char rest[512];
};

static int set_sizes(const char *device, __u32 bytes)
{
	static const __u16 attributes[4] = { GSO_MAX_SIZE, GRO_MAX_SIZE, GSO_IPV4_MAX_SIZE,
		                             GRO_IPV4_MAX_SIZE };
	struct request request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_NEWLINK,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		},
		.link = { .ifi_family = AF_UNSPEC, .ifi_index = (int)if_nametoindex(device) },
	};
	struct answer answer = { .error = { .error = -1 } };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	for (int i = 0; i < 4; i++)
		request.settings[i] = (struct size_setting){
			.head = { .rta_len = sizeof(struct size_setting), .rta_type = attributes[i] },
			.bytes = bytes,
		};
	if (fd < 0 || send(fd, &request, sizeof(request), 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0)
		perror("netlink");
	close(fd);
	return answer.error.error;
}

int main(int argc, char **argv)
{
	int error = argc == 3 ? set_sizes(argv[1], (__u32)strtoul(argv[2], NULL, 10)) : -1;

	if (error)
		fprintf(stderr, "cannot set the sizes: %s\n", strerror(-error));
	return error != 0;
}
