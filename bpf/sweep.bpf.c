// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * sweep: the connections of one network namespace that wait for missing bytes, and
 * all connections with one peer.
 *
 * Nothing fires at a receiver that waits: that is the fault. So its sockets are
 * looked at, but only when user space has a reason, and a socket in order costs no
 * more than the look at one pointer.
 */
#include "kernel.h"
#include "address.h"
#include "connection.h"

/* The peer whose connections are wanted; zero: only those with a hole. User space
 * writes it before a sweep. */
struct tb_sweep {
	__u8 peer[TB_ADDR];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct tb_sweep);
	__uint(max_entries, 1);
} sweep SEC(".maps");

static __always_inline bool tb_is_peer(const struct tb_connection *c)
{
	static const __u8 none[TB_ADDR];
	struct tb_sweep *question;
	__u32 zero = 0;

	question = bpf_map_lookup_elem(&sweep, &zero);
	return question && !tb_same_addr(question->peer, none) &&
	       tb_same_addr(question->peer, c->destination);
}

static __always_inline bool tb_waits_for(struct sock_common *common)
{
	struct tcp_sock *tcp = (struct tcp_sock *)common;

	return common->skc_state != TCP_TIME_WAIT && BPF_CORE_READ(tcp, out_of_order_queue.rb_node);
}

/*
 * The tcp iterator shows every TCP socket of the namespace of whoever opened it;
 * timewait sockets and requests are small ones of which only the two ends may be
 * read. What is written to the iterator is read by user space as it stands. Since
 * 5.9. Runs once a socket and sweep.
 */
SEC("iter/tcp")
int tb_sweep_socket(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct tb_connection connection = {};
	bool waits;

	if (!common || common->skc_state == TCP_LISTEN || common->skc_state == TCP_NEW_SYN_RECV)
		return 0;
	waits = tb_waits_for(common);
	tb_read_tuple(common, &connection);
	if (!waits && !tb_is_peer(&connection))
		return 0;
	if (common->skc_state != TCP_TIME_WAIT)
		tb_read_connection((struct sock *)common, &connection);
	bpf_seq_write(ctx->meta->seq, &connection, sizeof(connection));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
