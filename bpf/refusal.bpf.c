// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * refusal: sockets that were told EMSGSIZE, because a datagram that may not be
 * fragmented was too big for the path: what QUIC and other users of DF see of PMTUD.
 */
#include "kernel.h"
#include "emit.h"
#include "owner.h"
#include "address.h"

/* A socket that is told again and again is told of once a sampling interval. */
#define TB_TOLD 4096

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, __u64);
	__type(value, __u64);
	__uint(max_entries, TB_TOLD);
} refusal_sampled SEC(".maps");

static __always_inline bool tb_refusal_due(struct sock *sk, __u64 now)
{
	__u64 id = (__u64)sk, *sampled = bpf_map_lookup_elem(&refusal_sampled, &id);

	if (sampled)
		return tb_due(sampled, now);
	return !bpf_map_update_elem(&refusal_sampled, &id, &now, BPF_ANY);
}

static __always_inline int tb_refused(struct sock *sk)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct tb_refusal *sample;
	__u32 netns;

	if (BPF_CORE_READ(sk, sk_err) != EMSGSIZE ||
	    !tb_is_inet(BPF_CORE_READ(sk, __sk_common.skc_family)))
		return 0;
	netns = tb_socket_netns(sk);
	if (!tb_watched(netns) || !tb_refusal_due(sk, now))
		return 0;
	sample = tb_reserve(TB_KIND_REFUSAL, sizeof(*sample));
	if (!sample)
		return 0;
	__builtin_memset(sample, 0, sizeof(*sample));
	tb_begin(&sample->header, TB_KIND_REFUSAL, netns, now);
	tb_owner_of(sk, &sample->owner);
	tb_socket_ends(sk, sample->source, sample->destination);
	sample->source_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	sample->destination_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	sample->protocol = BPF_CORE_READ(sk, sk_protocol);
	bpf_ringbuf_submit(sample, 0);
	return 0;
}

/*
 * inet_sk_error_report fires when a socket learns of an error that came from
 * elsewhere, an ICMP "too big" among them. Since 5.14 (e6a3e4434000); a few times a
 * second at most.
 */
SEC("tp_btf/inet_sk_error_report")
int tb_refusal_told(__u64 *ctx)
{
	return tb_refused((struct sock *)ctx[0]);
}

/* The same without the verifier's knowledge of the arguments' types. */
SEC("raw_tp/inet_sk_error_report")
int tb_refusal_told_raw(__u64 *ctx)
{
	return tb_refused((struct sock *)ctx[0]);
}

/*
 * What calls the tracepoint calls this first, for every socket that has no call of its
 * own, TCP and UDP among them: before 5.14 it is the only sign. The error is set by then.
 */
SEC("fentry/sock_def_error_report")
int tb_refusal_reported(__u64 *ctx)
{
	return tb_refused((struct sock *)ctx[0]);
}

/* The same by a breakpoint. */
SEC("kprobe/sock_def_error_report")
int tb_refusal_reported_probe(struct pt_regs *ctx)
{
	return tb_refused((struct sock *)PT_REGS_PARM1_CORE(ctx));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
