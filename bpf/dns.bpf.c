// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * dns: what is asked of port 53 and what comes back, by UDP and TCP.
 *
 * A control group's hooks see a packet where it leaves or enters a socket: once,
 * whatever devices, bridges and namespaces it crosses on its way, loopback too, and
 * with the socket at hand, whose namespace is the asker's. A program of any language
 * passes there; no library needs to be known. The devices' tracepoints are the rung
 * below. Only the asker's side is told: questions that go out to port 53, and answers
 * that come in from it.
 */
#include "dns.h"

/*
 * Protocol, and whether the port is the one: for all the other packets of the host
 * this is all that they cost. The headers are in direct reach, since both layers have
 * pulled them. A transport that hides behind extension headers is not looked at: no
 * resolver sends so.
 */
static __always_inline bool tb_dns_is(struct __sk_buff *ctx, struct tb_dns_view *view)
{
	unsigned char *data = (unsigned char *)(long)ctx->data;
	unsigned char *end = (unsigned char *)(long)ctx->data_end;
	struct tb_ipv4 *four = (struct tb_ipv4 *)data;
	struct tb_ipv6 *six = (struct tb_ipv6 *)data;
	__u8 protocol;
	__be16 *ports;

	if (data + sizeof(*four) + 8 > end)
		return false;
	view->offset = sizeof(*six);
	protocol = six->next; /* within the bytes that were checked */
	if (four->version_ihl >> 4 == 4) {
		view->offset = (four->version_ihl & 0xf) * 4;
		protocol = four->protocol;
	}
	if (protocol != IPPROTO_UDP && protocol != IPPROTO_TCP)
		return false;
	ports = (__be16 *)(data + view->offset);
	if ((unsigned char *)(ports + 2) > end)
		return false;
	view->head.protocol = protocol;
	return ports[view->head.out ? 1 : 0] == bpf_htons(TB_PORT_DNS);
}

static __always_inline bool tb_dns_addresses(struct __sk_buff *ctx, struct tb_dns *head)
{
	struct tb_ipv4 four;
	struct tb_ipv6 six;

	if (bpf_skb_load_bytes(ctx, 0, &four, sizeof(four)))
		return false;
	if (four.version_ihl >> 4 == 4) {
		tb_addr4(head->source, four.source);
		tb_addr4(head->destination, four.destination);
		return true;
	}
	if (bpf_skb_load_bytes(ctx, 0, &six, sizeof(six)))
		return false;
	__builtin_memcpy(head->source, six.source, TB_ADDR);
	__builtin_memcpy(head->destination, six.destination, TB_ADDR);
	return true;
}

/* Ports, and where the payload is; false where there is none. */
static __always_inline bool tb_dns_payload(struct __sk_buff *ctx, struct tb_dns_view *view)
{
	struct tb_transport t = {};
	__u32 size = 8;

	if (bpf_skb_load_bytes(ctx, view->offset, &t, size))
		return false;
	if (view->head.protocol == IPPROTO_TCP) {
		if (bpf_skb_load_bytes(ctx, view->offset, &t, sizeof(t)))
			return false;
		view->head.sequence = bpf_ntohl(t.sequence);
		size = (t.offset >> 4) * 4;
	}
	view->head.source_port = bpf_ntohs(t.source_port);
	view->head.destination_port = bpf_ntohs(t.destination_port);
	view->offset += size;
	if (ctx->len <= view->offset)
		return false;
	view->head.length = ctx->len - view->offset;
	view->captured = view->head.length;
	return true;
}

static __always_inline void tb_dns_socket(struct __sk_buff *ctx, const __u8 out)
{
	struct tb_dns_view view = {.packet = ctx, .head = {.out = out}};
	struct sock *sk;
	__u32 netns;

	if (!tb_dns_is(ctx, &view))
		return;
	/* To a probing read the context is the skb itself, and who runs a socket's
	 * filters has set skb->sk to that socket. */
	sk = BPF_CORE_READ((struct sk_buff *)ctx, sk);
	netns = tb_socket_netns(sk);
	if (!tb_watched(netns) || !tb_dns_payload(ctx, &view) || !tb_dns_addresses(ctx, &view.head))
		return;
	if (out)
		tb_dns_owner(sk, &view.head);
	tb_dns_tell(&view, netns);
}

/*
 * Every packet that a socket sends passes here once, before it is cut into fragments
 * (ip_finish_output), a datagram within its sender's call. Since 4.10; what the program
 * calls, since 5.8. The verdict is always 1: go on.
 */
SEC("cgroup_skb/egress")
int tb_dns_sent(struct __sk_buff *ctx)
{
	tb_dns_socket(ctx, 1);
	return 1;
}

/* Every packet that is about to be queued to a socket (sk_filter), put together again
 * from its fragments. The verdict is always 1. */
SEC("cgroup_skb/ingress")
int tb_dns_received(struct __sk_buff *ctx)
{
	tb_dns_socket(ctx, 0);
	return 1;
}

/* A datagram's payload, as far as it lies in the linear part; false for what is no
 * DNS. A segment's payload lies in pages, where no program can read it. */
static __always_inline bool tb_dns_on_device(struct sk_buff *skb, struct tb_dns_view *view)
{
	struct tb_packet packet = {};
	struct tb_cursor cursor;

	tb_open(skb, &cursor);
	if (!tb_read_packet(&cursor, &packet) || packet.protocol != IPPROTO_UDP)
		return false;
	if ((view->head.out ? packet.destination_port : packet.source_port) != TB_PORT_DNS)
		return false;
	if (!tb_skip(&cursor, 8) || !cursor.left)
		return false;
	view->linear = cursor.at;
	view->captured = cursor.left;
	view->head.length = cursor.left;
	view->head.protocol = IPPROTO_UDP;
	view->head.source_port = packet.source_port;
	view->head.destination_port = packet.destination_port;
	__builtin_memcpy(view->head.source, packet.source, TB_ADDR);
	__builtin_memcpy(view->head.destination, packet.destination, TB_ADDR);
	return true;
}

static __always_inline int tb_dns_device(struct sk_buff *skb, const __u8 out)
{
	__u32 netns = BPF_CORE_READ(skb, dev, nd_net.net, ns.inum);
	struct tb_dns_view view = {.head = {.out = out}};
	struct sock *sk = NULL;

	if (!tb_watched(netns))
		return 0;
	if (out) {
		/* On its way through other namespaces it still has its socket. */
		sk = BPF_CORE_READ(skb, sk);
		if (!sk || tb_socket_netns(sk) != netns)
			return 0;
	}
	if (!tb_dns_on_device(skb, &view))
		return 0;
	if (out)
		tb_dns_owner(sk, &view.head);
	tb_dns_tell(&view, netns);
	return 0;
}

/*
 * The rung without control groups: a datagram that is handed to a device, in the
 * namespace of the socket that sent it. It runs once a packet and device (twice the
 * price of the rung above, and more on a bond), sees no TCP, and meets a packet again on
 * the lower device of a bond or VLAN: the same question twice, which counts as one.
 * Both since 2.6.32.
 */
SEC("tp_btf/net_dev_queue")
int tb_dns_queued(__u64 *ctx)
{
	return tb_dns_device((struct sk_buff *)ctx[0], 1);
}

/* A datagram that came in by a device, whomever it is for: an answer that passes through
 * to another namespace has no question in this one. */
SEC("tp_btf/netif_receive_skb")
int tb_dns_arrived(__u64 *ctx)
{
	return tb_dns_device((struct sk_buff *)ctx[0], 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
