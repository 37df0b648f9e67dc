/* SPDX-FileCopyrightText: The trapbpf authors */
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/*
 * Packets of a connection of which connection tracking knows nothing, or only the
 * other half: what a stateful firewall calls INVALID.
 *
 * A firewall throws away a great many of those that harm nobody: scans, strays, the
 * FIN and RST of connections that it has forgotten. A live connection is told from
 * them by what TCP does when it gets no answer: it sends the same segment again. So
 * each connection has a row here, and only a segment that was dropped before is of
 * any interest: a scan, or a flood of forged packets, makes no sample at all.
 */
#ifndef TRAPBPF_HALF_H
#define TRAPBPF_HALF_H

#include "kernel.h"
#include "compat.h"
#include "flow.h"
#include "reason.h"
#include "fib.h"

#define TB_HALVES 8192		   /* the least lately dropped make room */
#define TB_HALF_OLD 30000000000ULL /* ns; by then a port may be another connection's */

#define TB_FIN 0x01
#define TB_SYN 0x02
#define TB_RST 0x04
#define TB_ACK 0x10

struct tb_half_key {
	__u8 source[TB_ADDR];
	__u8 destination[TB_ADDR];
	__u32 netns;
	__u16 source_port;
	__u16 destination_port;
};

struct tb_half {
	__u64 since; /* when the segment was dropped first */
	__u64 last;
	__u32 sequence;
	__u32 times;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct tb_half_key);
	__type(value, struct tb_half);
	__uint(max_entries, TB_HALVES);
} drop_halves SEC(".maps");

/*
 * It answers or goes on with something, and conntrack has no entry for it. A lone SYN
 * opens a connection and is never INVALID; FIN and RST end one that the firewall may
 * have forgotten before.
 */
static __always_inline bool tb_is_half(const struct tb_packet *packet, struct sk_buff *skb)
{
	if (packet->protocol != IPPROTO_TCP)
		return false;
	if ((packet->tcp_flags & (TB_ACK | TB_FIN | TB_RST)) != TB_ACK)
		return false;
	return tb_conntrack_of(skb) == TB_CONNTRACK_NONE;
}

/* Whether the row is to begin anew with this segment: an earlier one of the
 * connection, or one of another that has the same ports. */
static __always_inline bool tb_begins_anew(const struct tb_half *half,
					   const struct tb_packet *packet, __u64 now)
{
	if (half->sequence == packet->sequence)
		return false;
	return packet->tcp_flags & TB_SYN || (__s32)(packet->sequence - half->sequence) < 0 ||
	       now - half->last > TB_HALF_OLD;
}

/* The row of a segment that was dropped before, with this time counted in; NULL for
 * any other. */
static __always_inline struct tb_half *tb_dropped_again(__u32 netns, const struct tb_packet *packet,
							__u64 now)
{
	struct tb_half fresh = {.since = now, .last = now, .times = 1}, *half;
	struct tb_half_key key = {.netns = netns};

	__builtin_memcpy(key.source, packet->source, TB_ADDR);
	__builtin_memcpy(key.destination, packet->destination, TB_ADDR);
	key.source_port = packet->source_port;
	key.destination_port = packet->destination_port;
	half = bpf_map_lookup_elem(&drop_halves, &key);
	if (!half || tb_begins_anew(half, packet, now)) {
		fresh.sequence = packet->sequence;
		bpf_map_update_elem(&drop_halves, &key, &fresh, BPF_ANY);
		return NULL;
	}
	if (half->sequence != packet->sequence)
		return NULL;
	__sync_fetch_and_add(&half->times, 1);
	half->last = now;
	return half;
}

/*
 * Firewalls drop for countless reasons and all under one name. It matters where it
 * was an ICMP "too big", a packet that came in by another device than leads back to
 * its source, or a segment of half a connection that was dropped before.
 */
static __always_inline bool tb_firewalled(struct sk_buff *skb, const struct tb_drop_key *key,
					  __u64 now, struct tb_half *told)
{
	struct tb_packet packet = {};
	struct tb_cursor cursor;
	struct tb_half *half;

	tb_open(skb, &cursor);
	if (!tb_read_packet(&cursor, &packet))
		return false;
	if (tb_tells_too_big(&packet) ||
	    tb_comes_astray(key->source, key->destination, key->ifindex))
		return true;
	half = tb_is_half(&packet, skb) ? tb_dropped_again(key->netns, &packet, now) : NULL;
	if (!half)
		return false;
	*told = *half;
	return true;
}

#endif
