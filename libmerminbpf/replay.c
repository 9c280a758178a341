/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the programs over given packets, without an interface. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "internal.h"

/* GSO_LEGACY_MAX_SIZE of Linux: the longest wire_len a test may state. */
#define WIRE_LENGTH_MOST 65536

/* Room for what a program makes of the packet. */
static int reserve_output(struct merminbpf *handle, uint32_t size)
{
	uint8_t *output;

	if (handle->test_output_size >= size)
		return 0;
	output = realloc(handle->test_output, size);
	if (!output)
		return -ENOMEM;
	handle->test_output = output;
	handle->test_output_size = size;
	return 0;
}

static void describe_packet(struct __sk_buff *context, const struct merminbpf_test_packet *test,
                            uint32_t size)
{
	uint32_t wire_length = test->wire_length < size ? size : test->wire_length;

	context->tstamp = (uint64_t)test->time_high << 32 | test->time_low;
	/* The programs read the mark in a replay (bpf/knobs.bpf.h): it holds longer frames too. */
	context->mark = wire_length;
	context->wire_len = wire_length > WIRE_LENGTH_MOST ? WIRE_LENGTH_MOST : wire_length;
	context->ifindex = test->ifindex;
	context->ingress_ifindex = test->ingress_ifindex;
	context->gso_segs = test->gso_segments;
	context->gso_size = test->gso_size;
}

MERMINBPF_API int merminbpf_test_run(struct merminbpf *handle, const void *packet, uint32_t size,
                                     struct merminbpf_test_packet *test)
{
	struct __sk_buff context = { 0 };
	int fd = program_descriptor(handle, test->egress);
	int error;

	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = size, .ctx_in = &context,
	            .ctx_size_in = sizeof(context), .repeat = test->repeat ? (int)test->repeat : 1);

	if (fd < 0)
		return fd;
	if (reserve_output(handle, size))
		return failure_set(&handle->failure, -ENOMEM, "Cannot allocate room for a packet");
	describe_packet(&context, test, size);
	options.data_out = handle->test_output;
	options.data_size_out = size;
	error = bpf_prog_test_run_opts(fd, &options);
	/* -ENOSPC: the program made the packet longer than it was. */
	if (error && error != -ENOSPC)
		return failure_set(&handle->failure, error, "Cannot run the program on a packet of %u bytes",
		                   size);
	test->verdict = options.retval;
	test->duration_ns = options.duration;
	test->changed =
		error || options.data_size_out != size || memcmp(handle->test_output, packet, size) != 0;
	return 0;
}
