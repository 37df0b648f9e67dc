/* SPDX-FileCopyrightText: The trapbpf authors */
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/*
 * From a TCP socket to what findings say of its connection. Some forty reads: for
 * samples and walks, not for every packet.
 */
#ifndef TRAPBPF_CONNECTION_H
#define TRAPBPF_CONNECTION_H

#include "kernel.h"
#include "event.h"
#include "address.h"

#define TB_SACKS 4 /* blocks that a socket keeps, in either direction */

/* What TCP keeps with a packet of its queues. */
static __always_inline struct tcp_skb_cb *tb_segment_of(struct sk_buff *skb)
{
	return (struct tcp_skb_cb *)((void *)skb + bpf_core_field_offset(skb->cb));
}

/* Header bytes of each of a socket's packets: IP with its options, TCP with the
 * options that every segment carries. */
static __always_inline __u32 tb_overhead(struct sock *sk)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)sk;
	struct tcp_sock *tcp = (struct tcp_sock *)sk;

	return BPF_CORE_READ(icsk, icsk_af_ops, net_header_len) +
	       BPF_CORE_READ(icsk, icsk_ext_hdr_len) + BPF_CORE_READ(tcp, tcp_header_len);
}

/* Bytes in the SACK blocks of the last acknowledgement that had any. */
static __always_inline __u32 tb_sacked_bytes(struct tcp_sock *tcp)
{
	struct tcp_sack_block blocks[TB_SACKS] = {};
	__u32 sum = 0;

	BPF_CORE_READ_INTO(&blocks, tcp, recv_sack_cache);
	for (int i = 0; i < TB_SACKS; i++)
		sum += blocks[i].end_seq - blocks[i].start_seq;
	return sum;
}

/*
 * Bytes missing at receive_next although later ones are there, and how many those
 * are; both 0 where none are. The SACK blocks that this side tells begin where queued
 * data begins, in no order; without SACK the last queued packet bounds the hole.
 */
static __always_inline void tb_read_hole(struct tcp_sock *tcp, struct tb_connection *c)
{
	struct tcp_sack_block blocks[TB_SACKS] = {};
	__u32 known = BPF_CORE_READ(tcp, rx_opt.num_sacks);
	struct tcp_skb_cb *last;

	if (!BPF_CORE_READ(tcp, out_of_order_queue.rb_node))
		return;
	last = tb_segment_of(BPF_CORE_READ(tcp, ooo_last_skb));
	c->hole = BPF_CORE_READ(last, seq) - c->receive_next;
	BPF_CORE_READ_INTO(&blocks, tcp, selective_acks);
	for (__u32 i = 0; i < TB_SACKS; i++) {
		__u32 ahead = blocks[i].start_seq - c->receive_next;

		if (i >= known || (__s32)ahead <= 0)
			continue;
		if (ahead < c->hole)
			c->hole = ahead;
		c->queued += blocks[i].end_seq - blocks[i].start_seq;
	}
}

static __always_inline void tb_read_control(struct sock *sk, struct tb_connection *c)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)sk;

	c->path_mtu = BPF_CORE_READ(icsk, icsk_pmtu_cookie);
	c->congestion = BPF_CORE_READ_BITFIELD_PROBED(icsk, icsk_ca_state);
	c->retransmits = BPF_CORE_READ(icsk, icsk_retransmits);
	c->backoff = BPF_CORE_READ(icsk, icsk_backoff);
	c->receive_mss = BPF_CORE_READ(icsk, icsk_ack.rcv_mss);
	c->probing = BPF_CORE_READ_BITFIELD_PROBED(icsk, icsk_mtup.enabled);
	c->probe_size = BPF_CORE_READ_BITFIELD_PROBED(icsk, icsk_mtup.probe_size);
	c->overhead = tb_overhead(sk);
}

static __always_inline void tb_read_sequences(struct tcp_sock *tcp, struct tb_connection *c)
{
	c->una = BPF_CORE_READ(tcp, snd_una);
	c->next = BPF_CORE_READ(tcp, snd_nxt);
	c->receive_next = BPF_CORE_READ(tcp, rcv_nxt);
	c->window = BPF_CORE_READ(tcp, snd_wnd);
	c->mss = BPF_CORE_READ(tcp, mss_cache);
	c->bytes_acked = BPF_CORE_READ(tcp, bytes_acked);
	c->bytes_received = BPF_CORE_READ(tcp, bytes_received);
	c->delivered = BPF_CORE_READ(tcp, delivered);
	c->segments_in = BPF_CORE_READ(tcp, segs_in);
	c->out = BPF_CORE_READ(tcp, packets_out);
	c->sacked = BPF_CORE_READ(tcp, sacked_out);
	c->lost = BPF_CORE_READ(tcp, lost_out);
	c->dsacks = BPF_CORE_READ(tcp, dsack_dups);
	tb_read_hole(tcp, c);
	c->sacked_bytes = c->sacked ? tb_sacked_bytes(tcp) : 0;
}

/* Only the two ends and the state: all that a timewait socket has. */
static __always_inline void tb_read_tuple(struct sock_common *common, struct tb_connection *c)
{
	tb_socket_ends((struct sock *)common, c->source, c->destination);
	c->source_port = BPF_CORE_READ(common, skc_num);
	c->destination_port = bpf_ntohs(BPF_CORE_READ(common, skc_dport));
	c->state = BPF_CORE_READ(common, skc_state);
}

/* Everything, of a full TCP socket. */
static __always_inline void tb_read_connection(struct sock *sk, struct tb_connection *c)
{
	tb_read_tuple((struct sock_common *)sk, c);
	tb_read_sequences((struct tcp_sock *)sk, c);
	tb_read_control(sk, c);
}

#endif
