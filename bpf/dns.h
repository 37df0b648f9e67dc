/* SPDX-FileCopyrightText: The trapbpf authors */
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/*
 * One packet to or from port 53, from the headers to the ring, whichever hook met it.
 */
#ifndef TRAPBPF_DNS_H
#define TRAPBPF_DNS_H

#include "kernel.h"
#include "emit.h"
#include "address.h"
#include "flow.h"
#include "owner.h"

#define TB_PORT_DNS 53

/* Rooms for a payload: a question of forty bytes is not to take that of the longest
 * answer. What EDNS0 resolvers offer at most is the last (4,096). */
#define TB_DNS_SHORT 128
#define TB_DNS_PLAIN 512 /* RFC 1035, 4.2.1 */
#define TB_DNS_FRAME 1280
#define TB_DNS_WHOLE 4096

/* Waking the reader costs more than a sample does. Of a burst only the first samples
 * wake it; the others are read along, or with the first of the next window. */
#define TB_DNS_WINDOW 10000000 /* ns */
#define TB_DNS_WAKES 32

static __u64 dns_window;
static __u32 dns_burst;

struct tb_dns_view {
	struct __sk_buff *packet;    /* where a socket's hook met it */
	const unsigned char *linear; /* else where its payload is, in the linear part */
	__u32 offset;		     /* of the payload, from the network header on */
	__u32 captured;
	struct tb_dns head;
};

/* Two CPUs may count in one window: that wakes once too often or too seldom, and
 * nothing is lost. */
static __always_inline __u64 tb_dns_wake(__u64 now)
{
	if (now - dns_window > TB_DNS_WINDOW) {
		dns_window = now;
		dns_burst = 0;
		return BPF_RB_FORCE_WAKEUP;
	}
	return ++dns_burst > TB_DNS_WAKES ? BPF_RB_NO_WAKEUP : 0;
}

static __always_inline long tb_dns_copy(struct tb_dns_view *view, void *to, __u32 size)
{
	if (view->packet)
		return bpf_skb_load_bytes(view->packet, view->offset, to, size);
	return bpf_probe_read_kernel(to, size, view->linear);
}

/*
 * Copies the payload once, from the packet into the ring. Kernels from 5.10 to 6.18 take a
 * length's bounds from the very register that was compared. So what is compared is the
 * index of the last byte, out of the compiler's sight, and the length is that plus one.
 */
static __always_inline void tb_dns_room(struct tb_dns_view *view, const __u32 room)
{
	struct tb_dns *sample = tb_reserve(TB_KIND_DNS, sizeof(*sample) + room);
	__u64 last = view->captured - 1;

	if (!sample)
		return;
	*sample = view->head;
	sample->captured = view->captured;
	barrier_var(last);
	if (last >= room || tb_dns_copy(view, sample + 1, last + 1)) {
		tb_lost(TB_KIND_DNS, TB_STAGE_MAP);
		bpf_ringbuf_discard(sample, BPF_RB_NO_WAKEUP);
		return;
	}
	bpf_ringbuf_submit(sample, tb_dns_wake(view->head.header.time));
}

static __always_inline void tb_dns_tell(struct tb_dns_view *view, __u32 netns)
{
	tb_begin(&view->head.header, TB_KIND_DNS, netns, bpf_ktime_get_boot_ns());
	if (view->captured > TB_DNS_WHOLE)
		view->captured = TB_DNS_WHOLE;
	if (view->captured <= TB_DNS_SHORT)
		tb_dns_room(view, TB_DNS_SHORT);
	else if (view->captured <= TB_DNS_PLAIN)
		tb_dns_room(view, TB_DNS_PLAIN);
	else if (view->captured <= TB_DNS_FRAME)
		tb_dns_room(view, TB_DNS_FRAME);
	else
		tb_dns_room(view, TB_DNS_WHOLE);
}

/*
 * Who sends. A datagram leaves inside its sender's call. A segment may as well be sent
 * by an interrupt that met somebody else: there it is asked who dialled the socket.
 */
static __always_inline void tb_dns_owner(struct sock *sk, struct tb_dns *head)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	if (head->protocol == IPPROTO_TCP) {
		tb_owner_of(sk, &head->owner);
		return;
	}
	head->owner.cgroup = tb_socket_cgroup(sk);
	head->owner.pid = BPF_CORE_READ(task, tgid);
	BPF_CORE_READ_INTO(&head->owner.comm, task, comm);
}

#endif
