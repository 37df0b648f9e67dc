// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * retrans: TCP segments that time out again and again.
 *
 * A lossy 10 Gbit/s flow retransmits thousands of segments a second, and none of
 * them matters here unless it is the first one that the peer waits for (snd_una)
 * and its resend was lost, too. So each socket has one row that remembers which
 * segment that is, and only a repeated time-out becomes a sample: time-outs double
 * their distance each time, so that a stuck socket cannot flood.
 */
#include "kernel.h"
#include "emit.h"
#include "owner.h"
#include "connection.h"

#define TB_STALLS 16384 /* sockets in trouble at once; the least lately resent go */

/* A first time-out is everyday; the second for the same segment is worth a word. */
#define TB_TIMEOUTS 2

/* TCP_CA_Loss: a time-out, and not an acknowledgement, made it resend. */
#define TB_CA_LOSS 4

/* The first unacknowledged segment of each socket that resent it. The key is the
 * socket's address; one that takes another's place has another snd_una. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, __u64);
	__type(value, struct tb_stall);
	__uint(max_entries, TB_STALLS);
} retrans_stalls SEC(".maps");

/* Payload bytes of the first wire segment of a packet in the resend queue: such a
 * packet may be cut into several by offload (tcp_gso_segs). */
static __always_inline __u32 tb_payload(struct tcp_skb_cb *segment)
{
	__u32 whole = BPF_CORE_READ(segment, end_seq) - BPF_CORE_READ(segment, seq);
	__u32 each = BPF_CORE_READ(segment, tcp_gso_size);

	if (BPF_CORE_READ(segment, tcp_gso_segs) > 1 && each && each < whole)
		return each;
	return whole;
}

/* States in which the handshake is done and something may wait to be acknowledged.
 * Before that there is no path to speak of, and no answer is no news. */
#define TB_CONNECTED                                                                               \
	(1 << TCP_ESTABLISHED | 1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2 | 1 << TCP_CLOSE_WAIT |    \
	 1 << TCP_LAST_ACK | 1 << TCP_CLOSING)

static __always_inline bool tb_connected(struct sock *sk)
{
	return TB_CONNECTED & 1 << (BPF_CORE_READ(sk, __sk_common.skc_state) & 0xf);
}

static __always_inline bool tb_timed_out(struct sock *sk)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)sk;

	return BPF_CORE_READ_BITFIELD_PROBED(icsk, icsk_ca_state) == TB_CA_LOSS;
}

/*
 * The segment of before was acknowledged. It got through at the size of its last
 * resend: so the row learns, at no cost, a size that this path carries. Where the
 * acknowledged bytes do not add up, another socket has taken this one's place.
 */
static __always_inline void tb_move_on(struct tb_stall *stall, __u32 una, __u64 acked)
{
	if (acked - stall->acked != una - stall->una)
		stall->passed = 0;
	else if (stall->size > stall->passed)
		stall->passed = stall->size;
	stall->since = bpf_ktime_get_boot_ns();
	stall->acked = acked;
	stall->una = una;
	stall->timeouts = 0;
}

/* The row of a socket, which now resends the segment at una. */
static __always_inline struct tb_stall *tb_stall_of(struct sock *sk, __u32 una)
{
	struct tb_stall fresh = {.una = una}, *stall;
	struct tcp_sock *tcp = (struct tcp_sock *)sk;
	__u64 id = (__u64)sk, acked = BPF_CORE_READ(tcp, bytes_acked);

	stall = bpf_map_lookup_elem(&retrans_stalls, &id);
	if (!stall) {
		fresh.since = bpf_ktime_get_boot_ns();
		fresh.acked = acked;
		bpf_map_update_elem(&retrans_stalls, &id, &fresh, BPF_NOEXIST);
		return bpf_map_lookup_elem(&retrans_stalls, &id);
	}
	if (stall->una != una)
		tb_move_on(stall, una, acked);
	return stall;
}

static __always_inline void tb_retransmit_sample(struct sock *sk, __u32 netns,
						 const struct tb_stall *stall)
{
	struct tb_retransmit *sample = tb_reserve(TB_KIND_RETRANSMIT, sizeof(*sample));

	if (!sample)
		return;
	__builtin_memset(sample, 0, sizeof(*sample));
	tb_begin(&sample->header, TB_KIND_RETRANSMIT, netns, bpf_ktime_get_boot_ns());
	tb_owner_of(sk, &sample->owner);
	tb_read_connection(sk, &sample->connection);
	sample->since = stall->since;
	sample->size = stall->size;
	sample->timeouts = stall->timeouts;
	sample->passed = stall->passed;
	bpf_ringbuf_submit(sample, 0);
}

static __always_inline int tb_resent(struct sock *sk, struct sk_buff *skb)
{
	struct tcp_skb_cb *segment = tb_segment_of(skb);
	struct tcp_sock *tcp = (struct tcp_sock *)sk;
	__u32 una = BPF_CORE_READ(tcp, snd_una);
	struct tb_stall *stall;
	__u32 netns;

	if (BPF_CORE_READ(segment, seq) != una || !tb_connected(sk))
		return 0;
	netns = tb_socket_netns(sk);
	if (!tb_watched(netns))
		return 0;
	stall = tb_stall_of(sk, una);
	if (!stall) {
		tb_lost(TB_KIND_RETRANSMIT, TB_STAGE_MAP);
		return 0;
	}
	stall->size = tb_payload(segment) + tb_overhead(sk);
	if (!tb_timed_out(sk))
		return 0;
	stall->timeouts++;
	if (stall->timeouts >= TB_TIMEOUTS)
		tb_retransmit_sample(sk, netns, stall);
	return 0;
}

/*
 * tcp_retransmit_skb fires in __tcp_retransmit_skb once a segment has been sent
 * again, after the kernel cut it to the present MSS. Tail-loss probes pass here,
 * too, but not in the state of loss. Since 4.16 (e086101b150a); 0 to 330 times a
 * second on a healthy host.
 */
SEC("tp_btf/tcp_retransmit_skb")
int tb_retrans_segment(__u64 *ctx)
{
	return tb_resent((struct sock *)ctx[0], (struct sk_buff *)ctx[1]);
}

/* The same without the verifier's knowledge of the arguments' types. */
SEC("raw_tp/tcp_retransmit_skb")
int tb_retrans_segment_raw(__u64 *ctx)
{
	return tb_resent((struct sock *)ctx[0], (struct sk_buff *)ctx[1]);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
