/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What time it is, CLOCK_MONOTONIC in ns: exactly, or a timer tick behind and next to free. */
#ifndef MERMIN_CLOCK_BPF_H
#define MERMIN_CLOCK_BPF_H

/* When this CPU read the clock last, and in which tick that was. */
struct clock_reading {
	__u64 jiffies;
	__u64 time_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct clock_reading);
	__uint(max_entries, 1);
} CLOCK_READING SEC(".maps");

/*
 * The first packet of a tick reads the clock, the others of this CPU take what it read: jiffies are a load
 * from memory, the kernel's own coarse clock is three calls. Never ahead of the clock.
 */
static __always_inline __u64 coarse_time(void)
{
	/* Before the clock is read: what is read in the next tick may be kept as this one's, not the reverse.
	 */
	__u64 jiffies = bpf_jiffies64();
	__u32 zero = 0;
	struct clock_reading *last = bpf_map_lookup_elem(&CLOCK_READING, &zero);

	if (!last)
		return bpf_ktime_get_ns();
	if (last->jiffies != jiffies) {
		last->time_ns = bpf_ktime_get_ns();
		last->jiffies = jiffies;
	}
	return last->time_ns;
}

static __always_inline __u64 packet_time_exact(struct __sk_buff *skb)
{
	return replay ? skb->tstamp : bpf_ktime_get_ns();
}

static __always_inline __u64 packet_time_coarse(struct __sk_buff *skb)
{
	return replay ? skb->tstamp : coarse_time();
}

#endif
