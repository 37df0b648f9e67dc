// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * icmpsent: this host's own words that a packet was too big to be sent on.
 */
#include "compat.h"
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
 * Where functions cannot be hooked, IPv6's is known by what the kernel does before and
 * after: it looks for a route for an ICMPv6 error of this type (icmp6_send; that error
 * has no rate limit, icmpv6_mask_allow), and then drops the packet that was too big
 * (ip6_forward), on the same CPU. The first notes whom the error goes to, the second
 * that the dropped packet was theirs.
 */
struct tb_answering {
	__u8 to[TB_ADDR];
	__u64 at; /* 0: none since the last drop */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct tb_answering);
	__uint(max_entries, 1);
} icmp_answering SEC(".maps");

/* Far more than the kernel needs from one to the other, and far less than until the
 * next error to the same host. */
#define TB_ANSWERING_FOR 200000 /* ns */

SEC("tp_btf/fib6_table_lookup")
int tb_icmp_routed6(__u64 *ctx)
{
	const struct fib6_result *result = (void *)ctx[1];
	const struct flowi6 *flow = (void *)ctx[3];
	struct tb_answering *answering;
	__u32 zero = 0;

	if (flow->__fl_common.flowic_proto != IPPROTO_ICMPV6 ||
	    flow->uli.icmpt.type != TB_PKT_TOOBIG)
		return 0;
	answering = bpf_map_lookup_elem(&icmp_answering, &zero);
	if (!answering)
		return 0;
	BPF_CORE_READ_INTO(&answering->to, flow, daddr);
	/* Without a way there is no error. With policy rules the last table decides. */
	answering->at = tb_fib6_error(result->fib6_type) ? 0 : bpf_ktime_get_boot_ns();
	return 0;
}

SEC("tp_btf/kfree_skb")
int tb_icmp_answered6(__u64 *ctx)
{
	struct sk_buff *quoted = (void *)ctx[0];
	__u8 source[TB_ADDR], destination[TB_ADDR];
	struct tb_answering *answering;
	__u32 zero = 0;

	if (quoted->protocol != bpf_htons(ETH_P_IPV6))
		return 0;
	answering = bpf_map_lookup_elem(&icmp_answering, &zero);
	if (!answering || !answering->at)
		return 0;
	tb_read_ends(quoted, source, destination);
	if (!tb_same_addr(answering->to, source))
		return 0;
	bool late = bpf_ktime_get_boot_ns() - answering->at > TB_ANSWERING_FOR;

	answering->at = 0;
	return late ? 0 : tb_made(quoted, tb_route_mtu(tb_route(quoted)), TB_WAY_SENT);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
