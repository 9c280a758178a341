/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Constants the agent sets in .rodata before load; the verifier then removes the branches not taken. */
#ifndef MERMIN_KNOBS_BPF_H
#define MERMIN_KNOBS_BPF_H

/*
 * 1: time is the packet's own (__sk_buff.tstamp) and its length on the wire is in mark, as mermin replay
 * runs it (wire_len of a test run ends at 64 KiB, offloading hosts capture longer frames).
 */
const volatile __u8 replay;

/* 1: the outermost VLAN id is part of the key. */
const volatile __u8 key_includes_vlan;

/* 1: the innermost tunnel's id is part of the key (VNI, GRE key; not a TEID, which differs by direction). */
const volatile __u8 key_includes_tunnel_id;

/* 1: FILTER_RULES and FILTER_ADDRESSES are looked at for new flows. */
const volatile __u8 filters;

/* One flow in so many is counted, chosen by a hash of its key; 0 and 1: every flow. */
const volatile __u32 sampling;

/* Not 0: packets are passed over unseen once no scan was begun for so long (programs that outlive their
 * agent). */
const volatile __u64 orphan_after_ns;

#define UDP_PORTS 65536
#define UDP_TUNNELS 64

/* A bit by UDP port (host order): whether udp_tunnels names it. So that other datagrams cost one test. */
const volatile __u64 udp_tunnel_ports[UDP_PORTS / 64];

/* What a UDP port carries; a free place has ENCAPSULATION_NONE. */
struct udp_tunnel {
	__u16 port;         /* host order */
	__u8 encapsulation; /* enum flow_encapsulation */
	__u8 padding;
};
const volatile struct udp_tunnel udp_tunnels[UDP_TUNNELS];

#endif
