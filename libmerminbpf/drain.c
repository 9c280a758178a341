/* SPDX-License-Identifier: Apache-2.0 */
/* The poll path: the ring, the scan, counters. Nothing here allocates. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "internal.h"

/* In the caller's buffer as in the ring: the length, then 4 bytes (here zero). */
#define RECORD_HEADER 8

/* A batch look-up must have room for the longest bucket; the kernel's own users reckon with this. */
#define SCAN_SLICE_LEAST 512

static uint64_t round_up_8(uint64_t size)
{
	return (size + 7) & ~(uint64_t)7;
}

/* Copies one record; the bytes after it up to a multiple of 8 are zero. */
static uint32_t copy_record(uint8_t *target, const uint8_t *record, uint32_t length)
{
	uint32_t padded = (uint32_t)round_up_8(length);
	uint32_t header[2] = { length, 0 };

	memcpy(target, header, sizeof(header));
	memcpy(target + RECORD_HEADER, record, length);
	memset(target + RECORD_HEADER + length, 0, padded - length);
	return RECORD_HEADER + padded;
}

struct drain {
	uint8_t *target;
	uint32_t size;
	uint32_t used;
	uint32_t refused; /* length of the record that had no room; 0: none */
	uint64_t position;
};

/* Copies the records before `end`. False where it stopped at one that is being written or has no room. */
static bool copy_records(const struct ring *ring, struct drain *drain, uint64_t end)
{
	while (drain->position < end) {
		const uint8_t *record = ring->data + (drain->position & ring->mask);
		uint32_t header = __atomic_load_n((const uint32_t *)record, __ATOMIC_ACQUIRE);
		uint32_t length = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		if (header & BPF_RINGBUF_BUSY_BIT)
			return false;
		if (!(header & BPF_RINGBUF_DISCARD_BIT)) {
			if (RECORD_HEADER + round_up_8(length) > drain->size - drain->used) {
				drain->refused = length;
				return false;
			}
			drain->used +=
				copy_record(drain->target + drain->used, record + BPF_RINGBUF_HDR_SZ, length);
		}
		drain->position += BPF_RINGBUF_HDR_SZ + round_up_8(length);
	}
	return true;
}

MERMINBPF_API int merminbpf_ring_drain(struct merminbpf *handle, void *buffer, uint32_t size)
{
	const struct ring *ring = &handle->ring;
	struct drain drain = { .target = buffer, .size = size > INT32_MAX ? INT32_MAX : size };
	bool more = true;

	if (map_descriptor(handle, MAP_FLOW_EVENTS) < 0)
		return -ENOENT;
	drain.position = *ring->consumer_position;
	while (more) {
		uint64_t end = __atomic_load_n(ring->producer_position, __ATOMIC_ACQUIRE);

		if (drain.position >= end)
			break;
		more = copy_records(ring, &drain, end);
		/*
		 * Published before the producer is looked at again: a program that finds the ring consumed
		 * up to its own record may wake the reader, for any other record it relies on this look.
		 */
		__atomic_store_n(ring->consumer_position, drain.position, __ATOMIC_SEQ_CST);
	}
	if (drain.used == 0 && drain.refused)
		return failure_set(&handle->failure, -ENOSPC, "A record of %u bytes has no room in %u",
		                   drain.refused, size);
	return (int)drain.used;
}

MERMINBPF_API uint32_t merminbpf_ring_pending(struct merminbpf *handle)
{
	if (handle->maps[MAP_FLOW_EVENTS] < 0)
		return 0;
	return (uint32_t)(__atomic_load_n(handle->ring.producer_position, __ATOMIC_ACQUIRE) -
	                  *handle->ring.consumer_position);
}

MERMINBPF_API int merminbpf_scan_begin(struct merminbpf *handle, uint32_t generation)
{
	if (map_descriptor(handle, MAP_SCAN) < 0 || map_descriptor(handle, MAP_FLOW_STATS) < 0)
		return -ENOENT;
	__atomic_store_n(&handle->scan->heartbeat_ns, clock_kernel_ns(), __ATOMIC_RELAXED);
	if (!handle->is_stopped)
		__atomic_store_n(&handle->scan->generation, generation, __ATOMIC_RELEASE);
	handle->cursor_state = CURSOR_START;
	return 0;
}

/* Fills the rows of the flows that have details. -errno where the kernel refuses to be read. */
static int read_details(struct merminbpf *handle, const void *keys, const void *values, void *details,
                        uint32_t count)
{
	int fd = handle->maps[MAP_FLOW_DETAILS];
	const struct flow_key *key = keys;
	const struct flow_stats *value = values;
	struct flow_details *row = details;

	for (uint32_t i = 0; i < count; i++) {
		int error;

		if (!(value[i].flags & FLOW_HAS_DETAILS))
			continue;
		error = fd < 0 ? -ENOENT : bpf_map_lookup_elem(fd, &key[i], &row[i]);
		if (error == -ENOENT)
			memset(&row[i], 0, sizeof(row[i]));
		else if (error)
			return failure_set(&handle->failure, error, "Cannot read the details of a flow");
	}
	return (int)count;
}

/* Whether there was a packet in scan generation `since` or later. */
static bool way_has_news(const struct flow_way_stats *way, uint32_t since)
{
	/* What a candidate holds has no generation of its own. */
	return (int32_t)(way->generation - since) >= 0 || way->candidate_packets != 0;
}

static bool has_news(const struct flow_stats *stats, uint32_t since)
{
	return way_has_news(&stats->ways[0], since) || way_has_news(&stats->ways[1], since) ||
	       stats->flags & FLOW_HAS_DETAILS;
}

/* Moves the flows that have news to the front. Returns their number. */
static uint32_t keep_news(struct flow_key *keys, struct flow_stats *values, uint32_t count, uint32_t since)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (!has_news(&values[i], since))
			continue;
		if (kept != i) {
			keys[kept] = keys[i];
			values[kept] = values[i];
		}
		kept++;
	}
	return kept;
}

MERMINBPF_API int merminbpf_scan_next(struct merminbpf *handle, void *keys, void *values, void *details,
                                      uint32_t max, uint32_t since)
{
	int fd = map_descriptor(handle, MAP_FLOW_STATS);
	uint64_t next = 0;
	uint32_t count = max;
	int error;

	if (fd < 0)
		return fd;
	if (max < SCAN_SLICE_LEAST || max > INT32_MAX)
		return failure_set(&handle->failure, -EINVAL,
		                   "A slice of a scan is %d entries or more, not %u", SCAN_SLICE_LEAST, max);
	if (handle->cursor_state == CURSOR_END)
		return MERMINBPF_SCAN_END;
	error = bpf_map_lookup_batch(fd, handle->cursor_state == CURSOR_START ? NULL : &handle->cursor, &next,
	                             keys, values, &count, NULL);
	/* -ENOENT: the last slice, with its entries. */
	if (error && error != -ENOENT)
		return failure_set(&handle->failure, error, "Cannot read a slice of FLOW_STATS");
	handle->cursor = next;
	handle->cursor_state = error ? CURSOR_END : CURSOR_INSIDE;
	if (count == 0 && error)
		return MERMINBPF_SCAN_END;
	if (since)
		count = keep_news(keys, values, count, since);
	return read_details(handle, keys, values, details, count);
}
