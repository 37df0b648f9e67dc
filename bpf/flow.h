/* SPDX-FileCopyrightText: The trapbpf authors */
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/*
 * From a packet buffer to the headers that findings speak of. Everything is read
 * by bpf_probe_read_kernel from the buffer's linear part and never past its end;
 * what lies beyond is left zero.
 */
#ifndef TRAPBPF_FLOW_H
#define TRAPBPF_FLOW_H

#include "kernel.h"
#include "event.h"
#include "address.h"

/* Extension headers before the verdict "unknown". RFC 8200 has an order for six
 * and lets each but one appear once. */
#define TB_EXTENSIONS 6

/* Stacked VLAN tags that are looked through: 802.1ad has two. */
#define TB_TAGS 2

#define TB_NO_HEADER 0xffff /* skb->mac_header when there is none */

/* What is left to read of a packet. */
struct tb_cursor {
	const unsigned char *at;
	__u32 left;
	__u16 ether_type; /* host order, behind VLAN tags */
};

struct tb_ipv4 {
	__u8 version_ihl;
	__u8 tos;
	__be16 length;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__sum16 check;
	__be32 source;
	__be32 destination;
};

struct tb_ipv6 {
	__be32 version_class_flow;
	__be16 length;
	__u8 next;
	__u8 hops;
	__u8 source[TB_ADDR];
	__u8 destination[TB_ADDR];
};

struct tb_arp {
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_size;
	__u8 protocol_size;
	__be16 operation;
	__u8 sender_mac[ETH_ALEN];
	__u8 sender[4]; /* unaligned here: not a __be32 */
	__u8 target_mac[ETH_ALEN];
	__u8 target[4];
};

/* The first bytes of TCP, UDP, ICMP and ICMPv6 in one. */
struct tb_transport {
	__be16 source_port; /* ICMP: type, code */
	__be16 destination_port;
	__be32 sequence; /* ICMP: for "too big" the MTU */
	__be32 acknowledged;
	__u8 offset;
	__u8 flags;
	__u16 pad;
};

static __always_inline bool tb_take(struct tb_cursor *cursor, void *to, __u32 size)
{
	return cursor->left >= size && !bpf_probe_read_kernel(to, size, cursor->at);
}

static __always_inline bool tb_skip(struct tb_cursor *cursor, __u32 size)
{
	if (cursor->left < size)
		return false;
	cursor->at += size;
	cursor->left -= size;
	return true;
}

static __always_inline void tb_skip_tags(struct tb_cursor *cursor)
{
	for (int i = 0; i < TB_TAGS; i++) {
		__be16 tag[2]; /* TCI, then the type of what follows */

		if (cursor->ether_type != ETH_P_8021Q && cursor->ether_type != ETH_P_8021AD)
			return;
		if (!tb_take(cursor, tag, sizeof(tag)) || !tb_skip(cursor, sizeof(tag)))
			return;
		cursor->ether_type = bpf_ntohs(tag[1]);
	}
}

/* Points at the network header. */
static __always_inline void tb_open(struct sk_buff *skb, struct tb_cursor *cursor)
{
	__u32 network = BPF_CORE_READ(skb, network_header);
	__u32 tail = BPF_CORE_READ(skb, tail);

	cursor->at = BPF_CORE_READ(skb, head) + network;
	cursor->left = tail > network ? tail - network : 0;
	cursor->ether_type = bpf_ntohs(BPF_CORE_READ(skb, protocol));
	tb_skip_tags(cursor);
}

static __always_inline const unsigned char *tb_network(struct sk_buff *skb)
{
	return BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, network_header);
}

/* Bytes from the network header on, the non-linear part included. */
static __always_inline __u32 tb_length(struct sk_buff *skb)
{
	return BPF_CORE_READ(skb, len) + (__u32)(BPF_CORE_READ(skb, data) - tb_network(skb));
}

static __always_inline __u16 tb_segment_size(struct sk_buff *skb)
{
	struct skb_shared_info *info = (void *)(BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, end));

	return BPF_CORE_READ(info, gso_size);
}

static __always_inline bool tb_has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
}

/* ICMP destination unreachable, fragmentation needed: the MTU is the low half of
 * the second word (RFC 1191). ICMPv6 packet too big: the whole word (RFC 4443). */
static __always_inline void tb_read_icmp(struct tb_packet *packet, const struct tb_transport *head)
{
	__u16 type_code = bpf_ntohs(head->source_port);

	packet->icmp_type = type_code >> 8;
	packet->icmp_code = type_code & 0xff;
	if (packet->protocol == IPPROTO_ICMP && type_code == 0x0304)
		packet->icmp_mtu = bpf_ntohl(head->sequence) & 0xffff;
	if (packet->protocol == IPPROTO_ICMPV6 && packet->icmp_type == 2)
		packet->icmp_mtu = bpf_ntohl(head->sequence);
}

static __always_inline void tb_read_transport(struct tb_cursor *cursor, struct tb_packet *packet)
{
	struct tb_transport head = {};

	/* An ICMP error need quote no more than 8 bytes (RFC 792). */
	if (!tb_take(cursor, &head, 14) && !tb_take(cursor, &head, 8))
		return;
	if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6) {
		tb_read_icmp(packet, &head);
		return;
	}
	if (!tb_has_ports(packet->protocol))
		return;
	packet->source_port = bpf_ntohs(head.source_port);
	packet->destination_port = bpf_ntohs(head.destination_port);
	if (packet->protocol == IPPROTO_TCP) {
		packet->sequence = bpf_ntohl(head.sequence);
		packet->tcp_flags = head.flags;
	}
}

/* Reads the fixed header; true if the cursor now stands on a transport header,
 * which only the first fragment has. */
static __always_inline bool tb_read_ipv4(struct tb_cursor *cursor, struct tb_packet *packet)
{
	struct tb_ipv4 ip;

	if (!tb_take(cursor, &ip, sizeof(ip)) || ip.version_ihl >> 4 != 4)
		return false;
	packet->family = 4;
	if (!packet->length) /* a quoted packet: it says itself what it was long */
		packet->length = bpf_ntohs(ip.length);
	packet->protocol = ip.protocol;
	packet->ttl = ip.ttl;
	tb_addr4(packet->source, ip.source);
	tb_addr4(packet->destination, ip.destination);
	return tb_skip(cursor, (ip.version_ihl & 0xf) * 4) && !(ip.fragment & bpf_htons(0x1fff));
}

/* Length of an extension header; 0 where next is none, or hides what follows. */
static __always_inline __u32 tb_extension_size(__u8 next, const __u8 *head)
{
	switch (next) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		return (head[1] + 1) * 8;
	case IPPROTO_AH: /* RFC 4302: in words, minus two */
		return (head[1] + 2) * 4;
	case IPPROTO_FRAGMENT:
		return 8;
	default:
		return 0;
	}
}

static __always_inline bool tb_skip_extensions(struct tb_cursor *cursor, struct tb_packet *packet)
{
	for (int i = 0; i < TB_EXTENSIONS; i++) {
		__u8 head[4] = {};

		if (!tb_extension_size(packet->protocol, head))
			return true;
		if (!tb_take(cursor, head, sizeof(head)))
			return false;
		/* Not the first fragment: its offset's thirteen bits are not zero. */
		bool later = packet->protocol == IPPROTO_FRAGMENT && (head[2] || head[3] & 0xf8);
		__u32 size = tb_extension_size(packet->protocol, head);

		packet->protocol = head[0];
		if (later || !tb_skip(cursor, size))
			return false;
	}
	return false;
}

/* Reads the fixed header; extension headers may follow. */
static __always_inline bool tb_read_ipv6(struct tb_cursor *cursor, struct tb_packet *packet)
{
	struct tb_ipv6 ip;

	if (!tb_take(cursor, &ip, sizeof(ip)) || (bpf_ntohl(ip.version_class_flow) >> 28) != 6)
		return false;
	packet->family = 6;
	if (!packet->length)
		packet->length = bpf_ntohs(ip.length) + sizeof(ip);
	packet->protocol = ip.next;
	packet->ttl = ip.hops;
	__builtin_memcpy(packet->source, ip.source, TB_ADDR);
	__builtin_memcpy(packet->destination, ip.destination, TB_ADDR);
	return tb_skip(cursor, sizeof(ip));
}

/* An ARP frame has no transport: its addresses are who asks and who is asked. */
static __always_inline void tb_read_arp(struct tb_cursor *cursor, struct tb_packet *packet)
{
	struct tb_arp arp;
	__be32 addr;

	if (!tb_take(cursor, &arp, sizeof(arp)) || arp.protocol != bpf_htons(ETH_P_IP))
		return;
	packet->family = 4;
	__builtin_memcpy(&addr, arp.sender, sizeof(addr));
	tb_addr4(packet->source, addr);
	__builtin_memcpy(&addr, arp.target, sizeof(addr));
	tb_addr4(packet->destination, addr);
}

/*
 * Reads one packet; true if it is one of IP whose transport header the cursor
 * stands on. A function of its own, so that the verifier walks it once for the
 * packet and once for the packet that an ICMP error quotes, not on every path.
 */
static __noinline bool tb_read_packet(struct tb_cursor *cursor, struct tb_packet *packet)
{
	bool inside = false;

	if (!cursor || !packet)
		return false;
	if (cursor->ether_type == ETH_P_ARP)
		tb_read_arp(cursor, packet);
	if (cursor->ether_type == ETH_P_IP)
		inside = tb_read_ipv4(cursor, packet);
	if (cursor->ether_type == ETH_P_IPV6)
		inside = tb_read_ipv6(cursor, packet) && tb_skip_extensions(cursor, packet);
	if (inside)
		tb_read_transport(cursor, packet);
	return inside;
}

/* ICMP types 3, 4, 5, 11, 12 quote (RFC 792); ICMPv6 types under 128 (RFC 4443). */
static __always_inline bool tb_quotes(const struct tb_packet *packet)
{
	__u8 type = packet->icmp_type;

	if (packet->protocol == IPPROTO_ICMP)
		return (type >= 3 && type <= 5) || type == 11 || type == 12;
	return packet->protocol == IPPROTO_ICMPV6 && type > 0 && type < 128;
}

/* The packet and, where it is an ICMP error, the one that it quotes. */
static __always_inline void tb_read_flow(struct sk_buff *skb, struct tb_packet *packet,
					 struct tb_packet *inner)
{
	struct tb_cursor cursor;

	tb_open(skb, &cursor);
	packet->length = tb_length(skb);
	packet->segment_size = tb_segment_size(skb);
	if (tb_read_packet(&cursor, packet) && tb_quotes(packet) && tb_skip(&cursor, 8))
		tb_read_packet(&cursor, inner);
}

/* Only the addresses: what a flood is counted by. */
static __always_inline void tb_read_ends(struct sk_buff *skb, __u8 *source, __u8 *destination)
{
	struct tb_packet packet = {};
	struct tb_cursor cursor;

	tb_open(skb, &cursor);
	if (cursor.ether_type == ETH_P_ARP)
		tb_read_arp(&cursor, &packet);
	if (cursor.ether_type == ETH_P_IP)
		tb_read_ipv4(&cursor, &packet);
	if (cursor.ether_type == ETH_P_IPV6)
		tb_read_ipv6(&cursor, &packet);
	__builtin_memcpy(source, packet.source, TB_ADDR);
	__builtin_memcpy(destination, packet.destination, TB_ADDR);
}

/* The EtherType behind VLAN tags, to tell ARP and non-IP apart. */
static __always_inline __u16 tb_ether_type(struct sk_buff *skb)
{
	struct tb_cursor cursor;

	tb_open(skb, &cursor);
	return cursor.ether_type;
}

/*
 * The namespace of the device, else of the socket. On a socket's queues skb->dev
 * is scratch space: a read through it gives 0 then, which is no namespace.
 */
static __always_inline __u32 tb_skb_netns(struct sk_buff *skb, struct net_device *dev)
{
	__u32 netns = BPF_CORE_READ(dev, nd_net.net, ns.inum);
	struct sock *sk;

	if (netns)
		return netns;
	sk = BPF_CORE_READ(skb, sk);
	return sk ? tb_socket_netns(sk) : 0;
}

/* Whom an Ethernet frame came from. */
static __always_inline void tb_read_mac(struct sk_buff *skb, struct net_device *dev, __u8 *mac)
{
	__u32 at = BPF_CORE_READ(skb, mac_header);

	if (BPF_CORE_READ(dev, type) != ARPHRD_ETHER || at == TB_NO_HEADER)
		return;
	if (at + ETH_HLEN > BPF_CORE_READ(skb, network_header))
		return;
	bpf_probe_read_kernel(mac, ETH_ALEN, BPF_CORE_READ(skb, head) + at + ETH_ALEN);
}

#endif
