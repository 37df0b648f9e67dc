/* SPDX-FileCopyrightText: The trapbpf authors */
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/*
 * Addresses in the wire's form, and a socket's two ends in it.
 */
#ifndef TRAPBPF_ADDRESS_H
#define TRAPBPF_ADDRESS_H

#include "kernel.h"
#include "event.h"

/* ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). */
static __always_inline void tb_addr4(__u8 *to, __be32 addr)
{
	__u32 *words = (__u32 *)to;

	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = addr;
}

static __always_inline bool tb_is_mapped(const __u8 *addr)
{
	const __u32 *words = (const __u32 *)addr;

	return !words[0] && !words[1] && words[2] == bpf_htonl(0xffff);
}

static __always_inline bool tb_same_addr(const __u8 *a, const __u8 *b)
{
	const __u32 *x = (const __u32 *)a, *y = (const __u32 *)b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3];
}

/*
 * A socket's local address and its peer. An AF_INET6 socket that talks IPv4 is
 * told as IPv4: it competes for the same ports. Its IPv6 local address is filled
 * in later than the IPv4 one, which is why that is read instead.
 */
static __always_inline void tb_socket_ends(struct sock *sk, __u8 *source, __u8 *destination)
{
	struct sock_common *common = &sk->__sk_common;

	if (BPF_CORE_READ(common, skc_family) == AF_INET6) {
		bpf_core_read(destination, TB_ADDR, &common->skc_v6_daddr);
		bpf_core_read(source, TB_ADDR, &common->skc_v6_rcv_saddr);
		if (!tb_is_mapped(destination))
			return;
	} else {
		tb_addr4(destination, BPF_CORE_READ(common, skc_daddr));
	}
	tb_addr4(source, BPF_CORE_READ(common, skc_rcv_saddr));
}

static __always_inline __u32 tb_socket_netns(struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

static __always_inline bool tb_is_inet(__u16 family)
{
	return family == AF_INET || family == AF_INET6;
}

#endif
