/* SPDX-FileCopyrightText: The trapbpf authors */
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/*
 * Which drops matter: by reason, and where the kernel uses a reason for much else,
 * by what the packet is.
 */
#ifndef TRAPBPF_REASON_H
#define TRAPBPF_REASON_H

#include "kernel.h"
#include "compat.h"
#include "flow.h"
#include "route.h"

/* What a reason means to us. Two reasons are for much else, too, and matter only
 * for some packets. */
#define TB_ALWAYS 1
#define TB_BY_FIREWALL 2 /* by what the packet is, once it is read */
#define TB_IF_OVERSIZE 3 /* the packet is larger than its device, or its route, takes */

/*
 * What each reason of the running kernel means; 0: nothing. User space fills it by
 * name from the kernel's BTF before the program is loaded, as numbers differ from
 * kernel to kernel.
 */
const volatile __u8 cfg_reasons[TB_REASONS] = {};

static __always_inline __u8 tb_meaning(__u32 reason)
{
	return reason < TB_REASONS ? cfg_reasons[reason] : 0;
}

/* Larger than its device takes, or than the far end of a virtual cable does, or than
 * its route. A super-packet is no frame yet: it would have been cut before it left. */
static __always_inline bool tb_oversize(struct sk_buff *skb, struct net_device *dev)
{
	__u32 length = tb_length(skb), mtu = BPF_CORE_READ(dev, mtu), way;
	struct net_device *end;

	if (!mtu || tb_segment_size(skb))
		return false;
	way = tb_route_mtu(tb_route(skb));
	if (length > mtu || (way && length > way))
		return true;
	end = tb_cable_end(dev);
	return end && length > BPF_CORE_READ(end, mtu);
}

static __always_inline bool tb_tells_too_big(const struct tb_packet *packet)
{
	if (packet->protocol == IPPROTO_ICMP)
		return packet->icmp_type == 3 && packet->icmp_code == 4;
	return packet->protocol == IPPROTO_ICMPV6 && packet->icmp_type == 2;
}

static __always_inline bool tb_matters(__u8 meaning, struct sk_buff *skb, struct net_device *dev)
{
	switch (meaning) {
	case TB_ALWAYS:
	case TB_BY_FIREWALL:
		return true;
	case TB_IF_OVERSIZE:
		return tb_oversize(skb, dev);
	default:
		return false;
	}
}

#endif
