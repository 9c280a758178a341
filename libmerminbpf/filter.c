/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs leave out: prefixes and rules, written before the first hook is attached. */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "internal.h"

#define ADDRESS_BITS 128

MERMINBPF_API int merminbpf_filter_prefix_add(struct merminbpf *handle, const void *address, uint32_t bits,
                                              uint32_t mask)
{
	struct filter_prefix prefix = { .bits = bits };
	int fd = map_descriptor(handle, MAP_FILTER_ADDRESSES);
	int error;

	if (fd < 0)
		return fd;
	if (bits > ADDRESS_BITS)
		return failure_set(&handle->failure, -EINVAL, "A prefix has %d bits at most, not %u",
		                   ADDRESS_BITS, bits);
	memcpy(prefix.address, address, sizeof(prefix.address));
	error = bpf_map_update_elem(fd, &prefix, &mask, BPF_ANY);
	if (error)
		return failure_set(&handle->failure, error, "Cannot add a prefix of %u bits", bits);
	return 0;
}

MERMINBPF_API int merminbpf_filter_rules_set(struct merminbpf *handle, const void *rules)
{
	int fd = map_descriptor(handle, MAP_FILTER_RULES);
	uint32_t zero = 0;
	int error = fd < 0 ? fd : bpf_map_update_elem(fd, &zero, rules, BPF_ANY);

	if (error && fd >= 0)
		return failure_set(&handle->failure, error, "Cannot set the filter rules");
	return error;
}
