/* SPDX-License-Identifier: Apache-2.0 */
/* Forgets every connection that conntrack has in this network namespace, as `conntrack -F` does. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

int main(void)
{
	struct {
		struct nlmsghdr header;
		struct nfgenmsg netfilter;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		},
		.netfilter = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 },
	};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0 || send(fd, &request, sizeof(request), 0) < 0 ||
	    recv(fd, &answer, sizeof(answer), 0) < 0) {
		perror("conntrack");
		return 1;
	}
	if (answer.header.nlmsg_type != NLMSG_ERROR || answer.error.error) {
		fprintf(stderr, "conntrack: %s\n", strerror(-answer.error.error));
		return 1;
	}
	return 0;
}
