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

#endif
