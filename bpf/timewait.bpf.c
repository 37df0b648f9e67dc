// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * timewait: who holds the ephemeral ports of one network namespace.
 *
 * A full range is tens of thousands of sockets. They are summed up here, so that
 * user space reads one row a destination, not one a socket.
 */
#include "kernel.h"
#include "address.h"
#include "event.h"

#define TB_ROWS 16384
#define TB_PORTS 65536

/* The question and the sums. User space writes it before a walk, reads it after. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct tb_walk);
	__uint(max_entries, 1);
} walk SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct tb_walk_key);
	__type(value, struct tb_walk_row);
	__uint(max_entries, TB_ROWS);
} walk_rows SEC(".maps");

/* One byte a port: 1 where something listens. User space clears it before. */
struct tb_listening {
	__u8 port[TB_PORTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct tb_listening);
	__uint(max_entries, 1);
} walk_listening SEC(".maps");

static __always_inline bool tb_outgoing(const struct tb_walk *sums, __u16 port)
{
	struct tb_listening *listening;
	__u32 zero = 0;

	if (port < sums->low || port > sums->high)
		return false;
	listening = bpf_map_lookup_elem(&walk_listening, &zero);
	return listening && !listening->port[port];
}

static __always_inline void tb_listens(__u16 port)
{
	struct tb_listening *listening;
	__u32 zero = 0;

	listening = bpf_map_lookup_elem(&walk_listening, &zero);
	if (listening)
		listening->port[port] = 1;
}

static __always_inline struct tb_walk_row *tb_walk_row(const struct tb_walk_key *key)
{
	struct tb_walk_row fresh = {}, *row;

	row = bpf_map_lookup_elem(&walk_rows, key);
	if (row)
		return row;
	bpf_map_update_elem(&walk_rows, key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&walk_rows, key);
}

/* One walk runs at a time, on one CPU: plain sums are exact. */
static __always_inline void tb_holds(struct tb_walk *sums, struct sock_common *common, bool waits)
{
	struct tb_walk_key key = {};
	struct tb_walk_row *row;

	tb_socket_ends((struct sock *)common, key.source, key.destination);
	key.port = bpf_ntohs(common->skc_dport);
	sums->time_wait += waits;
	sums->live += !waits;
	row = tb_walk_row(&key);
	if (!row) {
		sums->untold++;
		return;
	}
	row->time_wait += waits;
	row->live += !waits;
}

/*
 * The tcp iterator shows every TCP socket of the namespace of whoever opened it,
 * both families, each once: first the listeners, then the table of the others, where
 * timewait sockets stand beside live ones. All three kinds of socket begin with
 * sock_common, and no more than that is read. NEW_SYN_RECV is a request to one of
 * our listeners. Since 5.9. Runs once a socket, at a walk only: every 30 s, or when
 * the pressure asks for it.
 */
SEC("iter/tcp")
int tb_timewait_socket(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct tb_walk *sums;
	__u32 zero = 0;

	if (!common) /* the end of the walk */
		return 0;
	sums = bpf_map_lookup_elem(&walk, &zero);
	if (!sums)
		return 0;
	switch (common->skc_state) {
	case TCP_LISTEN:
		tb_listens(common->skc_num);
		return 0;
	case TCP_NEW_SYN_RECV:
		return 0;
	case TCP_TIME_WAIT:
		sums->all_time_wait++;
	}
	if (tb_outgoing(sums, common->skc_num))
		tb_holds(sums, common, common->skc_state == TCP_TIME_WAIT);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
