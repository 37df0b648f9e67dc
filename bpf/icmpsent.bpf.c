// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * icmpsent: this host's own words that a packet was too big to be sent on.
 */
#include "icmp.h"
#include "route.h"

/* The error that this host makes of a packet that it cannot send on. */
static __always_inline int tb_made(struct sk_buff *quoted, __u32 mtu, __u8 way)
{
	struct net_device *dev = BPF_CORE_READ(quoted, dev);
	struct tb_error error = {.way = way, .mtu = mtu};
	struct tb_cursor cursor;

	error.netns = BPF_CORE_READ(dev, nd_net.net, ns.inum);
	if (!tb_watched(error.netns))
		return 0;
	tb_open(quoted, &cursor);
	error.inner.length = tb_length(quoted);
	tb_read_packet(&cursor, &error.inner);
	error.packet.icmp_mtu = mtu;
	error.packet.protocol = error.inner.family == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	error.packet.icmp_type = error.inner.family == 6 ? TB_PKT_TOOBIG : TB_UNREACHABLE;
	error.packet.icmp_code = error.inner.family == 6 ? 0 : TB_FRAG_NEEDED;
	return tb_told(&error, dev);
}

/*
 * The tracepoint icmp_send (6.11, db3efdcf70c7) fires in __icmp_send once the rate
 * limits let the error through, but does not tell the MTU: it is the route's.
 */
SEC("tp_btf/icmp_send")
int tb_icmp_sent(__u64 *ctx)
{
	struct sk_buff *quoted = (void *)ctx[0];

	if (ctx[1] != TB_UNREACHABLE || ctx[2] != TB_FRAG_NEEDED)
		return 0;
	return tb_made(quoted, tb_route_mtu(tb_route(quoted)), TB_WAY_SENT);
}

/* The function itself, before its rate limits: it may yet send nothing. */
SEC("kprobe/__icmp_send")
int tb_icmp_asked_probe(struct pt_regs *ctx)
{
	int type = PT_REGS_PARM2_CORE(ctx), code = PT_REGS_PARM3_CORE(ctx);
	__be32 info = PT_REGS_PARM4_CORE(ctx);

	if (type != TB_UNREACHABLE || code != TB_FRAG_NEEDED)
		return 0;
	return tb_made((struct sk_buff *)PT_REGS_PARM1_CORE(ctx), bpf_ntohl(info), TB_WAY_ASKED);
}

/* IPv6's, whose rate limit is inside, too. The MTU comes in host order. */
SEC("kprobe/icmp6_send")
int tb_icmp_asked6_probe(struct pt_regs *ctx)
{
	__u8 type = PT_REGS_PARM2_CORE(ctx);

	if (type != TB_PKT_TOOBIG)
		return 0;
	return tb_made((struct sk_buff *)PT_REGS_PARM1_CORE(ctx), PT_REGS_PARM4_CORE(ctx),
		       TB_WAY_ASKED);
}

/*
 * net_dev_queue fires for every packet that is handed to a device; it stands in for
 * icmp6_send where functions cannot be hooked. Errors of our own belong to the
 * namespace's ICMP socket, those that are passed on to none.
 */
SEC("tp_btf/net_dev_queue")
int tb_icmp_queued6(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];

	if (skb->protocol != bpf_htons(ETH_P_IPV6) || !skb->sk)
		return 0;
	if (tb_protocol_at(skb->head + skb->network_header, ETH_P_IPV6) != IPPROTO_ICMPV6)
		return 0;
	return tb_met(skb, TB_WAY_SENT);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
