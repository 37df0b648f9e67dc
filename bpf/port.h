/* SPDX-FileCopyrightText: The trapbpf authors */
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/*
 * Calls that found no free local port: counted exactly per key, sampled as drops
 * are. Shared by tcp (connect) and bind.
 */
#ifndef TRAPBPF_PORT_H
#define TRAPBPF_PORT_H

#include "kernel.h"
#include "emit.h"
#include "address.h"

/* A failure needs a busy destination or source address: few exist at once. */
#define TB_FAILURES 4096

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct tb_port_key);
	__type(value, struct tb_failure_row);
	__uint(max_entries, TB_FAILURES);
} port_failures SEC(".maps");

static __always_inline struct tb_failure_row *tb_failure_row(const struct tb_port_key *key)
{
	struct tb_failure_row fresh = {}, *row;

	row = bpf_map_lookup_elem(&port_failures, key);
	if (row)
		return row;
	bpf_map_update_elem(&port_failures, key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&port_failures, key);
}

static __always_inline void tb_failure_sample(const struct tb_port_key *key,
					      const struct tb_failure_row *row, __u64 now)
{
	struct tb_failure *failure = tb_reserve(TB_KIND_FAILURE, sizeof(*failure));

	if (!failure)
		return;
	__builtin_memset(failure, 0, sizeof(*failure));
	tb_begin(&failure->header, TB_KIND_FAILURE, key->netns, now);
	tb_owner_is_current(&failure->owner);
	failure->count = row->count;
	__builtin_memcpy(failure->source, key->source, TB_ADDR);
	__builtin_memcpy(failure->destination, key->destination, TB_ADDR);
	failure->port = key->port;
	failure->op = key->op;
	bpf_ringbuf_submit(failure, 0);
}

/* Counts a failure of the current task. */
static __always_inline void tb_fail(const struct tb_port_key *key)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct tb_failure_row *row;

	tb_saw(TB_SEEN_FAILURE);
	row = tb_failure_row(key);
	if (!row) {
		tb_lost(TB_KIND_FAILURE, TB_STAGE_MAP);
		return;
	}
	__sync_fetch_and_add(&row->count, 1);
	row->last = now;
	tb_owner_is_current(&row->owner);
	if (tb_due(&row->sampled, now))
		tb_failure_sample(key, row, now);
}

#endif
