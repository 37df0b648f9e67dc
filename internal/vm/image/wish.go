// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package image

// wishes are the modules that an ordinary host has at hand: what the lab builds
// its networks of, and what the agent asks of the kernel. A kernel that has one
// built in, or has never heard of it, is no worse for it. Left out are those that put
// a device of their own into every new namespace (ipip, sit, ip_gre, dummy, ifb).
func wishes() []string {
	return []string{
		// Links.
		"veth", "bridge", "vxlan", "macvlan", "ipvlan", "tun", "8021q", "vrf", "geneve", "wireguard",
		// Sockets: the inet_diag dump, congestion control.
		"inet_diag", "tcp_diag", "udp_diag", "tcp_bbr",
		// Queues.
		"sch_netem", "sch_tbf", "sch_htb", "sch_fq", "sch_fq_codel", "sch_ingress", "cls_u32", "cls_bpf", "act_bpf",
		// Firewall: nftables.
		"nf_tables", "nft_ct", "nft_counter", "nft_fib", "nft_fib_inet", "nft_fib_ipv4", "nft_fib_ipv6", "nft_limit",
		"nft_log", "nft_nat", "nft_numgen", "nft_masq", "nft_redir", "nft_reject", "nft_reject_inet", "nft_reject_ipv4",
		"nft_reject_ipv6", "nft_chain_nat", "nft_compat",
		// Firewall: connection tracking, and iptables of old.
		"nf_conntrack", "nf_conntrack_netlink", "nf_nat", "ip_tables", "iptable_filter", "iptable_mangle", "iptable_raw",
		"ip6_tables", "ip6table_filter", "ip6table_mangle", "xt_conntrack", "xt_state", "xt_tcpudp", "xt_TCPMSS",
		"xt_mark", "xt_addrtype", "xt_comment", "ipt_REJECT", "ip6t_REJECT", "ipt_rpfilter", "ip6t_rpfilter",
	}
}
