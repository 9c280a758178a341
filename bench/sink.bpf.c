/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Takes every frame off the device behind the program that is measured, so that a load costs little else. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int sink(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_STOLEN;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
