// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Flow accounting at the TC hook. Comes in: every packet of an interface, one way a program. Goes out:
 * FLOW_STATS, FLOW_EVENTS and COUNTERS. Never: a verdict, or a change of the packet.
 */
#include <linux/bpf.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flow.h"
#include "knobs.bpf.h"
#include "maps.bpf.h"
#include "clock.bpf.h"
#include "packet.bpf.h"
#include "parse.bpf.h"
#include "transport.bpf.h"
#include "tunnel.bpf.h"
#include "security.bpf.h"
#include "fragment.bpf.h"
#include "descent.bpf.h"
#include "key.bpf.h"
#include "interface.bpf.h"
#include "owner.bpf.h"
#include "details.bpf.h"
#include "tcp.bpf.h"
#include "stream.bpf.h"
#include "filter.bpf.h"
#include "opening.bpf.h"
#include "account.bpf.h"
#include "special.bpf.h"
#include "removal.bpf.h"

/* TC_ACT_UNSPEC and TCX_NEXT: the next program, or the stack, decides. */
#define NO_VERDICT (-1)

_Static_assert(sizeof(struct flow_key) == 48, "flow_key is 48 bytes");
_Static_assert(sizeof(struct flow_way_stats) == 64, "one cache line a direction");
_Static_assert(sizeof(struct flow_stats) == 256, "flow_stats is 256 bytes");
_Static_assert(sizeof(struct flow_event) == 64, "flow_event is 64 bytes");
_Static_assert(sizeof(struct flow_reopened_event) == 256, "flow_reopened_event is 256 bytes");
_Static_assert(sizeof(struct flow_overflow_event) == 96, "flow_overflow_event is 96 bytes");
_Static_assert(sizeof(struct flow_layer) == 92, "flow_layer is 92 bytes");
_Static_assert(sizeof(struct flow_details) == 320, "flow_details is 320 bytes");
_Static_assert(sizeof(struct flow_exported) == 176, "flow_exported is 176 bytes");
_Static_assert(sizeof(struct flow_taken) == 432, "flow_taken is 432 bytes");
_Static_assert(sizeof(struct flow_removal) == 312, "flow_removal is 312 bytes");

/*
 * Whether there is an agent to read what is counted: not before its first generation, not behind its last, so
 * that all counting ends at one moment, and not once it is gone for good. The coarse clock: it is asked for
 * every packet.
 */
static __always_inline int is_read(void)
{
	struct scan_state *scan = find_scan();

	if (!scan || !scan->generation)
		return 0;
	return !orphan_after_ns || coarse_time() <= scan->heartbeat_ns + orphan_after_ns;
}

static __always_inline int observe_packet(struct __sk_buff *skb, __u32 egress)
{
	struct packet packet = {
		.hook = FLOW_HOOK(skb->ifindex, egress),
		/* volatile: clang 19 would merge both reads into one at skb plus a variable, which Linux
		   refuses. */
		.length = replay ? ((const volatile struct __sk_buff *)skb)->mark : skb->len,
		.segments = skb->gso_segs ? skb->gso_segs : 1,
	};
	int reason;

	if (!is_read())
		return NO_VERDICT;
	reason = parse_headers(skb, &packet, observe_interface(skb, &packet, egress));
	if (!reason)
		reason = parse_transport(skb, &packet);
	if (reason) {
		counter_add(reason, packet.segments, packet.network_bytes ? packet.network_bytes : skb->len);
		return NO_VERDICT;
	}
	if (packet.encapsulation || packet.is_fragment) {
		observe_special(skb, &packet);
		return NO_VERDICT;
	}
	count_segments(skb, &packet);
	account_plain(skb, &packet);
	return NO_VERDICT;
}

SEC("tc")
int mermin_ingress(struct __sk_buff *skb)
{
	return observe_packet(skb, 0);
}

SEC("tc")
int mermin_egress(struct __sk_buff *skb)
{
	return observe_packet(skb, 1);
}

/* Attached nowhere: the agent runs it. */
SEC("tc")
int flows_remove(struct __sk_buff *skb)
{
	return remove_flows(skb);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
