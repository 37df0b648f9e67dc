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
 * What a driver keeps of a device (netdev_priv) begins at its member priv since 6.10
 * (13cabc47f8ae), before that behind the struct, at the next 32 bytes.
 */
static __always_inline void *tb_device_private(struct net_device *dev)
{
	if (bpf_core_field_exists(dev->priv))
		return (void *)dev + bpf_core_field_offset(struct net_device, priv);
	return (void *)dev + ((bpf_core_type_size(struct net_device) + 31) & ~31UL);
}

/* The other end of a virtual cable, NULL of other devices: the first thing that veth
 * keeps (struct veth_priv, since 2.6.24). */
static __always_inline struct net_device *tb_cable_end(struct net_device *dev)
{
	const struct rtnl_link_ops *ops = BPF_CORE_READ(dev, rtnl_link_ops);
	struct net_device *peer = NULL;
	char kind[5] = {};

	if (!ops || bpf_probe_read_kernel_str(kind, sizeof(kind), BPF_CORE_READ(ops, kind)) != 5)
		return NULL;
	if (kind[0] != 'v' || kind[1] != 'e' || kind[2] != 't' || kind[3] != 'h')
		return NULL;
	bpf_probe_read_kernel(&peer, sizeof(peer), tb_device_private(dev));
	return peer;
}

/* What kind of route a lookup of IPv4 found (RTN_*). A next hop that several routes
 * share (nexthop objects, 5.3) has no one route: those are unicast. */
static __always_inline __u8 tb_fib_type(const struct fib_nh *hop)
{
	struct fib_info *route = BPF_CORE_READ(hop, nh_parent);

	return route ? BPF_CORE_READ(route, fib_type) : RTN_UNICAST;
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
