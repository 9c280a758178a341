/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's BPF objects, by system calls alone; and a program of somebody else's to stand beside ours. */
#include "tool.h"

#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the oldest build machine's linux/bpf.h; Linux 6.6. */
#define TCX_INGRESS 46
#define TCX_EGRESS 47
#define LINK_TYPE_TCX 11
#define PLACE_FIRST (1U << 3)
#define PLACE_LAST (1U << 4)
#define MOST_PROGRAMS 16

/* As struct bpf_link_info of Linux 6.6 begins for TCX. */
struct tcx_link {
	__u32 type;
	__u32 id;
	__u32 program;
	__u32 padding;
	__u32 ifindex;
	__u32 attach_type;
};

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
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

int show_hooks(char **arguments)
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

/* devices: "NAME tcx INGRESS EGRESS", as hooks, of each device here */
int show_devices(char **arguments)
{
	struct if_nameindex *devices = if_nameindex();

	(void)arguments;
	if (!devices)
		fail("if_nameindex");
	for (struct if_nameindex *device = devices; device->if_index != 0; device++) {
		printf("%s tcx ", device->if_name);
		show_hooks(&device->if_name);
	}
	if_freenameindex(devices);
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

int show_objects(char **arguments)
{
	(void)arguments;
	printf("programs %u\n", count_objects(BPF_PROG_GET_NEXT_ID));
	printf("maps %u\n", count_objects(BPF_MAP_GET_NEXT_ID));
	printf("links %u\n", count_objects(BPF_LINK_GET_NEXT_ID));
	return 0;
}

/* ---- order INTERFACE: "ingress ID …" and "egress ID …", TCX programs in the order in which they run ---- */

static void print_order(unsigned int ifindex, unsigned int type)
{
	__u32 ids[MOST_PROGRAMS];
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = ifindex;
	attr.query.attach_type = type;
	attr.query.prog_ids = (unsigned long)ids;
	attr.query.prog_cnt = MOST_PROGRAMS;
	printf("%s", type == TCX_INGRESS ? "ingress" : "egress");
	if (bpf(BPF_PROG_QUERY, &attr) == 0) {
		for (__u32 i = 0; i < attr.query.prog_cnt; i++)
			printf(" %u", ids[i]);
	} else if (errno != ENOENT && errno != EINVAL) {
		fail("BPF_PROG_QUERY of interface %u", ifindex);
	}
	printf("\n");
}

int show_order(char **arguments)
{
	unsigned int ifindex = if_nametoindex(arguments[0]);

	if (!ifindex)
		fail("%s", arguments[0]);
	print_order(ifindex, TCX_INGRESS);
	print_order(ifindex, TCX_EGRESS);
	return 0;
}

/* ---- programs: "ID NAME INSTRUCTIONS", those that the verifier went through; links: TCX links ---- */

/* The object's descriptor, or -1 where it went meanwhile. */
static int open_object(int command, __u32 id)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_id = id;
	return bpf(command, &attr);
}

static void read_info(int fd, void *info, __u32 size)
{
	union bpf_attr attr;

	memset(info, 0, size);
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = fd;
	attr.info.info_len = size;
	attr.info.info = (unsigned long)info;
	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr))
		fail("BPF_OBJ_GET_INFO_BY_FD");
	close(fd);
}

int show_programs(char **arguments)
{
	union bpf_attr attr;

	(void)arguments;
	memset(&attr, 0, sizeof(attr));
	for (; bpf(BPF_PROG_GET_NEXT_ID, &attr) == 0; attr.start_id = attr.next_id) {
		int fd = open_object(BPF_PROG_GET_FD_BY_ID, attr.next_id);
		struct bpf_prog_info info;

		if (fd < 0)
			continue;
		read_info(fd, &info, sizeof(info));
		printf("%u %s %u\n", info.id, info.name, info.verified_insns);
	}
	return 0;
}

/* runs NAME: how often programs of that name have run since the kernel counts (kernel.bpf_stats_enabled) */
int show_runs(char **arguments)
{
	unsigned long long runs = 0;
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	for (; bpf(BPF_PROG_GET_NEXT_ID, &attr) == 0; attr.start_id = attr.next_id) {
		int fd = open_object(BPF_PROG_GET_FD_BY_ID, attr.next_id);
		struct bpf_prog_info info;

		if (fd < 0)
			continue;
		read_info(fd, &info, sizeof(info));
		if (strcmp(info.name, arguments[0]) == 0)
			runs += info.run_cnt;
	}
	printf("%llu\n", runs);
	return 0;
}

/* "LINK INTERFACE ATTACH_TYPE PROGRAM" */
int show_links(char **arguments)
{
	union bpf_attr attr;

	(void)arguments;
	memset(&attr, 0, sizeof(attr));
	for (; bpf(BPF_LINK_GET_NEXT_ID, &attr) == 0; attr.start_id = attr.next_id) {
		int fd = open_object(BPF_LINK_GET_FD_BY_ID, attr.next_id);
		struct tcx_link info;

		if (fd < 0)
			continue;
		read_info(fd, &info, sizeof(info));
		if (info.type == LINK_TYPE_TCX)
			printf("%u %u %u %u\n", info.id, info.ifindex, info.attach_type, info.program);
	}
	return 0;
}

/* ---- foreign INTERFACE first|last: a TCX program at ingress that passes everything on, until killed ---- */

static int load_foreign(void)
{
	static const char license[] = "GPL";
	const struct bpf_insn passing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	attr.insns = (unsigned long)passing;
	attr.insn_cnt = sizeof(passing) / sizeof(passing[0]);
	attr.license = (unsigned long)license;
	memcpy(attr.prog_name, "foreign", sizeof("foreign"));
	fd = bpf(BPF_PROG_LOAD, &attr);
	if (fd < 0)
		fail("BPF_PROG_LOAD");
	return fd;
}

int hold_foreign(char **arguments)
{
	union bpf_attr attr;
	int program = load_foreign();

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = program;
	attr.link_create.target_ifindex = if_nametoindex(arguments[0]);
	attr.link_create.attach_type = TCX_INGRESS;
	attr.link_create.flags = strcmp(arguments[1], "first") == 0 ? PLACE_FIRST : PLACE_LAST;
	if (bpf(BPF_LINK_CREATE, &attr) < 0)
		fail("BPF_LINK_CREATE");
	pause();
	return 0;
}
