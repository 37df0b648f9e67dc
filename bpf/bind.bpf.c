// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * bind: a TCP socket asked for any free port (port 0) and there was none.
 *
 * A bind before connect takes its port from one pool for each source address,
 * whatever the destination, so it fails long before a connect would. The three
 * rungs see the same failure; the lower ones pay for calls that go well, too.
 */
#include "kernel.h"
#include "emit.h"
#include "address.h"
#include "port.h"

/* Binds under way at once: each is a few microseconds of one thread. */
#define TB_BINDS 8192

/* By thread: the socket in inet_csk_get_port. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, __u64);
	__type(value, __u64);
	__uint(max_entries, TB_BINDS);
} bind_socket SEC(".maps");

struct tb_asked {
	__u8 source[TB_ADDR];
	__u32 fd;
};

/* By thread: what bind(2) asked for. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, __u64);
	__type(value, struct tb_asked);
	__uint(max_entries, TB_BINDS);
} bind_asked SEC(".maps");

/* struct sockaddr_in and sockaddr_in6 (RFC 3493), as bind(2) gets them. */
struct tb_sockaddr {
	__u16 family;
	__be16 port;
	__be32 addr4_or_flow;
	__u8 addr6[TB_ADDR];
};

static __always_inline bool tb_is_tcp(struct sock *sk)
{
	return tb_is_inet(BPF_CORE_READ(sk, __sk_common.skc_family)) &&
	       BPF_CORE_READ(sk, sk_type) == SOCK_STREAM &&
	       BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP;
}

static __always_inline int tb_bind_failed(struct sock *sk, const __u8 *source)
{
	struct tb_port_key key = {.op = TB_OP_BIND};

	key.netns = tb_socket_netns(sk);
	if (!tb_is_tcp(sk) || !tb_watched(key.netns))
		return 0;
	__builtin_memcpy(key.source, source, TB_ADDR);
	tb_fail(&key);
	return 0;
}

/* The address that a socket is being bound to: inet_bind sets it before it asks
 * for the port, and takes it back if there is none. */
static __always_inline int tb_socket_failed(struct sock *sk)
{
	struct sock_common *common = &sk->__sk_common;
	__u8 source[TB_ADDR] = {};

	if (BPF_CORE_READ(common, skc_family) == AF_INET6)
		BPF_CORE_READ_INTO(&source, common, skc_v6_rcv_saddr);
	else
		tb_addr4(source, BPF_CORE_READ(common, skc_rcv_saddr));
	return tb_bind_failed(sk, source);
}

/*
 * inet_csk_get_port (net/ipv4/inet_connection_sock.c) gives a TCP socket the port
 * that it asks for, or for snum 0 any. It runs once a bind() and once a listen(),
 * in the caller's context; anything but 0 is a failure. Older than 2.6.
 */
SEC("fexit/inet_csk_get_port")
int tb_bind_port(__u64 *ctx)
{
	__u16 wanted = ctx[1];
	int verdict = ctx[2];

	if (wanted || !verdict)
		return 0;
	return tb_socket_failed((struct sock *)ctx[0]);
}

/* On the way in, to remember which socket it was. */
SEC("kprobe/inet_csk_get_port")
int tb_bind_port_in(struct pt_regs *ctx)
{
	__u64 thread = bpf_get_current_pid_tgid(), sk = PT_REGS_PARM1_CORE(ctx);

	if ((__u16)PT_REGS_PARM2_CORE(ctx))
		return 0;
	bpf_map_update_elem(&bind_socket, &thread, &sk, BPF_ANY);
	return 0;
}

/* On the way out. */
SEC("kretprobe/inet_csk_get_port")
int tb_bind_port_out(struct pt_regs *ctx)
{
	__u64 thread = bpf_get_current_pid_tgid();
	__u64 *found = bpf_map_lookup_elem(&bind_socket, &thread);
	struct sock *sk;

	if (!found)
		return 0;
	sk = (struct sock *)*found;
	bpf_map_delete_elem(&bind_socket, &thread);
	if (!(int)PT_REGS_RC_CORE(ctx))
		return 0;
	return tb_socket_failed(sk);
}

/*
 * Without probes: the call itself, all sockets' (and not one made by io_uring).
 * Runs once a bind(2) of any kind of socket; what wants a port of its own choice
 * leaves at once.
 */
SEC("tracepoint/syscalls/sys_enter_bind")
int tb_bind_call(struct trace_event_raw_sys_enter *ctx)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct tb_sockaddr addr = {};
	struct tb_asked asked = {.fd = ctx->args[0]};
	const void *from = (const void *)ctx->args[1];
	__u64 size = ctx->args[2];

	/* sizeof(struct sockaddr_in) is the least that bind takes. */
	if (size < 16 || bpf_probe_read_user(&addr, 8, from) || addr.port)
		return 0;
	if (addr.family == AF_INET)
		tb_addr4(asked.source, addr.addr4_or_flow);
	else if (addr.family != AF_INET6 || bpf_probe_read_user(asked.source, TB_ADDR, from + 8))
		return 0;
	bpf_map_update_elem(&bind_asked, &thread, &asked, BPF_ANY);
	return 0;
}

/* The socket behind a descriptor of the current task, NULL if there is none. Only
 * asked for after bind() has found a socket there. */
static __always_inline struct sock *tb_socket_of(__u32 fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd), *file = NULL;
	struct socket *socket;

	if (fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	socket = BPF_CORE_READ(file, private_data);
	/* A socket points back at its file; other files' private data do not. */
	if (!socket || BPF_CORE_READ(socket, file) != file)
		return NULL;
	return BPF_CORE_READ(socket, sk);
}

/* On the way out of bind(2). */
SEC("tracepoint/syscalls/sys_exit_bind")
int tb_bind_result(struct trace_event_raw_sys_exit *ctx)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct tb_asked *found = bpf_map_lookup_elem(&bind_asked, &thread);
	struct tb_asked asked;
	struct sock *sk;

	if (!found)
		return 0;
	asked = *found;
	bpf_map_delete_elem(&bind_asked, &thread);
	if (ctx->ret != -EADDRINUSE)
		return 0;
	sk = tb_socket_of(asked.fd);
	return sk ? tb_bind_failed(sk, asked.source) : 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
