/* SPDX-FileCopyrightText: The trapbpf authors */
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/*
 * Every kernel structure and field that the programs read, and none beside:
 * so this file is also the statement of what a privileged agent looks at.
 *
 * (Read through a variable of its type: BPF_CORE_READ(ours->dev, mtu) would take
 * "ours" for a kernel struct as well.)
 *
 * The structs are partial. preserve_access_index makes each access a CO-RE
 * relocation, so layout and order here mean nothing: the loader puts in the
 * running kernel's offsets, and finds members inside its anonymous structs.
 */
#ifndef TRAPBPF_KERNEL_H
#define TRAPBPF_KERNEL_H

/* Tells libbpf's headers that kernel types come from us, not from linux/ headers. */
#define __VMLINUX_H__

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u16 __sum16;
typedef __u32 __wsum;
typedef _Bool bool;

#define true 1
#define false 0
#define NULL ((void *)0)

/* uapi/linux/bpf.h: stable numbers. */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
};

enum {
	BPF_RB_NO_WAKEUP = 1,
	BPF_RB_FORCE_WAKEUP = 2,
};

/* uapi/linux/if_ether.h, in.h, in6.h, socket.h, errno.h: stable numbers. */
enum {
	AF_INET = 2,
	AF_INET6 = 10,
	SOCK_STREAM = 1,
	SOCK_DGRAM = 2,
	EMSGSIZE = 90,
	EADDRINUSE = 98,

	ETH_HLEN = 14,
	ETH_ALEN = 6,
	ETH_P_IP = 0x0800,
	ETH_P_ARP = 0x0806,
	ETH_P_8021Q = 0x8100,
	ETH_P_IPV6 = 0x86dd,
	ETH_P_8021AD = 0x88a8,
	ARPHRD_ETHER = 1,

	IPPROTO_HOPOPTS = 0,
	IPPROTO_ICMP = 1,
	IPPROTO_TCP = 6,
	IPPROTO_UDP = 17,
	IPPROTO_ROUTING = 43,
	IPPROTO_FRAGMENT = 44,
	IPPROTO_AH = 51,
	IPPROTO_ICMPV6 = 58,
	IPPROTO_DSTOPTS = 60,
	IPPROTO_UDPLITE = 136,
};

/* uapi/linux/rtnetlink.h: stable numbers. */
enum {
	RTN_UNICAST = 1,
	RTN_LOCAL = 2,
};

/* net/tcp_states.h: uapi in effect, inet_diag shows them. */
enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT = 2,
	TCP_SYN_RECV = 3,
	TCP_FIN_WAIT1 = 4,
	TCP_FIN_WAIT2 = 5,
	TCP_TIME_WAIT = 6,
	TCP_CLOSE = 7,
	TCP_CLOSE_WAIT = 8,
	TCP_LAST_ACK = 9,
	TCP_LISTEN = 10,
	TCP_CLOSING = 11,
	TCP_NEW_SYN_RECV = 12,
};

/* Only its name matters: CO-RE takes an int for another field than an enum. */
enum skb_drop_reason {
	SKB_NOT_DROPPED_YET = 0,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct rtnl_link_ops {
	const char *kind;
};

struct net_device {
	char name[16];
	unsigned int mtu;
	int ifindex;
	unsigned short type;
	possible_net_t nd_net;
	const struct rtnl_link_ops *rtnl_link_ops;
	u8 priv[]; /* since 6.10; before, what a driver keeps follows the struct */
};

struct in6_addr {
	union {
		__u8 u6_addr8[16];
		__be32 u6_addr32[4];
	} in6_u;
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct kernfs_node {
	u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct sock {
	struct sock_common __sk_common;
	int sk_err;
	u16 sk_protocol;
	u16 sk_type;
	struct sock_cgroup_data sk_cgrp_data;
};

struct inet_sock {
	struct sock sk;
	__be16 inet_sport;
};

struct inet_connection_sock_af_ops {
	u16 net_header_len;
};

struct inet_connection_sock {
	__u32 icsk_pmtu_cookie;
	const struct inet_connection_sock_af_ops *icsk_af_ops;
	__u8 icsk_ca_state : 5;
	__u8 icsk_retransmits;
	__u8 icsk_backoff;
	__u16 icsk_ext_hdr_len;
	struct {
		__u16 rcv_mss;
	} icsk_ack;
	struct {
		u32 probe_size : 31;
		u32 enabled : 1;
	} icsk_mtup;
};

struct tcp_sack_block {
	u32 start_seq;
	u32 end_seq;
};

struct tcp_options_received {
	u8 num_sacks;
};

struct rb_node;

struct rb_root {
	struct rb_node *rb_node;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	u16 tcp_header_len;
	u32 mss_cache;
	u32 snd_una;
	u32 snd_nxt;
	u32 snd_wnd;
	u32 rcv_nxt;
	u32 packets_out;
	u32 sacked_out;
	u32 lost_out;
	u32 delivered;
	u32 segs_in;
	u64 bytes_acked;
	u64 bytes_received;
	u32 dsack_dups;
	int linger2;
	struct rb_root out_of_order_queue;
	struct sk_buff *ooo_last_skb;
	struct tcp_options_received rx_opt;
	struct tcp_sack_block selective_acks[4];
	struct tcp_sack_block recv_sack_cache[4];
};

/* What TCP keeps with a packet in its queues (TCP_SKB_CB): lies in skb->cb. */
struct tcp_skb_cb {
	__u32 seq;
	__u32 end_seq;
	u16 tcp_gso_segs;
	u16 tcp_gso_size;
};

struct socket {
	struct sock *sk;
	struct file *file;
};

struct file {
	void *private_data;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct task_struct {
	int tgid;
	char comm[16];
	struct files_struct *files;
};

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	unsigned long _nfct;
	unsigned int len;
	__u8 pkt_type : 3;
	__be16 protocol;
	__u16 transport_header;
	__u16 network_header;
	__u16 mac_header;
	unsigned int tail;
	unsigned int end;
	unsigned char *head;
	unsigned char *data;
	char cb[48];
	unsigned long _skb_refdst;
};

struct dst_entry {
	struct net_device *dev;
	unsigned long _metrics;
};

struct skb_shared_info {
	unsigned short gso_size;
};

struct flowi_common {
	__u32 flowic_mark;
	__u8 flowic_proto;
};

union flowi_uli {
	struct {
		__u8 type;
	} icmpt;
};

struct flowi4 {
	struct flowi_common __fl_common;
	__be32 saddr;
	__be32 daddr;
};

struct flowi6 {
	struct flowi_common __fl_common;
	struct in6_addr daddr;
	struct in6_addr saddr;
	union flowi_uli uli;
};

struct fib_nh_common {
	struct net_device *nhc_dev;
};

struct fib_info {
	unsigned char fib_type;
};

struct fib_nh {
	struct fib_nh_common nh_common;
	struct fib_info *nh_parent;
};

struct fib6_nh {
	struct fib_nh_common nh_common;
};

struct fib6_result {
	struct fib6_nh *nh;
	u8 fib6_type;
};

struct fib6_table {
	u32 tb6_id;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

/* What a cgroup/connect program's context is inside the kernel. */
struct bpf_sock_addr_kern {
	struct sock *sk;
};

struct trace_event_raw_kfree_skb {
	void *skbaddr;
	void *location;
	enum skb_drop_reason reason; /* since 5.17 */
};

struct trace_event_raw_inet_sock_set_state {
	const void *skaddr;
	int oldstate;
	int newstate;
};

struct trace_event_raw_sys_enter {
	unsigned long args[6];
};

struct trace_event_raw_sys_exit {
	long ret;
};

/* Only for the arguments of kprobes: what bpf_tracing.h takes apart. */
struct pt_regs {
	unsigned long di;
	unsigned long si;
	unsigned long dx;
	unsigned long cx;
	unsigned long ax;
};

struct user_pt_regs {
	__u64 regs[31];
};

#pragma clang attribute pop

/* uapi/linux/bpf.h: what the verifier lets a program see of a packet and of a
 * connect(). The offsets are the interface, so these are no CO-RE types. */
struct __sk_buff {
	__u32 len;
	__u32 unread[18];
	__u32 data;
	__u32 data_end;
};

struct bpf_sock_addr {
	__u32 user_family;
	__u32 user_ip4;
	__u32 user_ip6[4];
	__u32 user_port;
	__u32 family;
	__u32 type;
	__u32 protocol;
};

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#endif
