/* SPDX-FileCopyrightText: The trapbpf authors */
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/*
 * Why a packet was dropped where the kernel gives no reason, or none of its own for
 * this: told by the code that dropped it, by what the packet is, and by the last
 * lookup of this CPU. Weaker ground than a reason, and said so.
 */
#ifndef TRAPBPF_PLACE_H
#define TRAPBPF_PLACE_H

#include "kernel.h"
#include "compat.h"
#include "event.h"
#include "address.h"
#include "flow.h"
#include "route.h"
#include "reason.h"
#include "fib.h"

#define TB_PLACES 16

#define TB_LEAST_HEADERS 40 /* IPv4 and TCP without options */

/*
 * Where the functions lie that drop for a reason which the running kernel does not
 * give: its symbols, filled in before the program is loaded. A function may be split
 * in two; unused rows are zero. On a kernel that gives all its reasons every row is,
 * and none of this is ever run.
 */
const volatile struct tb_place cfg_places[TB_PLACES] = {};

/* Whether the tracepoint has a reason, and which of them says nothing. Without
 * reasons that is TB_PLACED_NONE, for every drop. */
const volatile bool cfg_reasons_told = false;
const volatile __u32 cfg_unspecified = TB_PLACED_NONE;

static __always_inline __u32 tb_place_at(__u64 location)
{
	for (int i = 0; i < TB_PLACES; i++) {
		if (location > cfg_places[i].low && location <= cfg_places[i].high)
			return cfg_places[i].what;
	}
	return 0;
}

/* No packet may come from there, nor go there: 0/8 (RFC 1122, 3.2.1.3), 127/8,
 * 224/4 and 255.255.255.255. */
static __always_inline bool tb_impossible4(__be32 addr)
{
	__u8 first = bpf_ntohl(addr) >> 24;

	return !first || first == 127 || first >> 4 == 14 || addr == 0xffffffff;
}

/*
 * What the last lookup says of a refused source: nothing, if it asked for something
 * else. Where rp_filter is 0 the kernel asks its list of own addresses instead of
 * looking up the way back; then the last lookup is still that of the way on.
 */
static __always_inline __u32 tb_judged(const __u8 *source, const __u8 *destination, __u32 ifindex)
{
	struct tb_last *last = tb_last_lookup();
	struct net_device *dev;
	__u8 type;

	if (!last || last->family != 4)
		return TB_PLACED_NONE;
	if (tb_same_addr(last->source, source) && tb_same_addr(last->destination, destination))
		return TB_PLACED_LOCAL_SOURCE;
	if (!tb_same_addr(last->source, destination) || !tb_same_addr(last->destination, source))
		return TB_PLACED_NONE;
	dev = last->device;
	if (last->error || !dev) /* there is no way back at all */
		return TB_PLACED_RPFILTER;
	type = tb_fib_type(last->hop);
	if (type == RTN_LOCAL)
		return TB_PLACED_LOCAL_SOURCE;
	if (type != RTN_UNICAST)
		return TB_PLACED_INVALID_SOURCE;
	return (__u32)BPF_CORE_READ(dev, ifindex) == ifindex ? TB_PLACED_NONE : TB_PLACED_RPFILTER;
}

/*
 * ip_rcv_finish_core drops what has no way in (ip_route_input_noref): its source
 * failed fib_validate_source, or an address is impossible. The other grounds it has
 * are left out here: IP options that make no sense, and a destination that is no
 * host's.
 */
static __always_inline __u32 tb_refused_source(struct sk_buff *skb)
{
	const unsigned char *network = tb_network(skb);
	__u8 source[TB_ADDR], destination[TB_ADDR];
	struct tb_ipv4 ip = {};

	if (bpf_probe_read_kernel(&ip, sizeof(ip), network) || ip.version_ihl != 0x45 ||
	    tb_impossible4(ip.destination))
		return TB_PLACED_NONE;
	if (bpf_ntohl(ip.source) >> 24 == 127)
		return TB_PLACED_LOCALNET;
	if (tb_impossible4(ip.source))
		return TB_PLACED_INVALID_SOURCE;
	tb_addr4(source, ip.source);
	tb_addr4(destination, ip.destination);
	return tb_judged(source, destination, BPF_CORE_READ(skb, dev, ifindex));
}

/*
 * ip_forward and ip6_forward: of their reasons this is the one that size tells. What
 * may be cut is no case of it, nor what came to the end of its life, which is looked
 * at before. A super-packet is cut before it leaves, so its segments count, with the
 * shortest headers that they can have.
 */
static __always_inline __u32 tb_not_forwarded(struct sk_buff *skb)
{
	__u32 way = tb_route_mtu(tb_route(skb)), length = tb_segment_size(skb);
	__u8 head[9] = {}; /* IPv4: flags in byte 6, TTL in 8; IPv6: hop limit in 7 */
	bool whole, alive;

	bpf_probe_read_kernel(head, sizeof(head), tb_network(skb));
	whole = head[0] >> 4 == 6 || head[6] & 0x40;
	alive = (head[0] >> 4 == 6 ? head[7] : head[8]) > 1;
	length = length ? length + TB_LEAST_HEADERS : tb_length(skb);
	return whole && alive && way && length > way ? TB_PLACED_TOO_BIG : TB_PLACED_NONE;
}

/* The reason that the place gives, if it is one of those that are wanted; else the
 * kernel's own. */
static __always_inline __u32 tb_reason_at(struct sk_buff *skb, __u64 location, __u32 reason)
{
	__u32 placed = TB_PLACED_NONE;

	if (reason != cfg_unspecified)
		return reason;
	switch (tb_place_at(location)) {
	case TB_PLACE_INPUT:
		placed = tb_refused_source(skb);
		break;
	case TB_PLACE_FORWARD:
		placed = tb_not_forwarded(skb);
		break;
	case TB_PLACE_FIREWALL:
		placed = TB_PLACED_FIREWALL;
		break;
	}
	return placed != TB_PLACED_NONE && tb_meaning(placed) ? placed : reason;
}

#endif
