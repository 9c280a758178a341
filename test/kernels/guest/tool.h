/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the guest's tool. A command gets its words, counted by main, and returns the exit code. */
#ifndef TOOL_H
#define TOOL_H

#define BUFFER_BYTES 65536
#define EXCHANGE_SECONDS 60

/* Prints the text with the reason in errno, and ends the process with 1. */
__attribute__((format(printf, 1, 2), noreturn)) void fail(const char *format, ...);

/* "root" is the namespace of the guest's init, any other name one of /run/netns. */
void enter_namespace(const char *name);

/*
 * Keeps what this process sends on one processor, and with it the soft interrupts that carry it: a sender
 * that moves can overtake its own packets, and TCP would answer with options whose bytes nobody planned.
 */
void stay_on_one_processor(void);

int exchange_udp(char **arguments);
int exchange_tcp(char **arguments);
int spread_datagrams(char **arguments);
int send_datagrams(char **arguments);
int send_requests(char **arguments);

int show_hooks(char **arguments);
int show_devices(char **arguments);
int show_objects(char **arguments);
int show_order(char **arguments);
int show_programs(char **arguments);
int show_runs(char **arguments);
int show_links(char **arguments);
int hold_foreign(char **arguments);

#endif
