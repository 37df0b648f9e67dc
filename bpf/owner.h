/* SPDX-FileCopyrightText: The trapbpf authors */
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/*
 * Who dialled a TCP socket. Written by tcp, read by whoever meets the socket later,
 * in a context where the current task is a stranger.
 */
#ifndef TRAPBPF_OWNER_H
#define TRAPBPF_OWNER_H

#include "kernel.h"
#include "event.h"

#define TB_SOCKETS 65536 /* dialled sockets alive at once: two full port ranges */

/*
 * From SYN_SENT to CLOSE. That a socket is in here also tells that this side opened
 * it. The key is the socket's address: a socket that takes another's place writes
 * its own entry when it dials.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, __u64);
	__type(value, struct tb_owner);
	__uint(max_entries, TB_SOCKETS);
} tcp_owner SEC(".maps");

/* The cgroup that a socket was made in; 0 where the kernel is too old to say so in
 * this form (before 5.15, commit 8520e224f547) or has no cgroup v2. */
static __always_inline __u64 tb_socket_cgroup(struct sock *sk)
{
	if (!bpf_core_field_exists(sk->sk_cgrp_data.cgroup))
		return 0;
	return BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
}

/* The owner of a socket: whoever dialled it, or only the cgroup of one that was
 * accepted, since its task is not known here. */
static __always_inline void tb_owner_of(struct sock *sk, struct tb_owner *owner)
{
	__u64 id = (__u64)sk;
	struct tb_owner *dialled = bpf_map_lookup_elem(&tcp_owner, &id);

	if (dialled)
		*owner = *dialled;
	else
		owner->cgroup = tb_socket_cgroup(sk);
}

#endif
