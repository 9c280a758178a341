/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmerminbpf: what the agent needs of libbpf and the kernel, callable through a foreign function
 * interface. Rules of every function:
 *  - returns 0 or a count, or a negative errno; the text of the last failure is merminbpf_error();
 *  - buffers belong to the caller, are never kept and never written past the stated size;
 *  - 64-bit times and numbers cross as two 32-bit halves (low, high) or in caller's buffers;
 *  - never prints, never calls back, allocates nothing on the poll path (ring, scan, take, counters).
 * A handle is used by one thread at a time. Structures of flow.h cross unchanged.
 */
#ifndef MERMINBPF_H
#define MERMINBPF_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An opened BPF object with its maps, programs, links, ring and lock. Opaque. */
struct merminbpf;

/* The schema version of flow.h that this library was built with. */
uint32_t merminbpf_schema_version(void);

/* ---- object.c: open, configure, load, close ---- */

/*
 * Opens the ELF object of `size` bytes; the bytes may be freed afterwards. NULL on failure, with
 * the reason in merminbpf_error(NULL). Nothing is created in the kernel yet.
 */
struct merminbpf *merminbpf_object_open(const void *elf, uint32_t size);

/*
 * Sets a knob: a `const volatile` scalar of 1, 2, 4 or 8 bytes in the object's .rodata, by its name.
 * Before load only. -ENOENT: no such knob; -ERANGE: value does not fit; -EBUSY: already loaded.
 */
int merminbpf_knob_set(struct merminbpf *handle, const char *name, uint32_t low, uint32_t high);

/*
 * Sets an array in the object's .rodata by its name; `size` must be the array's own. Before load only. Errors
 * as merminbpf_knob_set; -ERANGE: another size.
 */
int merminbpf_knob_write(struct merminbpf *handle, const char *name, const void *bytes, uint32_t size);

/* Sets max_entries of a map (bytes for a ring buffer) by its name. Before load only. */
int merminbpf_map_size_set(struct merminbpf *handle, const char *map, uint32_t max_entries);

/*
 * Creates the maps, verifies and loads the programs, maps SCAN and the ring into memory. On failure
 * merminbpf_error() ends with the verifier's last lines, where there are any. All programs' log is
 * kept inside the handle. -EPERM/-EACCES: privilege; -EALREADY: loaded before.
 */
int merminbpf_object_load(struct merminbpf *handle);

/* ---- pins.c: what outlives the handle ---- */

/*
 * Before load, with the lock held: maps that an earlier agent has pinned in `directory` will be used instead
 * of new ones. `keep`: what is not there is pinned at load, and closing the handle leaves pins, links and
 * filters as they are; else closing detaches. Links pinned there are taken over by merminbpf_hook_attach in
 * either case. Returns the number of maps found, or -EEXIST where one has another type or size: then no map
 * is used or pinned, and the text names it.
 */
int merminbpf_pins_use(struct merminbpf *handle, const char *directory, uint32_t keep);

/*
 * Detaches and removes the pinned links, of whatever schema version, that no hook of the handle is. Returns
 * their number.
 */
int merminbpf_pins_prune(struct merminbpf *handle);

/* Removes the pins of the maps that are used: at the end, once everything is told and detached. */
int merminbpf_pins_remove(struct merminbpf *handle);

/* The scan generation that the programs have now. */
uint32_t merminbpf_scan_generation(struct merminbpf *handle);

/*
 * Applies `count` struct flow_exported_entry in their order: writes each to FLOW_EXPORTED, or to FLOW_TAKEN
 * where its flow is there by now, or, where it says that the flow has ended, removes it from FLOW_EXPORTED
 * and FLOW_TAKEN. The packets of an entry that ends are all that the flow ever counted. Returns how many had
 * no room. Does nothing where nothing is pinned.
 */
int merminbpf_exported_write(struct merminbpf *handle, const void *entries, uint32_t count);

/*
 * Reads up to `max` entries of FLOW_EXPORTED, or FLOW_TAKEN (`taken` 1), one after the other: keys of 48
 * bytes, values of 176 resp. 432. 0: the end; the next call begins anew. Nobody may write meanwhile.
 */
int merminbpf_kept_next(struct merminbpf *handle, uint32_t taken, void *keys, void *values, uint32_t max);

/* Instructions the verifier processed for a program, by its name. */
int merminbpf_program_verified_instructions(struct merminbpf *handle, const char *program);

/*
 * Run time in ns and run count of a program as four words (ns low, ns high, runs low, runs high).
 * Counted only while statistics are enabled (merminbpf_run_statistics_enable, or the sysctl).
 */
int merminbpf_program_run_statistics(struct merminbpf *handle, const char *program, uint32_t *words);

/* Turns on the kernel's run statistics until the handle is closed. */
int merminbpf_run_statistics_enable(struct merminbpf *handle);

/* Detaches what is attached, unmaps, closes everything. NULL is allowed; the handle is gone. */
void merminbpf_object_close(struct merminbpf *handle);

/* Text of the last failure of this handle (of this thread, where handle is NULL). Never NULL; valid
 * until the next call. */
const char *merminbpf_error(const struct merminbpf *handle);

/* ---- attach.c ---- */

enum merminbpf_attach_mode {
	MERMINBPF_ATTACH_AUTO = 0, /* TCX; clsact where the kernel refuses TCX */
	MERMINBPF_ATTACH_TCX = 1,
	MERMINBPF_ATTACH_CLSACT = 2,
};

enum merminbpf_attach_order {
	MERMINBPF_ORDER_FIRST = 0, /* before every other program */
	MERMINBPF_ORDER_LAST = 1,
};

/*
 * Attaches the ingress (egress = 0) or egress (1) program to an interface of the current network
 * namespace. Returns the mode used (MERMINBPF_ATTACH_TCX or _CLSACT). clsact: makes the qdisc if
 * there is none, adds a direct-action filter with `tc_priority` (1 to 65,535); an own filter of the same
 * priority left by a killed agent is replaced in place, of other priorities (and by TCX: of any) removed.
 * -EEXIST: this handle is attached there; -EBUSY: the filter at our priority and handle is not ours. The
 * programs learn of it (SCAN's attached_generation): what was seen nowhere else before proves nothing of a
 * new hook.
 */
int merminbpf_hook_attach(struct merminbpf *handle, uint32_t ifindex, uint32_t egress, uint32_t mode,
                          uint32_t order, uint32_t tc_priority);

/*
 * Detaches one hook. With clsact the filter is removed, and the qdisc too when an agent made it (its
 * filters say so) and nothing else hangs on it. -ENOENT: not attached. An interface that is gone is success.
 */
int merminbpf_hook_detach(struct merminbpf *handle, uint32_t ifindex, uint32_t egress);

/*
 * Stops the programs, all at one moment: they return at once from here on, for good, and none is still
 * running when this returns (after 10 to 50 ms). What they counted stays to be read.
 */
int merminbpf_counting_stop(struct merminbpf *handle);

/*
 * Ids of the programs the kernel runs at this hook, in order: those attached by TCX, then those of the
 * clsact filters of kind bpf by priority. Returns their number, at most max; used to tell who else is
 * there. Every agent's are among them, ours by merminbpf_program_id.
 */
int merminbpf_hook_programs(struct merminbpf *handle, uint32_t ifindex, uint32_t egress, uint32_t *ids,
                            uint32_t max);

/* The kernel's id of our ingress (0) or egress (1) program. */
int merminbpf_program_id(struct merminbpf *handle, uint32_t egress);

/*
 * Takes the exclusive lock of this host (flock on the directory `path`, created where missing with mode
 * 0700; freed by the kernel when the process ends). -EWOULDBLOCK: held by another agent; -EALREADY: by
 * this handle. Who waits for it finds `label` (at most 249 bytes; empty: none) among the holder's
 * descriptors, as the name of a memfd.
 */
int merminbpf_lock_acquire(struct merminbpf *handle, const char *path, const char *label);

/* ---- task.c: what may wait for the kernel's lock of the network configuration, by a thread of the library
 * ---- */

#define MERMINBPF_TASKS_MAX 32
#define MERMINBPF_BEFORE_MAX 8

enum merminbpf_task_kind {
	MERMINBPF_TASK_LIST = 1,   /* lists the interfaces: merminbpf_links_listed */
	MERMINBPF_TASK_ATTACH = 2, /* both sides of an interface, or none */
	MERMINBPF_TASK_DETACH = 3, /* both sides; not attached is success */
	MERMINBPF_TASK_LOOK = 4,   /* who is at the hooks */
};

struct merminbpf_task {
	uint32_t kind;
	uint32_t ifindex;
	uint32_t mode; /* this and the next two: ATTACH, as merminbpf_hook_attach */
	uint32_t order;
	uint32_t tc_priority;
	/* out */
	int32_t result;           /* LIST: interfaces; ATTACH: the mode used; else 0; or -errno */
	uint32_t ours[2];         /* LOOK, ingress and egress: 1 where our program is there */
	uint32_t before_count[2]; /* LOOK: programs that run before ours, the first of them */
	uint32_t before[2][MERMINBPF_BEFORE_MAX];
	char text[160]; /* of the failure */
};

/* Asks for a task. Tasks are done in order. -EAGAIN: as many as there may be are under way or not read. */
int merminbpf_task_add(struct merminbpf *handle, const struct merminbpf_task *task);

/* Reads the next task that is done. Returns 1, or 0 where there is none. Never waits. */
int merminbpf_task_next(struct merminbpf *handle, struct merminbpf_task *task);

/* ---- drain.c, flows.c: the poll path ---- */

/*
 * Copies records of FLOW_EVENTS into `buffer`: each is its length in bytes (32-bit), 4 zero bytes, then
 * the record padded to 8 bytes. Discarded records are passed over. Returns bytes written, 0 when the
 * ring is empty or its next record is still being written. A record that does not fit stays in the
 * ring; -ENOSPC: not even the first one fits.
 */
int merminbpf_ring_drain(struct merminbpf *handle, void *buffer, uint32_t size);

/* Bytes produced and not yet consumed. */
uint32_t merminbpf_ring_pending(struct merminbpf *handle);

/*
 * Begins a scan: publishes `generation` and the heartbeat to the programs and rewinds the cursor.
 */
int merminbpf_scan_begin(struct merminbpf *handle, uint32_t generation);

/*
 * Reads up to `max` entries (>= 512) of FLOW_STATS: keys 48 bytes, values 256 bytes each, in the order
 * of the table. Returns their number, or MERMINBPF_SCAN_END. An entry that lives during the whole
 * scan is read once. `since`: unless 0, flows without a packet in that scan generation or later are passed
 * over, but for those with details or with packets that a candidate holds; a slice may then be empty.
 * `details`: 320 bytes each, written only where the value has FLOW_HAS_DETAILS (zero where FLOW_DETAILS has
 * no entry all the same).
 */
#define MERMINBPF_SCAN_END INT32_MAX
int merminbpf_scan_next(struct merminbpf *handle, void *keys, void *values, void *details, uint32_t max,
                        uint32_t since);

/* present[] of merminbpf_flows_take; 0: there was none. */
#define MERMINBPF_FLOW_TAKEN 1
#define MERMINBPF_FLOW_STAYS 2

/*
 * Removes `count` flows by key and stores each one's last value; present[i] says what became of it, and where
 * it was not taken its value says nothing. One stays where flows persist and the end of an earlier flow with
 * its key is not acknowledged, or FLOW_TAKEN is full of such, and, with `quiet`, where it had a packet since
 * the scan began: to be asked for again. Never touches another key. Returns the number taken. After an error
 * present[] still tells which flows were taken; the others may be asked for again. `details` as in
 * merminbpf_scan_next; the entries of FLOW_DETAILS go too. The number goes to SCAN's `removed`. Flows that do
 * not persist go FLOW_REMOVALS (bpf/flow.h) at a time: the CPU handles no packet while one lot goes.
 */
int merminbpf_flows_take(struct merminbpf *handle, const void *keys, uint32_t count, void *values,
                         void *details, uint8_t *present, uint32_t quiet);

/* One flow's value by its key, without removing it. -ENOENT: none. */
int merminbpf_flow_find(struct merminbpf *handle, const void *key, void *value);

/* One flow's entry in FLOW_DETAILS by its key. -ENOENT: none. */
int merminbpf_details_find(struct merminbpf *handle, const void *key, void *details);

/* Entries of FLOW_STATS in use beyond which the programs send FLOW_EVENT_PRESSURE; 0: never. */
int merminbpf_pressure_set(struct merminbpf *handle, uint32_t entries);

/* Entries of FLOW_STATS in use: made by the programs and not taken. */
uint32_t merminbpf_entries_used(struct merminbpf *handle);

/* ---- filter.c: what the programs leave out; knob `filters` set before load ---- */

/* Adds a prefix of `bits` (0 to 128) of a 16-byte address with its mask (enum filter_list), or replaces it.
 */
int merminbpf_filter_prefix_add(struct merminbpf *handle, const void *address, uint32_t bits, uint32_t mask);

/* Writes FILTER_RULES: a struct filter_rules. */
int merminbpf_filter_rules_set(struct merminbpf *handle, const void *rules);

/* ---- counters.c ---- */

/* Sums COUNTERS over the CPUs: `max` struct counter. Returns how many were written. */
int merminbpf_counters_read(struct merminbpf *handle, void *counters, uint32_t max);

/*
 * Packets of COUNTER_ACCOUNTED that agents before this one have told and that were acknowledged, two words
 * (low, high). What an agent of another schema version has set off of these counters is taken back: the flows
 * that it could not read are told from here on.
 */
int merminbpf_account_resume(struct merminbpf *handle, uint32_t *told);

/*
 * What agents have shown of COUNTERS: as merminbpf_counters_read. Of COUNTER_ACCOUNTED only the bytes mean
 * something.
 */
int merminbpf_shown_read(struct merminbpf *handle, void *counters, uint32_t max);

/* Writes what is shown from here on: `count` struct counter, as merminbpf_counters_read gave them. */
int merminbpf_shown_write(struct merminbpf *handle, const void *counters, uint32_t count);

/*
 * What programs of other agents counted in pinned maps that this handle does not use, and that nobody told,
 * showed or set off before: `max` struct counter, of COUNTER_ACCOUNTED the packets alone. From here on it is
 * set off. To be called once their programs are replaced or detached. Returns how many were written.
 */
int merminbpf_counters_set_off(struct merminbpf *handle, void *counters, uint32_t max);

/* ---- link.c, interface.c: interfaces by rtnetlink, in the watched network namespace ---- */

struct merminbpf_link {
	uint32_t ifindex;
	uint32_t parent_ifindex; /* IFLA_LINK: VLAN's device, veth's peer; 0 none */
	uint32_t master_ifindex; /* IFLA_MASTER: bridge, bond, vrf; 0 none */
	int32_t parent_netns_id; /* IFLA_LINK_NETNSID; -1: parent is in this namespace */
	uint32_t flags;          /* IFF_* */
	uint32_t mtu;
	uint64_t packets[2]; /* received, sent, as the device counts them */
	uint16_t type;       /* ARPHRD_* */
	uint8_t address[6];  /* zero where there is none or it is not 6 bytes */
	char name[16];
	char kind[16];        /* IFLA_INFO_KIND; empty for a physical device */
	char master_kind[16]; /* kind of the master (IFLA_INFO_SLAVE_KIND) */
};

/*
 * Lists the interfaces. Returns their number, or -ENOSPC where there are more than max; the error text is
 * merminbpf_error(NULL). -EINTR: they kept changing; ask again later.
 */
int merminbpf_links_list(struct merminbpf_link *links, uint32_t max);

/* The interfaces of the last LIST task that was read by merminbpf_task_next, until the next is asked for. */
int merminbpf_links_listed(struct merminbpf *handle, struct merminbpf_link *links, uint32_t max);

#define MERMINBPF_GONE_MAX 1024

struct merminbpf_link_notices {
	uint32_t changed; /* 1 where anything did */
	uint32_t lost;    /* 1 where there were more notices than room: everything may have changed */
	uint32_t gone_count;
	uint32_t gone[MERMINBPF_GONE_MAX]; /* indexes whose device went; another may have them now */
};

/*
 * Subscribes to link changes (first call); later calls tell what changed since the last. Never blocks.
 */
int merminbpf_links_changed(struct merminbpf *handle, struct merminbpf_link_notices *notices);

/* Writes an interface's entry in INTERFACES (zero counters) resp. RELATED_INTERFACES. */
int merminbpf_interface_add(struct merminbpf *handle, uint32_t ifindex, uint32_t link_layer);
int merminbpf_interface_relate(struct merminbpf *handle, uint32_t ifindex, const uint32_t *same_side,
                               uint32_t opposite_side);
/* Removes both. -ENOENT is success. */
int merminbpf_interface_remove(struct merminbpf *handle, uint32_t ifindex);
/* Sums an interface's counters over the CPUs into a struct interface_stats. */
int merminbpf_interface_read(struct merminbpf *handle, uint32_t ifindex, void *stats);

/* ---- diag.c, namespace.c: who answers, in any network namespace ---- */

struct merminbpf_listener {
	uint8_t protocol;    /* IPPROTO_TCP, IPPROTO_UDP */
	uint8_t ip_version;  /* 4, 6; 0: both, as a socket on :: without IPV6_V6ONLY */
	uint16_t port;       /* host order */
	uint8_t address[16]; /* network order, IPv4 mapped; zero: any */
	uint32_t ifindex;    /* the interface that it is bound to; 0: none */
	uint64_t cgroup_id;  /* cgroup v2 of who made it, as its folder's inode number; 0: unknown */
};

/*
 * Names the network namespace whose interfaces are watched: listed, followed, attached to, asked who answers.
 * Empty: the process' own. Holds for every handle, and is called before all else. -EPERM: lacks
 * CAP_SYS_ADMIN. The text is merminbpf_error(NULL).
 */
int merminbpf_namespace_watch(const char *path);

/*
 * Reads a file as it is seen from that namespace, /proc/thread-self/net/route for one. Returns its bytes, at
 * most `size`. The text is merminbpf_error(NULL).
 */
int merminbpf_namespace_read(const char *path, void *buffer, uint32_t size);

/*
 * `namespace_fd` is a descriptor of /proc/<pid>/ns/net or of a file like it, negative: the watched namespace.
 * The thread is in that namespace during the call and back when it returns: entering needs CAP_SYS_ADMIN,
 * opening another user's file in /proc CAP_SYS_PTRACE. The error text is merminbpf_error(NULL).
 */

/*
 * TCP sockets that listen, and unconnected UDP sockets whose port is outside of the namespace's
 * net.ipv4.ip_local_port_range, which is written to `port_range` (first, last; zero: not known). Returns
 * their number; `max`: there may be more.
 */
int merminbpf_listeners_list(int32_t namespace_fd, struct merminbpf_listener *listeners, uint32_t max,
                             uint16_t *port_range);

/* Addresses of every interface, 16 bytes each, IPv4 mapped. Returns as merminbpf_listeners_list. */
int merminbpf_addresses_list(int32_t namespace_fd, uint8_t *addresses, uint32_t max);

/*
 * What the watched namespace calls another one (merminbpf_link.parent_netns_id). -ENOENT: it has no name for
 * it, so that no interface leads there.
 */
int merminbpf_namespace_id(int32_t namespace_fd);

/* As merminbpf_links_changed, of the addresses of the watched namespace. */
int merminbpf_addresses_changed(struct merminbpf *handle);

/* ---- conntrack.c ---- */

/*
 * A connection that the watched namespace translates: its keys (struct flow_key) as the initiator's packets
 * have them before and after. Ways lead from the initiator to the responder. Two connections may have the
 * same key at a time in two zones of conntrack's, and then be translated in two ways; 0 is the default zone.
 */
struct merminbpf_translation {
	uint8_t original[48];
	uint8_t translated[48];
	uint8_t original_way;
	uint8_t translated_way;
	uint8_t is_gone; /* the connection has ended */
	uint8_t padding;
	uint16_t original_zone;   /* in which the key `original` is, host order */
	uint16_t translated_zone; /* likewise */
};

/*
 * Subscribes to the beginnings and ends of translated connections, and opens the way to list them. A second
 * call begins anew. `receive_bytes`: what the kernel keeps of events that were not read. Negative errno where
 * the kernel has no conntrack, or no ctnetlink; merminbpf_conntrack_list may be the first to tell.
 */
int merminbpf_conntrack_open(struct merminbpf *handle, uint32_t receive_bytes);

/* Ends both; NULL and a handle that follows nothing are fine. */
void merminbpf_conntrack_close(struct merminbpf *handle);

/* Takes the events that wait, `max` at most, and reads no more datagrams than that. Never waits. */
int merminbpf_conntrack_read(struct merminbpf *handle, struct merminbpf_translation *rows, uint32_t max);

/*
 * 1 where events were lost since the last call: what is listed from now on has them. It is told once all that
 * waited is read: until then the kernel goes on losing, silently.
 */
int merminbpf_conntrack_overrun(struct merminbpf *handle);

/* Begins to list the translated connections; the listing before must have come to its end. */
int merminbpf_conntrack_list(struct merminbpf *handle);

/*
 * Goes on with a listing by what the kernel gives at once, at most 32 KiB: `max` of 512 has room for it. An
 * entry may come twice. Returns the rows filled, which may be 0; -ENODATA: the listing is complete, -EINTR:
 * at its end, and may lack entries.
 */
int merminbpf_conntrack_listed(struct merminbpf *handle, struct merminbpf_translation *rows, uint32_t max);

/* ---- clock.c ---- */

/*
 * CLOCK_MONOTONIC and CLOCK_REALTIME, read together: 4 words (monotonic low, high, real low, high).
 * CLOCK_MONOTONIC is that of the initial time namespace, as the programs have it.
 */
int merminbpf_clock_read(uint32_t *words);

/* ---- registry.c: what agents have in the kernel, this one or others, dead or alive; texts by
 * merminbpf_error(NULL) ---- */

#define MERMINBPF_PROGRAM_MAPS_MAX 32

struct merminbpf_program {
	uint32_t id;
	uint32_t map_count;
	uint32_t map_ids[MERMINBPF_PROGRAM_MAPS_MAX];
	char name[16];
};

/* A program at a hook. */
struct merminbpf_attached {
	uint32_t id; /* of the link, or the filter's handle */
	uint32_t program_id;
	uint32_t ifindex; /* of the namespace that the hook is in; 0 where the interface is gone */
	uint32_t egress;
	uint32_t tc_priority; /* 0: a TCX link */
	uint32_t is_here;     /* 1: the interface is one of the watched namespace */
	uint32_t made_qdisc;  /* filter: an agent made the qdisc that it hangs on */
};

/* Loaded programs whose names begin with mermin_. Returns their number; -ENOSPC: more than max. */
int merminbpf_programs_list(struct merminbpf_program *programs, uint32_t max);

/* Name of a map by its id, 16 bytes. */
int merminbpf_map_name(uint32_t id, char *name, uint32_t size);

/* TCX links of these programs, in whatever network namespace. As merminbpf_programs_list. */
int merminbpf_links_of(const uint32_t *programs, uint32_t program_count, struct merminbpf_attached *rows,
                       uint32_t max);

/* The id of the TCX link that is pinned at a path. -EINVAL: something else is. */
int merminbpf_link_pinned(const char *path);

/* Detaches a link by its id. One that is gone is success. */
int merminbpf_link_remove(uint32_t id);

/* Our filters at an interface of the watched namespace, by handle and name. As merminbpf_programs_list. */
int merminbpf_filters_of(uint32_t ifindex, struct merminbpf_attached *rows, uint32_t max);

/*
 * Removes our filters of an interface, and its qdisc where an agent made it and nothing else hangs on it.
 * Returns how many filters were removed.
 */
int merminbpf_filters_remove(uint32_t ifindex);

/* ---- replay.c ---- */

struct merminbpf_test_packet {
	uint32_t wire_length; /* length on the wire, >= size; 0: size */
	uint32_t time_low;    /* __sk_buff.tstamp, ns */
	uint32_t time_high;
	uint32_t ifindex; /* an existing interface, or 0 for loopback */
	uint32_t ingress_ifindex;
	uint32_t gso_segments;
	uint32_t gso_size;
	uint32_t egress; /* which program */
	uint32_t repeat; /* 0 and 1: once */
	/* out */
	uint32_t verdict;
	uint32_t duration_ns; /* mean of a run */
	uint32_t changed;     /* 1 if the packet's bytes differ afterwards */
};

/*
 * Runs a program once (or `repeat` times) over a packet of `size` bytes with an Ethernet header
 * (BPF_PROG_TEST_RUN). The kernel refuses short packets (-EINVAL). wire_length is given to the program
 * as __sk_buff.mark, and as wire_len capped at 65,536.
 */
int merminbpf_test_run(struct merminbpf *handle, const void *packet, uint32_t size,
                       struct merminbpf_test_packet *test);

#ifdef __cplusplus
}
#endif

#endif
