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
	TB_KIND_DNS = 4,
	TB_KIND_DIAL = 5,
	TB_KIND_RETRANSMIT = 6,
	TB_KIND_TOO_BIG = 7,
	TB_KIND_REFUSAL = 8,
	TB_KINDS = 9,
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

/* Where an ICMP "too big" was met. event.TooBigWay has the same numbers. */
enum tb_way {
	TB_WAY_ARRIVED = 1,  /* came in by a device: no rung tells this now, recordings do */
	TB_WAY_ACCEPTED = 2, /* reached this host's ICMP: the firewall let it in */
	TB_WAY_SENT = 3,     /* was sent by this host */
	TB_WAY_ASKED = 4,    /* was to be sent; a rate limit may have stopped it */
};

/*
 * Reasons for a drop that its place gives where the kernel gives none. They stand
 * behind the kernel's own numbers, in the last slots of cfg_reasons.
 */
enum tb_placed {
	TB_PLACED_NONE = 504, /* neither the kernel nor the place tells */
	TB_PLACED_RPFILTER = 505,
	TB_PLACED_LOCAL_SOURCE = 506,
	TB_PLACED_INVALID_SOURCE = 507,
	TB_PLACED_LOCALNET = 508,
	TB_PLACED_TOO_BIG = 509,
	TB_PLACED_FIREWALL = 510,
	TB_REASONS = 512, /* 6.18 knows 128 core reasons */
};

/* What a place that drops packets is. */
enum tb_place_kind {
	TB_PLACE_INPUT = 1,    /* where a packet's way in is looked up */
	TB_PLACE_FORWARD = 2,  /* where it is sent on */
	TB_PLACE_FIREWALL = 3, /* where netfilter's verdict is carried out */
};

/* Addresses of one stretch of the kernel's code. */
struct tb_place {
	__u64 low;
	__u64 high;
	__u32 what;
	__u32 pad;
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
	__u32 out_ifindex; /* where its route led, or its cable; 0: neither */
	__u32 out_mtu;	   /* what may leave there */
	__u8 out_iface[TB_NAME];
	__u64 since; /* of half a connection: when this segment was dropped first */
	__u32 times; /* and how often it was; 0: another drop */
	__u32 pad2;
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

/* A packet to or from port 53. The first `captured` bytes of its payload follow; what
 * lies behind them in the ring is the ring's own and never read. */
struct tb_dns {
	struct tb_header header;
	struct tb_owner owner; /* who asks; zero for what comes in */
	__u8 source[TB_ADDR];
	__u8 destination[TB_ADDR];
	__u32 sequence; /* TCP: of the payload's first byte */
	__u32 length;	/* of the payload */
	__u16 captured;
	__u16 source_port;
	__u16 destination_port;
	__u8 protocol;
	__u8 out; /* 1: sent by a socket of the namespace, 0: received by one */
};

/* A connect() to an address that was asked for. */
struct tb_dial {
	struct tb_header header;
	struct tb_owner owner;
	__u64 count;
	__u8 destination[TB_ADDR];
	__u16 port;
	__u8 protocol;
	__u8 pad[5];
};

struct tb_dial_key {
	__u32 netns;
	__u32 pad;
	__u8 destination[TB_ADDR];
};

struct tb_dial_row {
	__u64 count;
	__u64 sampled;
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

/* One TCP connection as its socket stands. Counts of packets are wire segments. */
struct tb_connection {
	__u8 source[TB_ADDR]; /* our end */
	__u8 destination[TB_ADDR];
	__u64 bytes_acked;
	__u64 bytes_received;
	__u32 una;	    /* first byte that the peer has not acknowledged */
	__u32 next;	    /* first byte that was not sent yet */
	__u32 receive_next; /* first byte that did not come in yet */
	__u32 hole;	    /* bytes missing there while later ones are queued, 0: none */
	__u32 queued;	    /* bytes of those that this side tells in SACK blocks */
	__u32 window;	    /* of the peer, in bytes from una on */
	__u32 mss;	    /* payload of a full segment */
	__u32 overhead;	    /* IP and TCP headers of a segment */
	__u32 path_mtu;	    /* what the socket believes */
	__u32 delivered;    /* segments acknowledged or SACKed */
	__u32 segments_in;
	__u32 out; /* segments not yet acknowledged */
	__u32 sacked;
	__u32 lost;
	__u32 sacked_bytes;
	__u32 dsacks;
	__u32 probe_size;  /* of the MTU probe under way, 0: none */
	__u16 receive_mss; /* largest segment that came in of late */
	__u16 source_port;
	__u16 destination_port;
	__u8 state;
	__u8 congestion; /* TCP_CA_* */
	__u8 retransmits;
	__u8 backoff;
	__u8 probing; /* tcp_mtu_probing is at work on this socket */
	__u8 pad[9];
};

/* The first unacknowledged segment was sent again after a time-out, not for the
 * first time. */
struct tb_retransmit {
	struct tb_header header;
	struct tb_owner owner;
	struct tb_connection connection;
	__u64 since;	/* when it was sent again first */
	__u32 size;	/* of its IP packet */
	__u32 timeouts; /* how often a time-out sent it again */
	__u32 passed;	/* largest packet of this socket that got through at a retry */
	__u32 pad;
};

struct tb_stall {
	__u64 since;
	__u64 acked; /* bytes acknowledged by then */
	__u32 una;
	__u32 size;
	__u32 timeouts;
	__u32 passed;
};

struct tb_too_big {
	struct tb_header header;
	struct tb_packet packet; /* the ICMP error; its addresses may be unset where sent */
	struct tb_packet inner;	 /* the packet that it quotes */
	__u64 count;
	__u32 mtu;
	__u32 ifindex;
	__u8 iface[TB_NAME];
	__u8 way;
	__u8 pad[7];
};

/* inner is the quoted packet's source, then its destination. */
struct tb_too_big_key {
	__u32 netns;
	__u32 mtu;
	__u8 source[TB_ADDR];
	__u8 destination[TB_ADDR];
	__u8 way;
	__u8 pad[3];
};

struct tb_too_big_row {
	__u64 count;
	__u64 sampled;
};

/* A socket was told EMSGSIZE: its datagrams with DF are too big for the path. */
struct tb_refusal {
	struct tb_header header;
	struct tb_owner owner;
	__u8 source[TB_ADDR];
	__u8 destination[TB_ADDR];
	__u32 mtu; /* what the route's cache says now, 0: not known */
	__u16 source_port;
	__u16 destination_port;
	__u8 protocol;
	__u8 pad[7];
};

_Static_assert(sizeof(struct tb_place) == 24, "tb_place");
_Static_assert(sizeof(struct tb_connection) == 136, "tb_connection");
_Static_assert(sizeof(struct tb_retransmit) == 208, "tb_retransmit");
_Static_assert(sizeof(struct tb_stall) == 32, "tb_stall");
_Static_assert(sizeof(struct tb_too_big) == 168, "tb_too_big");
_Static_assert(sizeof(struct tb_too_big_key) == 44, "tb_too_big_key");
_Static_assert(sizeof(struct tb_refusal) == 96, "tb_refusal");
_Static_assert(sizeof(struct tb_header) == 16, "tb_header");
_Static_assert(sizeof(struct tb_owner) == 32, "tb_owner");
_Static_assert(sizeof(struct tb_packet) == 56, "tb_packet");
_Static_assert(sizeof(struct tb_lookup) == 72, "tb_lookup");
_Static_assert(sizeof(struct tb_drop) == 296, "tb_drop");
_Static_assert(sizeof(struct tb_drop_key) == 48, "tb_drop_key");
_Static_assert(sizeof(struct tb_drop_row) == 48, "tb_drop_row");
_Static_assert(sizeof(struct tb_failure) == 96, "tb_failure");
_Static_assert(sizeof(struct tb_port_key) == 40, "tb_port_key");
_Static_assert(sizeof(struct tb_failure_row) == 56, "tb_failure_row");
_Static_assert(sizeof(struct tb_pressure_row) == 56, "tb_pressure_row");
_Static_assert(sizeof(struct tb_dns) == 96, "tb_dns");
_Static_assert(sizeof(struct tb_dial) == 80, "tb_dial");
_Static_assert(sizeof(struct tb_dial_key) == 24, "tb_dial_key");
_Static_assert(sizeof(struct tb_dial_row) == 16, "tb_dial_row");
_Static_assert(sizeof(struct tb_walk_key) == 36, "tb_walk_key");
_Static_assert(sizeof(struct tb_walk_row) == 8, "tb_walk_row");
_Static_assert(sizeof(struct tb_walk) == 24, "tb_walk");

#endif
