// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * tcp: who dials whom, how fast, and which closes leave a TIME_WAIT behind.
 *
 * A record to user space for each state change would halve a busy client's
 * connection rate, so everything is counted here and read once a second; only a
 * connect() that found no port becomes a sample.
 */
#include "kernel.h"
#include "emit.h"
#include "address.h"
#include "owner.h"
#include "port.h"

#define TB_DESTINATIONS 16384
#define TB_NAMESPACES 4096

/* Least recently used destinations make room: a crawler has more than fit, and
 * none of them is one that runs out of ports. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct tb_port_key);
	__type(value, struct tb_pressure_row);
	__uint(max_entries, TB_DESTINATIONS);
} tcp_pressure SEC(".maps");

/* Every close that left a TIME_WAIT, the answering side's too, per namespace. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, TB_NAMESPACES);
} tcp_closes SEC(".maps");

/* An AF_INET or AF_INET6 socket of a watched namespace; fills in the key. */
static __always_inline bool tb_port_key_of(struct sock *sk, struct tb_port_key *key)
{
	if (!tb_is_inet(BPF_CORE_READ(sk, __sk_common.skc_family)))
		return false;
	key->netns = tb_socket_netns(sk);
	if (!tb_watched(key->netns))
		return false;
	tb_socket_ends(sk, key->source, key->destination);
	key->port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	return true;
}

static __always_inline struct tb_pressure_row *tb_pressure_row(const struct tb_port_key *key)
{
	struct tb_pressure_row fresh = {}, *row;

	row = bpf_map_lookup_elem(&tcp_pressure, key);
	if (row)
		return row;
	bpf_map_update_elem(&tcp_pressure, key, &fresh, BPF_NOEXIST);
	row = bpf_map_lookup_elem(&tcp_pressure, key);
	if (!row)
		tb_lost(TB_KIND_PRESSURE, TB_STAGE_MAP);
	return row;
}

static __always_inline void tb_count_close(__u32 netns)
{
	__u64 *count = bpf_map_lookup_elem(&tcp_closes, &netns), one = 1;

	if (count)
		__sync_fetch_and_add(count, 1);
	else if (bpf_map_update_elem(&tcp_closes, &netns, &one, BPF_NOEXIST))
		tb_lost(TB_KIND_PRESSURE, TB_STAGE_MAP);
}

/* connect() begins, in the caller's context: the only moment at which the current
 * task is certainly the socket's. */
static __always_inline void tb_dials(struct sock *sk)
{
	__u32 netns = tb_socket_netns(sk);
	struct tb_owner owner;
	__u64 id = (__u64)sk;

	if (!tb_watched(netns))
		return;
	tb_owner_is_current(&owner);
	bpf_map_update_elem(&tcp_owner, &id, &owner, BPF_ANY);
}

/*
 * connect() ends, one way or another. No source port means that there was none to
 * have (__inet_hash_connect gave EADDRNOTAVAIL), in the caller's context. It is
 * inet_sport that tells: skc_num is taken back before this tracepoint by every
 * close.
 */
static __always_inline void tb_dialled(struct sock *sk, const struct tb_owner *owner)
{
	struct inet_sock *inet = (struct inet_sock *)sk;
	struct tb_pressure_row *row;
	struct tb_port_key key = {};

	if (!tb_port_key_of(sk, &key))
		return;
	if (!BPF_CORE_READ(inet, inet_sport)) {
		key.op = TB_OP_CONNECT;
		tb_fail(&key);
		return;
	}
	row = tb_pressure_row(&key);
	if (!row)
		return;
	tb_saw(TB_SEEN_PRESSURE);
	__sync_fetch_and_add(&row->opens, 1);
	row->last = bpf_ktime_get_boot_ns();
	if (owner)
		row->owner = *owner;
}

/*
 * Whether this close leaves a timewait socket. Nothing changes its state to
 * TIME_WAIT: tcp_time_wait() makes the small socket and closes the old one, which
 * stands in FIN_WAIT2 or CLOSING then. A reset or a timeout closes from there as
 * well, but says so in sk_err first; a negative linger2 (TCP_LINGER2) asks for no
 * timewait. One that was refused because tcp_max_tw_buckets is full looks the same
 * here: the namespace's TCPTimeWaitOverflow counts those.
 */
static __always_inline bool tb_leaves_time_wait(struct sock *sk, int old)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;

	if (old != TCP_FIN_WAIT2 && old != TCP_CLOSING)
		return false;
	return !BPF_CORE_READ(sk, sk_err) && BPF_CORE_READ(tcp, linger2) >= 0;
}

static __always_inline void tb_waits(struct sock *sk, bool dialled)
{
	struct tb_pressure_row *row;
	struct tb_port_key key = {};

	if (!tb_port_key_of(sk, &key))
		return;
	tb_count_close(key.netns);
	if (!dialled)
		return;
	row = tb_pressure_row(&key);
	if (!row)
		return;
	tb_saw(TB_SEEN_PRESSURE);
	__sync_fetch_and_add(&row->time_waits, 1);
	row->last = bpf_ktime_get_boot_ns();
}

static __always_inline int tb_changed(struct sock *sk, int old, int new)
{
	struct tb_owner *owner;
	__u64 id = (__u64)sk;

	if (new == TCP_SYN_SENT)
		tb_dials(sk);
	if (old != TCP_SYN_SENT && new != TCP_CLOSE)
		return 0;
	owner = bpf_map_lookup_elem(&tcp_owner, &id);
	if (old == TCP_SYN_SENT)
		tb_dialled(sk, owner);
	if (new != TCP_CLOSE)
		return 0;
	if (tb_leaves_time_wait(sk, old))
		tb_waits(sk, owner);
	if (owner)
		bpf_map_delete_elem(&tcp_owner, &id);
	return 0;
}

/*
 * inet_sock_set_state fires on each state change of a TCP socket (MPTCP and DCCP
 * use it too, but not with these states' meaning of a port): about five times a
 * connection on each side, 52,000 a second under 19,000 short connections. Since
 * 4.16 (563e0bb0dc74); nothing else sees a connect() by io_uring fail.
 */
SEC("tp_btf/inet_sock_set_state")
int tb_tcp_state(__u64 *ctx)
{
	return tb_changed((struct sock *)ctx[0], ctx[1], ctx[2]);
}

/* The same without the verifier's knowledge of the arguments' types. */
SEC("raw_tp/inet_sock_set_state")
int tb_tcp_state_raw(__u64 *ctx)
{
	return tb_changed((struct sock *)ctx[0], ctx[1], ctx[2]);
}

/* The same by the tracepoint's record, which the kernel must first fill in. */
SEC("tracepoint/sock/inet_sock_set_state")
int tb_tcp_state_classic(struct trace_event_raw_inet_sock_set_state *ctx)
{
	return tb_changed((struct sock *)ctx->skaddr, ctx->oldstate, ctx->newstate);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
