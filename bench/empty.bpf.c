/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The programs that cost nothing: what remains is the kernel's own cost of running and of measuring one. With
 * the maps of the real ones, because the shim asks for them.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "../bpf/flow.h"
#include "../bpf/maps.bpf.h"

#define NO_VERDICT -1

SEC("tc")
int mermin_ingress(struct __sk_buff *skb)
{
	(void)skb;
	return NO_VERDICT;
}

SEC("tc")
int mermin_egress(struct __sk_buff *skb)
{
	(void)skb;
	return NO_VERDICT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
