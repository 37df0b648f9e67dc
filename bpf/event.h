/* SPDX-FileCopyrightText: The trapbpf authors */
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/*
 * The wire: what goes to user space through the ring and what lies in the maps
 * that it reads. A header first, natural alignment, padding spelled out, every
 * byte written. Addresses are always 16 bytes, IPv4 as ::ffff:a.b.c.d; all zero
 * means none, or the IPv6 wildcard where the family says so. Ports and numbers
 * are in host order.
 *
 * internal/wire mirrors these types in Go; it is generated from this file.
 */
#ifndef TRAPBPF_EVENT_H
#define TRAPBPF_EVENT_H

#define TB_ADDR 16
#define TB_NAME 16 /* IFNAMSIZ and TASK_COMM_LEN, both 16 since ever */

enum tb_kind {
	TB_KIND_DROP = 1,
	TB_KIND_FAILURE = 2,
	TB_KIND_PRESSURE = 3,
	TB_KINDS = 4,
};

/* Where a loss happened: the second index of the loss counters. */
enum tb_stage {
	TB_STAGE_RING = 0,
	TB_STAGE_MAP = 1,
	TB_STAGES = 2,
};

/* What was seen, counted so that user space reads a map only if it moved. */
enum tb_seen {
	TB_SEEN_DROP = 0,
	TB_SEEN_FAILURE = 1,
	TB_SEEN_PRESSURE = 2,
	TB_SEENS = 3,
};

/* tb_drop.conntrack; event.Conntrack has the same numbers. */
enum tb_conntrack {
	TB_CONNTRACK_UNKNOWN = 0,
	TB_CONNTRACK_NONE = 1,
	TB_CONNTRACK_PRESENT = 2,
	TB_CONNTRACK_UNTRACKED = 3,
};

enum tb_op {
	TB_OP_CONNECT = 1,
	TB_OP_BIND = 2,
};

struct tb_header {
	__u64 time; /* ns since boot, time asleep included */
	__u32 kind;
	__u32 netns; /* inode of the nsfs file, 0 if unknown */
};

struct tb_owner {
	__u64 cgroup;
	__u32 pid; /* thread group */
	__u32 pad;
	__u8 comm[TB_NAME];
};

struct tb_packet {
	__u8 source[TB_ADDR];
	__u8 destination[TB_ADDR];
	__u32 length; /* from the network header on */
	__u32 sequence;
	__u32 icmp_mtu;
	__u16 source_port;
	__u16 destination_port;
	__u16 segment_size;
	__u8 family; /* 4, 6, or 0: nothing read */
	__u8 protocol;
	__u8 ttl;
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 icmp_code;
};

struct tb_lookup {
	__u8 source[TB_ADDR];
	__u8 destination[TB_ADDR];
	__u8 iface[TB_NAME];
	__u32 ifindex;
	__s32 error;
	__u32 table;
	__u32 mark;
	__u8 family; /* 0: no lookup */
	__u8 pad[7];
};

struct tb_drop {
	struct tb_header header;
	struct tb_packet packet;
	struct tb_packet inner;
	struct tb_lookup reverse;
	__u64 location;
	__u64 count;
	__u32 reason;
	__u32 ifindex;
	__u32 device_mtu;
	__u16 ether_type;
	__u8 type;
	__u8 conntrack;
	__u8 iface[TB_NAME];
	__u8 source_mac[6];
	__u8 pad[2];
};

struct tb_drop_key {
	__u32 netns;
	__u32 reason;
	__u8 source[TB_ADDR];
	__u8 destination[TB_ADDR];
	__u32 ifindex;
	__u32 pad;
};

struct tb_drop_row {
	__u64 count;
	__u64 last;    /* time of the newest drop */
	__u64 sampled; /* time of the newest sample */
	__u32 device_mtu;
	__u16 ether_type;
	__u8 type;
	__u8 conntrack;
	__u8 iface[TB_NAME];
};

struct tb_failure {
	struct tb_header header;
	struct tb_owner owner;
	__u64 count;
	__u8 source[TB_ADDR];
	__u8 destination[TB_ADDR];
	__u16 port;
	__u8 op;
	__u8 pad[5];
};

/* Keys port failures and pressure; op is 0 for pressure. */
struct tb_port_key {
	__u32 netns;
	__u16 port;
	__u8 op;
	__u8 pad;
	__u8 source[TB_ADDR];
	__u8 destination[TB_ADDR];
};

struct tb_failure_row {
	__u64 count;
	__u64 last;
	__u64 sampled;
	struct tb_owner owner;
};

struct tb_pressure_row {
	__u64 opens;
	__u64 time_waits;
	__u64 last;
	struct tb_owner owner;
};

struct tb_walk_key {
	__u8 source[TB_ADDR];
	__u8 destination[TB_ADDR];
	__u16 port;
	__u16 pad;
};

struct tb_walk_row {
	__u32 time_wait;
	__u32 live;
};

/* A walk's question (low, high) and its sums; one element, written before. */
struct tb_walk {
	__u32 low;
	__u32 high;
	__u32 time_wait;
	__u32 live;
	__u32 all_time_wait;
	__u32 untold;
};

_Static_assert(sizeof(struct tb_header) == 16, "tb_header");
_Static_assert(sizeof(struct tb_owner) == 32, "tb_owner");
_Static_assert(sizeof(struct tb_packet) == 56, "tb_packet");
_Static_assert(sizeof(struct tb_lookup) == 72, "tb_lookup");
_Static_assert(sizeof(struct tb_drop) == 256, "tb_drop");
_Static_assert(sizeof(struct tb_drop_key) == 48, "tb_drop_key");
_Static_assert(sizeof(struct tb_drop_row) == 48, "tb_drop_row");
_Static_assert(sizeof(struct tb_failure) == 96, "tb_failure");
_Static_assert(sizeof(struct tb_port_key) == 40, "tb_port_key");
_Static_assert(sizeof(struct tb_failure_row) == 56, "tb_failure_row");
_Static_assert(sizeof(struct tb_pressure_row) == 56, "tb_pressure_row");
_Static_assert(sizeof(struct tb_walk_key) == 36, "tb_walk_key");
_Static_assert(sizeof(struct tb_walk_row) == 8, "tb_walk_row");
_Static_assert(sizeof(struct tb_walk) == 24, "tb_walk");

#endif
