/* SPDX-FileCopyrightText: The trapbpf authors */
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/*
 * A router's word that a packet was too big, as it comes in and as this host says
 * it: ICMP type 3 code 4 and ICMPv6 type 2.
 *
 * Few come on a healthy host. A flood of them is a fault or an attack, so they are
 * counted for each (namespace, way, quoted packet's ends, MTU), and only the first
 * of a row and then one in each sampling interval becomes a sample.
 */
#ifndef TRAPBPF_ICMP_H
#define TRAPBPF_ICMP_H

#include "kernel.h"
#include "emit.h"
#include "flow.h"

#define TB_ROWS 8192 /* quoted pairs of addresses at once; the oldest go */

#define TB_UNREACHABLE 3 /* ICMP_DEST_UNREACH */
#define TB_FRAG_NEEDED 4 /* ICMP_FRAG_NEEDED */
#define TB_PKT_TOOBIG 2	 /* ICMPV6_PKT_TOOBIG */
#define TB_ICMP_HEADER 8 /* bytes, of either family */

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct tb_too_big_key);
	__type(value, struct tb_too_big_row);
	__uint(max_entries, TB_ROWS);
} icmp_rows SEC(".maps");

/* One error on its way through this file. */
struct tb_error {
	struct tb_packet packet;
	struct tb_packet inner;
	__u32 mtu;
	__u32 netns;
	__u8 way;
};

static __always_inline struct tb_too_big_row *tb_error_row(const struct tb_error *error)
{
	struct tb_too_big_row fresh = {}, *row;
	struct tb_too_big_key key = {.netns = error->netns, .mtu = error->mtu, .way = error->way};

	__builtin_memcpy(key.source, error->inner.source, TB_ADDR);
	__builtin_memcpy(key.destination, error->inner.destination, TB_ADDR);
	row = bpf_map_lookup_elem(&icmp_rows, &key);
	if (row)
		return row;
	bpf_map_update_elem(&icmp_rows, &key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&icmp_rows, &key);
}

static __always_inline int tb_told(const struct tb_error *error, struct net_device *dev)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct tb_too_big_row *row = tb_error_row(error);
	struct tb_too_big *sample;

	if (!row) {
		tb_lost(TB_KIND_TOO_BIG, TB_STAGE_MAP);
		return 0;
	}
	__sync_fetch_and_add(&row->count, 1);
	if (!tb_due(&row->sampled, now))
		return 0;
	sample = tb_reserve(TB_KIND_TOO_BIG, sizeof(*sample));
	if (!sample)
		return 0;
	__builtin_memset(sample, 0, sizeof(*sample));
	tb_begin(&sample->header, TB_KIND_TOO_BIG, error->netns, now);
	sample->packet = error->packet;
	sample->inner = error->inner;
	sample->count = row->count;
	sample->mtu = error->mtu;
	sample->way = error->way;
	sample->ifindex = BPF_CORE_READ(dev, ifindex);
	BPF_CORE_READ_INTO(&sample->iface, dev, name);
	bpf_ringbuf_submit(sample, 0);
	return 0;
}

static __always_inline bool tb_is_too_big(const struct tb_packet *p)
{
	if (p->protocol == IPPROTO_ICMP)
		return p->icmp_type == TB_UNREACHABLE && p->icmp_code == TB_FRAG_NEEDED;
	return p->protocol == IPPROTO_ICMPV6 && p->icmp_type == TB_PKT_TOOBIG;
}

/* Reads the error at the cursor; false if it is another packet, or nobody watches. */
static __always_inline bool tb_read_error(struct tb_cursor *cursor, struct net_device *dev,
					  struct tb_error *error)
{
	if (!tb_read_packet(cursor, &error->packet) || !tb_is_too_big(&error->packet))
		return false;
	error->netns = BPF_CORE_READ(dev, nd_net.net, ns.inum);
	if (!tb_watched(error->netns))
		return false;
	error->mtu = error->packet.icmp_mtu;
	if (tb_skip(cursor, TB_ICMP_HEADER))
		tb_read_packet(cursor, &error->inner);
	return true;
}

/* An error whose network header the packet buffer knows. */
static __always_inline int tb_met(struct sk_buff *skb, __u8 way)
{
	struct net_device *dev = BPF_CORE_READ(skb, dev);
	struct tb_error error = {.way = way};
	struct tb_cursor cursor;

	tb_open(skb, &cursor);
	error.packet.length = tb_length(skb);
	return tb_read_error(&cursor, dev, &error) ? tb_told(&error, dev) : 0;
}

/* The IP protocol behind the link header; 0 for what is neither IPv4 nor IPv6. */
static __always_inline __u8 tb_protocol_at(const unsigned char *at, __u16 ether_type)
{
	__u8 protocol = 0;

	if (ether_type == ETH_P_IP)
		bpf_probe_read_kernel(&protocol, 1, at + 9);
	else if (ether_type == ETH_P_IPV6)
		bpf_probe_read_kernel(&protocol, 1, at + 6);
	return protocol;
}

#endif
