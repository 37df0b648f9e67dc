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

/* A frame that just came in: its network header is where its data begins, and the
 * buffer's own note of that is yet to be written. */
static __always_inline int tb_arrived(struct sk_buff *skb, struct net_device *dev)
{
	struct tb_error error = {.way = TB_WAY_ARRIVED};
	struct tb_cursor cursor = {.at = BPF_CORE_READ(skb, data)};

	cursor.left = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, tail) - cursor.at;
	cursor.ether_type = bpf_ntohs(BPF_CORE_READ(skb, protocol));
	tb_skip_tags(&cursor);
	error.packet.length = BPF_CORE_READ(skb, len);
	return tb_read_error(&cursor, dev, &error) ? tb_told(&error, dev) : 0;
}

/* The shortest error that quotes enough to be told by: IPv4's header and 8 bytes. The
 * longest is 576 bytes (RFC 1812, 4.3.2.3) or 1,280 (RFC 4443, 2.4); a whole frame is
 * left to routers that do otherwise. */
#define TB_ERROR_MIN 56
#define TB_ERROR_MAX 1508

/* Neither an acknowledgement nor what segmentation offload made of many segments: for
 * a fast stream that spares the look at the packet itself. */
static __always_inline bool tb_may_be_error(__u32 length)
{
	return length >= TB_ERROR_MIN && length <= TB_ERROR_MAX;
}

/*
 * netif_receive_skb fires for every packet that comes in, before bridges, netfilter
 * and IP. It costs the look at three fields for what is no ICMP, and stands in for
 * icmp_rcv where functions cannot be hooked: so it also sees errors that a firewall
 * drops later, and those that are only passing through. Tagged frames, whose tag
 * the device did not take off, are looked at whole.
 */
SEC("tp_btf/netif_receive_skb")
int tb_icmp_arrived(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	__u16 type;
	__u8 protocol;

	if (!tb_may_be_error(skb->len))
		return 0;
	type = bpf_ntohs(skb->protocol);
	protocol = tb_protocol_at(skb->data, type);
	if (protocol != IPPROTO_ICMP && protocol != IPPROTO_ICMPV6 && type != ETH_P_8021Q)
		return 0;
	return tb_arrived(skb, BPF_CORE_READ(skb, dev));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
