/* SPDX-FileCopyrightText: The trapbpf authors */
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/*
 * What every object shares with user space: one ring, one table of losses, one of
 * what was seen, and the namespaces that are watched. The loader makes each map
 * once and hands it to all objects.
 */
#ifndef TRAPBPF_EMIT_H
#define TRAPBPF_EMIT_H

#include "kernel.h"
#include "event.h"

/* 1 MiB holds 4,000 samples: a second of the densest sampling on 16,000 keys is
 * spread over four intervals. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

/* [kind * TB_STAGES + stage] since the agent attached. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, TB_KINDS *TB_STAGES);
} losses SEC(".maps");

/* [enum tb_seen] since the agent attached. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, TB_SEENS);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, __u8);
	__uint(max_entries, 4096);
} netns_watch SEC(".maps");

/* Whether netns_watch narrows the view; false: every namespace is watched. */
const volatile bool cfg_narrow = false;

/* Least time between two samples of one key, in ns. */
const volatile __u64 cfg_sample_every = 250000000;

static __always_inline bool tb_watched(__u32 netns)
{
	return !cfg_narrow || bpf_map_lookup_elem(&netns_watch, &netns);
}

/* Counters are per CPU, and a program that interrupts another on the same CPU may
 * count into the same one: hence the atomic add. */
static __always_inline void tb_bump(void *map, __u32 index)
{
	__u64 *count = bpf_map_lookup_elem(map, &index);

	if (count)
		__sync_fetch_and_add(count, 1);
}

static __always_inline void tb_lost(__u32 kind, __u32 stage)
{
	tb_bump(&losses, kind * TB_STAGES + stage);
}

static __always_inline void tb_saw(__u32 what)
{
	tb_bump(&seen, what);
}

/* Room in the ring for a sample of this kind, or NULL with the loss counted. */
static __always_inline void *tb_reserve(__u32 kind, __u64 size)
{
	void *room = bpf_ringbuf_reserve(&events, size, 0);

	if (!room)
		tb_lost(kind, TB_STAGE_RING);
	return room;
}

static __always_inline void tb_begin(struct tb_header *header, __u32 kind, __u32 netns, __u64 now)
{
	header->time = now;
	header->kind = kind;
	header->netns = netns;
}

/*
 * Whether a key's sample is due. Two CPUs may both find it due: that is one sample
 * too many, not a wrong count. (A compare-and-swap would need kernel 5.12.) A key
 * whose sample found no room waits as well: a full ring is no time to insist.
 */
static __always_inline bool tb_due(__u64 *sampled, __u64 now)
{
	if (*sampled && now - *sampled < cfg_sample_every)
		return false;
	*sampled = now;
	return true;
}

static __always_inline void tb_owner_is_current(struct tb_owner *owner)
{
	owner->cgroup = bpf_get_current_cgroup_id();
	owner->pid = bpf_get_current_pid_tgid() >> 32;
	owner->pad = 0;
	bpf_get_current_comm(owner->comm, sizeof(owner->comm));
}

#endif
