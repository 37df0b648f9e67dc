// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * fib: which way would the kernel send this? Nothing goes to user space from here.
 *
 * These are the hottest hooks of all (174,000 a second were measured under short
 * connections), so they copy a few words and leave names to whoever needs them.
 */
#include "kernel.h"
#include "compat.h"
#include "address.h"
#include "fib.h"

/* What both rungs read of an IPv4 lookup, each in its own way. */
struct tb_lookup4 {
	__be32 source;
	__be32 destination;
	__u32 mark;
	__u32 table;
	__s32 error;
	struct net_device *device;
	const struct fib_nh *hop; /* begins with what the tracepoint gives */
};

static __always_inline int tb_keep4(const struct tb_lookup4 *found)
{
	struct tb_last *last = tb_last_lookup();

	if (!last)
		return 0;
	tb_addr4(last->source, found->source);
	tb_addr4(last->destination, found->destination);
	last->device = found->device;
	last->hop = found->hop;
	last->error = found->error;
	last->table = found->table;
	last->mark = found->mark;
	last->family = 4;
	return 0;
}

/*
 * fib_table_lookup (net/ipv4/fib_trie.c) is asked once a table for each IPv4 route:
 * output, forward, and for every packet that comes in whether its source is
 * credible (__fib_validate_source, source and destination swapped). The tracepoint
 * (since 4.x; this form of its arguments since 5.2) fires on its way out with what
 * it found. With policy rules several tables are asked in turn; the last one asked
 * is the one that decided.
 */
SEC("tp_btf/fib_table_lookup")
int tb_fib_lookup4(__u64 *ctx)
{
	const struct flowi4 *flow = (void *)ctx[1];
	const struct fib_nh_common *hop = (void *)ctx[2];
	struct tb_lookup4 found = {
		.source = flow->saddr,
		.destination = flow->daddr,
		.mark = flow->__fl_common.flowic_mark,
		.table = ctx[0],
		.error = ctx[3],
		.hop = (const struct fib_nh *)hop,
	};

	if (hop) /* absent where no route was found */
		found.device = hop->nhc_dev;
	return tb_keep4(&found);
}

/* The same without the verifier's knowledge of the arguments' types, for kernels
 * whose BTF does not describe the tracepoint. */
SEC("raw_tp/fib_table_lookup")
int tb_fib_lookup4_raw(__u64 *ctx)
{
	const struct flowi4 *flow = (void *)ctx[1];
	const struct fib_nh_common *hop = (void *)ctx[2];
	struct tb_lookup4 found = {
		.source = BPF_CORE_READ(flow, saddr),
		.destination = BPF_CORE_READ(flow, daddr),
		.mark = BPF_CORE_READ(flow, __fl_common.flowic_mark),
		.table = ctx[0],
		.error = ctx[3],
		.device = BPF_CORE_READ(hop, nhc_dev),
		.hop = (const struct fib_nh *)hop,
	};

	return tb_keep4(&found);
}

static __always_inline int tb_keep6(const struct fib6_result *result,
				    const struct fib6_table *table, const struct flowi6 *flow)
{
	struct tb_last *last = tb_last_lookup();

	if (!last)
		return 0;
	BPF_CORE_READ_INTO(&last->source, flow, saddr);
	BPF_CORE_READ_INTO(&last->destination, flow, daddr);
	last->device = BPF_CORE_READ(result, nh, nh_common.nhc_dev);
	last->error = tb_fib6_error(BPF_CORE_READ(result, fib6_type));
	last->table = BPF_CORE_READ(table, tb6_id);
	last->mark = BPF_CORE_READ(flow, __fl_common.flowic_mark);
	last->family = 6;
	return 0;
}

/*
 * fib6_table_lookup (net/ipv6/route.c) is IPv6's, asked once a table for each route.
 * IPv6 has no rp_filter and validates no source by itself, but netfilter's rpfilter
 * and fib matches do, and they ask here, source and destination swapped. The
 * tracepoint has had these arguments since 5.2.
 */
SEC("tp_btf/fib6_table_lookup")
int tb_fib_lookup6(__u64 *ctx)
{
	return tb_keep6((void *)ctx[1], (void *)ctx[2], (void *)ctx[3]);
}

/* As tb_fib_lookup4_raw. */
SEC("raw_tp/fib6_table_lookup")
int tb_fib_lookup6_raw(__u64 *ctx)
{
	return tb_keep6((void *)ctx[1], (void *)ctx[2], (void *)ctx[3]);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
