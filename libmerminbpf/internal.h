/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the shim share: the handle, its error text, netlink dumps. */
#ifndef MERMINBPF_INTERNAL_H
#define MERMINBPF_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/bpf.h>
#include <linux/netlink.h>

#include "flow.h"
#include "merminbpf.h"

#define MERMINBPF_API __attribute__((visibility("default")))

#define NOTES_SIZE 1024 /* libbpf's warnings, newest kept */
#define LOG_SIZE 3072   /* the verifier's last lines */
#define MESSAGE_SIZE 512

/* Text of the last failure: what was tried, libbpf's notes, the verifier's last lines. */
struct failure {
	char notes[NOTES_SIZE];
	char log[LOG_SIZE];
	char text[MESSAGE_SIZE + NOTES_SIZE + LOG_SIZE];
};

enum map_name {
	MAP_FLOW_STATS,
	MAP_FLOW_EVENTS,
	MAP_INTERFACES,
	MAP_INTERFACES_DIRECT,
	MAP_RELATED_INTERFACES,
	MAP_SCAN,
	MAP_COUNTERS,
	MAP_FLOW_DETAILS,
	MAP_FILTER_ADDRESSES,
	MAP_FILTER_RULES,
	MAP_TABLE_USE,
	MAP_FLOW_EXPORTED,
	MAP_FLOW_TAKEN,
	MAP_REMOVALS,
	MAP_NAMES,
};

/* The mapped ring buffer: Linux maps its data twice in a row, so that no record is split. */
struct ring {
	uint64_t *consumer_position; /* one page, writable */
	const uint64_t *producer_position;
	const uint8_t *data;
	uint32_t mask; /* size - 1 */
};

enum cursor_state { CURSOR_START, CURSOR_INSIDE, CURSOR_END };

struct hook {
	uint32_t ifindex;
	uint32_t egress;
	uint32_t mode;          /* enum merminbpf_attach_mode, never AUTO */
	uint32_t priority;      /* clsact */
	int program_fd;         /* of the handle */
	int link_fd;            /* TCX */
	uint32_t filter_handle; /* clsact */
	bool made_qdisc;        /* clsact: an agent made the interface's qdisc */
};

struct bpf_object;
struct bpf_program;

/* The subscription to conntrack and the socket of its listings; -1: not open. */
struct conntrack {
	int events_fd;
	int listing_fd;
	uint32_t listing; /* which of the requests of a listing is being answered */
	bool is_interrupted;
	bool is_losing;   /* the kernel drops events until those that wait are read */
	bool has_overrun; /* it has dropped some, and does no more */
};

enum load_state { LOAD_NONE, LOAD_DONE, LOAD_FAILED };

struct merminbpf {
	struct bpf_object *object;
	struct bpf_program *programs[2]; /* ingress, egress; NULL where the object has none */
	struct bpf_program *remover;     /* flows_remove, likewise */
	enum load_state state;
	int maps[MAP_NAMES]; /* descriptors, or -ENOENT */
	uint32_t counters_size;
	uint32_t cpus; /* possible CPUs: the number of values of a per-CPU entry */
	void *per_cpu; /* one per-CPU entry of the largest kind */

	struct ring ring;
	struct scan_state *scan;
	struct flow_removal *removals; /* FLOW_REMOVALS of them; NULL where the object has none */
	enum cursor_state cursor_state;
	uint64_t cursor; /* opaque to us; the kernel writes 4 bytes for a hash */

	char pin_directory[128]; /* empty: nothing is pinned, nor looked for */
	bool keeps_pins;         /* what is pinned and attached outlives the handle */
	bool has_other_links;    /* of another schema version, pinned there when it was looked at first */
	bool keeps_exported;     /* FLOW_EXPORTED and FLOW_TAKEN are of use to an agent after this one */
	bool has_kept_key;       /* kept_key is the last one read */
	bool is_kept_end;        /* the next answer of merminbpf_kept_next is the end */
	struct flow_key kept_key;

	/* The tasks' thread's where there is one: others wait for it (tasks_wait) before they look. */
	struct hook *hooks;
	uint32_t hook_count;
	struct tasks *tasks;
	bool is_stopped; /* the programs count no more */

	uint8_t *test_output;
	uint32_t test_output_size;

	int lock_fd;
	int label_fd; /* while the lock is held */
	int links_fd;
	int addresses_fd;
	struct conntrack conntrack;
	int statistics_fd;

	struct failure failure;
};

/* ---- error.c ---- */

/*
 * Collects libbpf's messages of this thread in a failure, until failure_set or failure_end. Every
 * function that calls libbpf for more than a system call does so.
 */
void failure_begin(struct failure *failure);

/* After success: what was collected is forgotten. */
void failure_end(void);

/*
 * Writes the text of a failure: the message, ": " and the name of `error` (negative errno), then what
 * was collected since failure_begin. Ends the collecting. Returns `error`.
 */
int failure_set(struct failure *failure, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The failure of this thread for functions without a handle. */
struct failure *failure_of_thread(void);

/* ---- object.c ---- */

/* Descriptor of a map, or -ENOENT with a text. */
int map_descriptor(struct merminbpf *handle, enum map_name name);

/* ---- program.c ---- */

/* Names of the ingress and the egress program in the object. */
extern const char *const program_names[2];

/* Descriptor of the ingress (0) or egress (1) program, or -ENOENT with a text. */
int program_descriptor(struct merminbpf *handle, uint32_t egress);

/* As program_descriptor, without a text: from any thread. */
int program_descriptor_quietly(const struct merminbpf *handle, uint32_t egress);

/* The kernel's id of a program. */
int program_id_of(int fd);

/* ---- attach.c ---- */

/* As the functions of merminbpf.h of these names, with the failure of the calling thread. */
int hook_attach(struct merminbpf *handle, struct failure *failure, const struct merminbpf_task *task,
                uint32_t egress);
int hook_detach(struct merminbpf *handle, struct failure *failure, uint32_t ifindex, uint32_t egress);
int hook_programs(struct failure *failure, uint32_t ifindex, uint32_t egress, uint32_t *ids, uint32_t max);

/* Detaches every hook. */
void hooks_close(struct merminbpf *handle);

/* Whether this handle is attached there by a link. */
bool hook_has_link(struct merminbpf *handle, uint32_t ifindex, uint32_t egress);

/* Waits until every run of a program that has begun has ended. */
void runs_wait(void);

/* ---- counters.c ---- */

/* Adds to an account (enum counter_account) of the handle's own counters. */
int account_add(const struct merminbpf *handle, uint32_t account, uint64_t packets);

/* ---- task.c ---- */

/* Waits until no task is under way. */
void tasks_wait(struct merminbpf *handle);

/* Waits as tasks_wait, and ends the thread. */
void tasks_close(struct merminbpf *handle);

/* ---- link.c ---- */

/* The interfaces of the watched namespace, in an array that grows. */
struct link_table {
	struct merminbpf_link *links;
	uint32_t count;
	uint32_t capacity;
};

/* Lists them anew. Returns their number. */
int links_read(struct failure *failure, struct link_table *table);

/* ---- tcx.c ---- */

int bpf_call(enum bpf_cmd command, void *attributes, size_t size);
int tcx_attach(const struct merminbpf *handle, struct failure *failure, struct hook *hook, uint32_t order);
void tcx_detach(const struct merminbpf *handle, const struct hook *hook);
int tcx_programs(uint32_t ifindex, uint32_t egress, uint32_t *ids, uint32_t max);

/* ---- pinned_link.c ---- */

/*
 * Gives the pinned TCX link of a hook its program: 0, and the link in hook->link_fd. One that an agent of
 * another schema version pinned becomes this one's. -ENOENT: there is none, or it was of an interface that is
 * gone (then it is removed).
 */
int pinned_link_take(const struct merminbpf *handle, struct failure *failure, struct hook *hook,
                     uint32_t attach_type);

/* Pins a hook's link, where pins are kept. */
int pinned_link_make(const struct merminbpf *handle, struct failure *failure, const struct hook *hook);

/* Removes the pin of a hook's link, if there is one. */
void pinned_link_remove(const struct merminbpf *handle, const struct hook *hook);

/* Detaches the pinned link of a hook that is attached by a filter from now on, if there is one. */
void pinned_link_drop(const struct merminbpf *handle, const struct hook *hook);

/* Whether links of another schema version are pinned. */
bool pinned_links_of_others(const struct merminbpf *handle);

/* ---- clsact.c ---- */

/* Adds or replaces our filter, making the qdisc where there is none (then sets hook->made_qdisc). */
int clsact_attach(struct failure *failure, struct hook *hook);

/* Removes our filter, and the qdisc where hook->made_qdisc and no filter is left on either side. */
int clsact_detach(struct failure *failure, const struct hook *hook);

/* Removes filters that killed agents left, and their qdisc where an agent made it and nothing else hangs on
 * it. Returns how many filters. */
int clsact_clean(uint32_t ifindex);

/* Ids of the programs of bpf filters, in the order they run; as merminbpf_hook_programs. */
int clsact_programs(uint32_t ifindex, uint32_t egress, uint32_t *ids, uint32_t max);

/* ---- clock.c ---- */

/* CLOCK_MONOTONIC as BPF programs read it, in whatever time namespace this process is. */
uint64_t clock_kernel_ns(void);

/* ---- namespace.c ---- */

#define WATCHED_NAMESPACE (-1)

/*
 * Moves this thread to the network namespace of a descriptor; where it is negative, to the one that is
 * watched (merminbpf_namespace_watch). *home is for namespace_leave, which must follow success before the
 * call of the shim returns.
 */
int namespace_enter(int fd, int *home);
void namespace_leave(int home);

/* namespace_enter(WATCHED_NAMESPACE) with a text. */
int namespace_enter_watched(struct failure *failure, int *home);

/* net.ipv4.ip_local_port_range of this thread's namespace, both inclusive; zero where it cannot be read. */
void namespace_port_range(uint16_t *range);

/* ---- conntrack.c ---- */

void conntrack_close(struct conntrack *conntrack);

/* ---- conntrack_entry.c ---- */

/*
 * The translated connections in a datagram of ctnetlink's, aligned as NLMSG_ALIGNTO. Returns the rows filled:
 * fewer than there are messages, and never more than `max`.
 */
uint32_t conntrack_read_entries(const void *datagram, size_t size, struct merminbpf_translation *rows,
                                uint32_t max);

/* ---- netlink.c ---- */

/* Called for each message of a dump; a non-zero result ends the dump and is returned by it. */
typedef int (*netlink_visit)(const struct nlmsghdr *message, void *context);

/*
 * Sends a dump request and visits the answers. -EINTR: the table changed during the dump, so that the
 * answers may be incomplete: netlink_dump_consistent asks again.
 */
int netlink_dump(int protocol, const struct nlmsghdr *request, netlink_visit visit, void *context);

/* As netlink_dump, asking again after -EINTR, each time after `restart(context)`. */
int netlink_dump_consistent(int protocol, const struct nlmsghdr *request, netlink_visit visit,
                            void (*restart)(void *context), void *context);

/*
 * Opens (first call, with *fd negative, returns 0) a subscription to rtnetlink's RTMGRP_* groups; later calls
 * return 1 if anything came since the last call, also when the kernel dropped notices, else 0. Never blocks.
 */
int netlink_changed(int *fd, uint32_t groups);

/* Opens a socket that is told by rtnetlink's RTMGRP_* groups and does not block, or returns -errno. */
int netlink_subscribe(uint32_t groups);

/*
 * The message at `*at` of a datagram of `size` bytes, and `*at` moved behind it; NULL where no whole one is
 * left. Begins with `*at` of 0.
 */
const struct nlmsghdr *netlink_message(const void *datagram, size_t size, size_t *at);

/* Of an NLMSG_ERROR or NLMSG_DONE: the negative errno it carries, or 0. */
int netlink_carried_error(const struct nlmsghdr *message);

/* The first attribute of `type` in `size` bytes of attributes, with at least `least` bytes of payload. */
const struct nlattr *netlink_attribute(const void *attributes, size_t size, uint16_t type, size_t least);

static inline const void *netlink_payload(const struct nlattr *attribute)
{
	return (const char *)attribute + NLA_HDRLEN;
}

static inline size_t netlink_payload_size(const struct nlattr *attribute)
{
	return attribute->nla_len - NLA_HDRLEN;
}

/* A 32-bit attribute in host order, or `otherwise` where it is missing. */
uint32_t netlink_u32(const void *attributes, size_t size, uint16_t type, uint32_t otherwise);

/* Copies a text attribute, cut to `room` - 1 bytes; empty where it is missing. */
void netlink_text(const void *attributes, size_t size, uint16_t type, char *text, size_t room);

#endif
