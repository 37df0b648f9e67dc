// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * dial: who connects to an address that was asked for.
 *
 * A record to user space for each connect would halve a busy client's rate, so user
 * space says which addresses matter: those that a name once had. All others leave
 * after one lookup.
 */
#include "kernel.h"
#include "emit.h"
#include "address.h"

/* Addresses asked for at once; the least recently dialled make room. */
#define TB_DIALS 4096

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct tb_dial_key);
	__type(value, struct tb_dial_row);
	__uint(max_entries, TB_DIALS);
} dial_watch SEC(".maps");

static __always_inline void tb_dial_tell(const struct tb_dial_key *key, __u64 count, __u16 port,
					 __u8 protocol)
{
	struct tb_dial *dial = tb_reserve(TB_KIND_DIAL, sizeof(*dial));

	if (!dial)
		return;
	__builtin_memset(dial, 0, sizeof(*dial));
	tb_begin(&dial->header, TB_KIND_DIAL, key->netns, bpf_ktime_get_boot_ns());
	tb_owner_is_current(&dial->owner);
	dial->count = count;
	__builtin_memcpy(dial->destination, key->destination, TB_ADDR);
	dial->port = port;
	dial->protocol = protocol;
	bpf_ringbuf_submit(dial, 0);
}

static __always_inline void tb_dialling(const struct tb_dial_key *key, __u16 port, __u8 protocol)
{
	struct tb_dial_row *row = bpf_map_lookup_elem(&dial_watch, key);

	if (!row)
		return;
	__sync_fetch_and_add(&row->count, 1);
	if (tb_due(&row->sampled, bpf_ktime_get_boot_ns()))
		tb_dial_tell(key, row->count, port, protocol);
}

static __always_inline void tb_dial_call(struct bpf_sock_addr *ctx, struct tb_dial_key *key)
{
	struct bpf_sock_addr_kern *inside = (struct bpf_sock_addr_kern *)ctx;

	/* The context is the kernel's own struct to a probing read. */
	key->netns = tb_socket_netns(BPF_CORE_READ(inside, sk));
	tb_dialling(key, bpf_ntohs(ctx->user_port),
		    ctx->type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP);
}

/*
 * connect() of a TCP or UDP socket, in the caller's context, with the address that it
 * asked for: once a call, io_uring's too. Since 4.17. The verdict is always 1.
 */
SEC("cgroup/connect4")
int tb_dial_connect4(struct bpf_sock_addr *ctx)
{
	struct tb_dial_key key = {};

	tb_addr4(key.destination, ctx->user_ip4);
	tb_dial_call(ctx, &key);
	return 1;
}

/* The same for IPv6, and for IPv4 by way of it. */
SEC("cgroup/connect6")
int tb_dial_connect6(struct bpf_sock_addr *ctx)
{
	__u32 words[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};
	struct tb_dial_key key = {};

	__builtin_memcpy(key.destination, words, TB_ADDR);
	tb_dial_call(ctx, &key);
	return 1;
}

/* Without control groups: TCP's state change at the same moment, and no UDP. It runs
 * about five times a connection on each side. */
SEC("tp_btf/inet_sock_set_state")
int tb_dial_state(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	struct tb_dial_key key = {};
	__u8 source[TB_ADDR];

	if (ctx[2] != TCP_SYN_SENT)
		return 0;
	key.netns = tb_socket_netns(sk);
	tb_socket_ends(sk, source, key.destination);
	tb_dialling(&key, bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport)), IPPROTO_TCP);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
