/* SPDX-FileCopyrightText: The trapbpf authors */
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/*
 * The last routing lookup of each CPU: written by fib, read by drop.
 *
 * The kernel validates a packet's source by looking up the way back, and drops the
 * packet on the same CPU before it looks up anything else. So the last lookup, if
 * it asked for this packet's way back, is the verdict that the drop rests on.
 */
#ifndef TRAPBPF_FIB_H
#define TRAPBPF_FIB_H

#include "kernel.h"
#include "event.h"
#include "address.h"

struct tb_last {
	__u8 source[TB_ADDR];
	__u8 destination[TB_ADDR];
	struct net_device *device; /* resolved only if a drop wants it, */
	const struct fib_nh *hop;  /* as this; IPv4 only */
	__s32 error;
	__u32 table;
	__u32 mark;
	__u8 family; /* 0: none yet */
	__u8 pad[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct tb_last);
	__uint(max_entries, 1);
} fib_last SEC(".maps");

static __always_inline struct tb_last *tb_last_lookup(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&fib_last, &zero);
}

/* This CPU's last lookup, if it asked for the way back from a packet's destination
 * to its source; else NULL. */
static __always_inline struct tb_last *tb_way_back(const __u8 *source, const __u8 *destination)
{
	struct tb_last *last = tb_last_lookup();

	if (!last || !last->family || !tb_same_addr(last->destination, source) ||
	    !tb_same_addr(last->source, destination))
		return NULL;
	return last;
}

/* Whether the way back does not leave by the device that the packet came in by. */
static __always_inline bool tb_comes_astray(const __u8 *source, const __u8 *destination,
					    __u32 ifindex)
{
	struct tb_last *last = tb_way_back(source, destination);
	struct net_device *dev;

	if (!last)
		return false;
	dev = last->device;
	return last->error || !dev || (__u32)BPF_CORE_READ(dev, ifindex) != ifindex;
}

#endif
