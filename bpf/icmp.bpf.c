// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * icmp: routers' words that a packet of ours, or of somebody behind us, was too big.
 */
#include "icmp.h"

/*
 * icmp_rcv is where IPv4 hands an ICMP packet up once netfilter let it in, icmpv6_rcv
 * where IPv6 does. Both are called for pings and neighbour discovery, too: some
 * hundred times a second at most.
 */
SEC("fentry/icmp_rcv")
int tb_icmp_received(__u64 *ctx)
{
	return tb_met((struct sk_buff *)ctx[0], TB_WAY_ACCEPTED);
}

SEC("kprobe/icmp_rcv")
int tb_icmp_received_probe(struct pt_regs *ctx)
{
	return tb_met((struct sk_buff *)PT_REGS_PARM1_CORE(ctx), TB_WAY_ACCEPTED);
}

SEC("fentry/icmpv6_rcv")
int tb_icmp_received6(__u64 *ctx)
{
	return tb_met((struct sk_buff *)ctx[0], TB_WAY_ACCEPTED);
}

SEC("kprobe/icmpv6_rcv")
int tb_icmp_received6_probe(struct pt_regs *ctx)
{
	return tb_met((struct sk_buff *)PT_REGS_PARM1_CORE(ctx), TB_WAY_ACCEPTED);
}

/*
 * Where functions cannot be hooked, an error is met where its packet buffer ends: ICMP
 * is done with it then, and has taken off its header, so that the data lies behind
 * where the transport header begins. A packet that a firewall drops has lost no header
 * but IP's, and one that a device has sent has all of them again. Of a fast TCP stream
 * half of the packets still come by consume_skb (6.18, one stream over a virtual cable),
 * where netif_receive_skb and net_dev_queue each met all of them.
 */
static __always_inline int tb_freed(struct sk_buff *skb)
{
	__u16 type = bpf_ntohs(skb->protocol);
	__u8 protocol;

	if (skb->data - skb->head < skb->transport_header + TB_ICMP_HEADER)
		return 0;
	protocol = tb_protocol_at(skb->head + skb->network_header, type);
	if (protocol != IPPROTO_ICMP && protocol != IPPROTO_ICMPV6)
		return 0;
	return tb_met(skb, TB_WAY_ACCEPTED);
}

/* The ordinary end of a buffer whose last holder is done with it. */
SEC("tp_btf/consume_skb")
int tb_icmp_consumed(__u64 *ctx)
{
	return tb_freed((struct sk_buff *)ctx[0]);
}

/* IPv6 called this the end of an error that it heeded, too, up to 5.17. */
SEC("tp_btf/kfree_skb")
int tb_icmp_dropped(__u64 *ctx)
{
	return tb_freed((struct sk_buff *)ctx[0]);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
