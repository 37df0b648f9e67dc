// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * drop: packets that the kernel throws away for a reason that some trap is about.
 *
 * While nothing is wrong this hook runs a few times a second; when something is, it
 * runs as often as packets come. So drops are counted here, one row for each
 * (namespace, reason, source, destination, device), and only the first of a row
 * and then one in each sampling interval becomes a sample. The rows' counts are
 * exact; user space reads them when they moved.
 */
#include "kernel.h"
#include "compat.h"
#include "emit.h"
#include "flow.h"
#include "route.h"
#include "reason.h"
#include "fib.h"
#include "place.h"
#include "half.h"

#define TB_ROWS 16384	 /* rows in full detail: 2.5 MB */
#define TB_OVERFLOW 1024 /* (namespace, reason) pairs when those are used up */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct tb_drop_key);
	__type(value, struct tb_drop_row);
	__uint(max_entries, TB_ROWS);
} drop_rows SEC(".maps");

/* Keyed alike, but with addresses and device zero. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct tb_drop_key);
	__type(value, struct tb_drop_row);
	__uint(max_entries, TB_OVERFLOW);
} drop_overflow SEC(".maps");

/* One drop on its way through this file. */
struct tb_dropping {
	struct sk_buff *skb;
	struct net_device *dev;
	__u64 location;
	__u64 now;
	struct tb_half half; /* of a segment that was dropped before */
};

static __always_inline void tb_row_describe(struct tb_drop_row *row, struct sk_buff *skb,
					    struct net_device *dev)
{
	row->device_mtu = BPF_CORE_READ(dev, mtu);
	row->type = BPF_CORE_READ_BITFIELD_PROBED(skb, pkt_type);
	row->conntrack = tb_conntrack_of(skb);
	BPF_CORE_READ_INTO(&row->iface, dev, name);
}

/* The row of a key, made if need be; NULL when the map is full. Whoever loses the
 * race to make it finds the winner's. */
static __always_inline struct tb_drop_row *tb_row(const struct tb_drop_key *key,
						  const struct tb_dropping *d)
{
	struct tb_drop_row fresh = {}, *row;

	row = bpf_map_lookup_elem(&drop_rows, key);
	if (row)
		return row;
	tb_row_describe(&fresh, d->skb, d->dev);
	bpf_map_update_elem(&drop_rows, key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&drop_rows, key);
}

/* The map is full: the detail is lost, the total is not. */
static __always_inline void tb_overflow(struct tb_drop_key *key, __u64 now)
{
	struct tb_drop_row fresh = {}, *row;

	tb_lost(TB_KIND_DROP, TB_STAGE_MAP);
	__builtin_memset(key->source, 0, TB_ADDR);
	__builtin_memset(key->destination, 0, TB_ADDR);
	key->ifindex = 0;
	row = bpf_map_lookup_elem(&drop_overflow, key);
	if (!row) {
		bpf_map_update_elem(&drop_overflow, key, &fresh, BPF_NOEXIST);
		row = bpf_map_lookup_elem(&drop_overflow, key);
	}
	if (!row)
		return;
	__sync_fetch_and_add(&row->count, 1);
	row->last = now;
}

/* Attaches this CPU's last lookup if it asked for the way back to this source. */
static __always_inline void tb_reverse(const struct tb_drop_key *key, struct tb_lookup *reverse)
{
	struct tb_last *last = tb_way_back(key->source, key->destination);
	struct net_device *dev;

	if (!last)
		return;
	__builtin_memcpy(reverse->source, last->source, TB_ADDR);
	__builtin_memcpy(reverse->destination, last->destination, TB_ADDR);
	reverse->error = last->error;
	reverse->table = last->table;
	reverse->mark = last->mark;
	reverse->family = last->family;
	dev = last->device;
	if (last->error || !dev)
		return;
	reverse->ifindex = BPF_CORE_READ(dev, ifindex);
	BPF_CORE_READ_INTO(&reverse->iface, dev, name);
}

/* Where the packet's route led, if it was routed already; or the far end of a virtual
 * cable, if the packet was on it already and did not fit there. */
static __always_inline void tb_way_out(const struct tb_dropping *d, struct tb_drop *drop)
{
	struct dst_entry *route = tb_route(d->skb);
	struct net_device *dev = tb_cable_end(d->dev);

	if (dev && drop->packet.length > BPF_CORE_READ(dev, mtu)) {
		drop->out_mtu = BPF_CORE_READ(dev, mtu);
	} else if (route) {
		drop->out_mtu = tb_route_mtu(route);
		dev = BPF_CORE_READ(route, dev);
	} else {
		return;
	}
	drop->out_ifindex = BPF_CORE_READ(dev, ifindex);
	BPF_CORE_READ_INTO(&drop->out_iface, dev, name);
}

static __always_inline void tb_sample(const struct tb_drop_key *key, const struct tb_drop_row *row,
				      const struct tb_dropping *d)
{
	struct tb_drop *drop = tb_reserve(TB_KIND_DROP, sizeof(*drop));

	if (!drop)
		return;
	__builtin_memset(drop, 0, sizeof(*drop));
	tb_begin(&drop->header, TB_KIND_DROP, key->netns, d->now);
	tb_reverse(key, &drop->reverse);
	drop->location = d->location;
	drop->count = row->count;
	drop->reason = key->reason;
	drop->ifindex = key->ifindex;
	drop->device_mtu = row->device_mtu;
	drop->ether_type = tb_ether_type(d->skb);
	drop->type = row->type;
	drop->conntrack = tb_conntrack_of(d->skb);
	drop->since = d->half.since;
	drop->times = d->half.times;
	__builtin_memcpy(drop->iface, row->iface, TB_NAME);
	tb_read_mac(d->skb, d->dev, drop->source_mac);
	drop->packet.length = tb_length(d->skb);
	tb_way_out(d, drop);
	tb_read_flow(d->skb, &drop->packet, &drop->inner);
	bpf_ringbuf_submit(drop, 0);
}

static __always_inline int tb_dropped(struct sk_buff *skb, __u64 location, __u32 reason)
{
	struct tb_dropping d = {.skb = skb, .location = location};
	struct tb_drop_key key = {};
	struct tb_drop_row *row;
	struct net_device *dev;

	reason = tb_reason_at(skb, location, reason);
	key.reason = reason;
	if (!tb_meaning(reason))
		return 0;
	dev = BPF_CORE_READ(skb, dev);
	if (!tb_matters(tb_meaning(reason), skb, dev))
		return 0;
	key.netns = tb_skb_netns(skb, dev);
	if (!tb_watched(key.netns))
		return 0;
	d.dev = dev;
	d.now = bpf_ktime_get_boot_ns();
	key.ifindex = BPF_CORE_READ(dev, ifindex);
	tb_read_ends(skb, key.source, key.destination);
	if (tb_meaning(reason) == TB_BY_FIREWALL && !tb_firewalled(skb, &key, d.now, &d.half))
		return 0;
	tb_saw(TB_SEEN_DROP);
	row = tb_row(&key, &d);
	if (!row) {
		tb_overflow(&key, d.now);
		return 0;
	}
	__sync_fetch_and_add(&row->count, d.half.times == 2 ? 2 : 1); /* the first time, too */
	row->last = d.now;
	if (tb_due(&row->sampled, d.now))
		tb_sample(&key, row, &d);
	return 0;
}

/*
 * kfree_skb is where the kernel frees a packet that did not arrive (consume_skb is
 * for those that did). The tracepoint is as old as drop monitoring (2.6.30); the
 * reason came with 5.17 (c504e5c2f964), and since 6.11 a receiving socket follows
 * it. It runs 0 to 330 times a second on a healthy host, for each packet of a flood.
 * Where there is no reason, ctx[2] is neither, and the constant keeps it unread.
 */
SEC("tp_btf/kfree_skb")
int tb_drop_packet(__u64 *ctx)
{
	__u32 reason = cfg_reasons_told ? ctx[2] : cfg_unspecified;

	return tb_dropped((struct sk_buff *)ctx[0], ctx[1], reason);
}

/* The same without the verifier's knowledge of the arguments' types. */
SEC("raw_tp/kfree_skb")
int tb_drop_packet_raw(__u64 *ctx)
{
	__u32 reason = cfg_reasons_told ? ctx[2] : cfg_unspecified;

	return tb_dropped((struct sk_buff *)ctx[0], ctx[1], reason);
}

/* The same by the tracepoint's record, which the kernel must first fill in. */
SEC("tracepoint/skb/kfree_skb")
int tb_drop_packet_classic(struct trace_event_raw_kfree_skb *ctx)
{
	__u32 reason = cfg_unspecified;

	if (cfg_reasons_told && bpf_core_field_exists(ctx->reason))
		reason = ctx->reason;
	return tb_dropped(ctx->skbaddr, (__u64)ctx->location, reason);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
