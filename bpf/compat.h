/* SPDX-FileCopyrightText: The trapbpf authors */
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/*
 * Where kernels differ: one function a difference, named after what is read.
 */
#ifndef TRAPBPF_COMPAT_H
#define TRAPBPF_COMPAT_H

#include "kernel.h"
#include "event.h"

/*
 * skb->_nfct exists only with CONFIG_NF_CONNTRACK (or its skb extensions). Its low
 * three bits are the packet's ctinfo, the rest the entry (NFCT_PTRMASK, 4.12);
 * ctinfo 7 without an entry is IP_CT_UNTRACKED.
 */
static __always_inline __u8 tb_conntrack_of(struct sk_buff *skb)
{
	if (!bpf_core_field_exists(skb->_nfct))
		return TB_CONNTRACK_UNKNOWN;

	unsigned long nfct = BPF_CORE_READ(skb, _nfct);

	if (nfct & ~7UL)
		return TB_CONNTRACK_PRESENT;
	return nfct == 7 ? TB_CONNTRACK_UNTRACKED : TB_CONNTRACK_NONE;
}

/*
 * The classic tracepoint's record has a reason since 5.17 (commit c504e5c2f964).
 * 0 is SKB_NOT_DROPPED_YET, which no drop has.
 */
static __always_inline __u32 tb_reason_of(struct trace_event_raw_kfree_skb *ctx)
{
	if (!bpf_core_field_exists(ctx->reason))
		return 0;
	return ctx->reason;
}

/*
 * The fib6 lookup's result says what kind of route was met, and fib6_prop in
 * net/ipv6/route.c what a caller gets for it.
 */
static __always_inline __s32 tb_fib6_error(__u8 type)
{
	switch (type) {
	case 6: /* RTN_BLACKHOLE */
		return -22;
	case 7: /* RTN_UNREACHABLE, the null entry's too */
		return -113;
	case 8: /* RTN_PROHIBIT */
		return -13;
	case 9: /* RTN_THROW */
		return -11;
	default:
		return 0;
	}
}

#endif
