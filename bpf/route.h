/* SPDX-FileCopyrightText: The trapbpf authors */
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/*
 * The route that a packet carries with it: where it was to leave, and how large it
 * may be there.
 */
#ifndef TRAPBPF_ROUTE_H
#define TRAPBPF_ROUTE_H

#include "kernel.h"

/* The low bit of skb->_skb_refdst tells whether a reference is held. */
#define TB_NO_REFERENCE 1UL

/* The low two bits of dst->_metrics are flags (DST_METRICS_FLAGS). */
#define TB_METRICS_FLAGS 3UL

#define TB_METRIC_MTU 1 /* RTAX_MTU - 1 */

static __always_inline struct dst_entry *tb_route(struct sk_buff *skb)
{
	return (struct dst_entry *)(BPF_CORE_READ(skb, _skb_refdst) & ~TB_NO_REFERENCE);
}

/* The MTU set on the route, else that of its device; 0 without a route. */
static __always_inline __u32 tb_route_mtu(struct dst_entry *route)
{
	const __u32 *metrics;
	__u32 mtu = 0;

	if (!route)
		return 0;
	metrics = (const __u32 *)(BPF_CORE_READ(route, _metrics) & ~TB_METRICS_FLAGS);
	if (metrics)
		bpf_probe_read_kernel(&mtu, sizeof(mtu), &metrics[TB_METRIC_MTU]);
	return mtu ? mtu : BPF_CORE_READ(route, dev, mtu);
}

#endif
