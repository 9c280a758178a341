/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A program of somebody else at the hooks where the agent's are: counts IPv4 packets of at least LEAST_BYTES,
 * and gives VERDICT on one in EVERY. Its entry points have the names that the agent's library attaches by.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>

/* TC_ACT_UNSPEC and TCX_NEXT; 2 is TC_ACT_SHOT and TCX_DROP. */
#ifndef VERDICT
#define VERDICT (-1)
#endif

#ifndef EVERY
#define EVERY 1
#endif

#ifndef LEAST_BYTES
#define LEAST_BYTES 0
#endif

/* What the loader reads of a map: its type and size are those of arrays, by libbpf's convention. */
struct {
	int (*type)[BPF_MAP_TYPE_ARRAY];
	int (*max_entries)[1];
	__u32 *key;
	__u64 *value;
} foreign_count __attribute__((section(".maps"), used));

static void *(*const map_lookup)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;

static inline __attribute__((always_inline)) int judge(struct __sk_buff *skb)
{
	__u32 zero = 0;
	__u64 *count = map_lookup(&foreign_count, &zero);

	/* The tests run on little-endian machines, as the agent's builds do. */
	if (skb->protocol != __builtin_bswap16(ETH_P_IP) || skb->len < LEAST_BYTES || !count)
		return -1;
	__sync_fetch_and_add(count, 1);
	return *count % EVERY ? -1 : VERDICT;
}

__attribute__((section("tc"), used)) int mermin_ingress(struct __sk_buff *skb)
{
	return judge(skb);
}

char LICENSE[] __attribute__((section("license"), used)) = "Dual BSD/GPL";
