// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import "golang.org/x/sys/unix"

// The names are iproute2's: its man pages, and the rt_protos that it installs.
// They are never written to.

// scopes has no entry for the scope that goes without saying (universe).
var scopes = map[uint8]string{
	unix.RT_SCOPE_NOWHERE: "nowhere",
	unix.RT_SCOPE_HOST:    "host",
	unix.RT_SCOPE_LINK:    "link",
	unix.RT_SCOPE_SITE:    "site",
}

// routeKinds has no entry for the kind that goes without saying (unicast).
var routeKinds = map[uint8]string{
	unix.RTN_LOCAL:       "local",
	unix.RTN_BROADCAST:   "broadcast",
	unix.RTN_ANYCAST:     "anycast",
	unix.RTN_MULTICAST:   "multicast",
	unix.RTN_BLACKHOLE:   "blackhole",
	unix.RTN_UNREACHABLE: "unreachable",
	unix.RTN_PROHIBIT:    "prohibit",
	unix.RTN_THROW:       "throw",
	unix.RTN_NAT:         "nat",
}

// preferences are ICMPV6_ROUTER_PREF_* (RFC 4191).
var preferences = map[uint8]string{0: "medium", 1: "high", 3: "low"}

var protocols = map[uint8]string{
	unix.RTPROT_REDIRECT:   "redirect",
	unix.RTPROT_KERNEL:     "kernel",
	unix.RTPROT_STATIC:     "static",
	unix.RTPROT_GATED:      "gated",
	unix.RTPROT_RA:         "ra",
	unix.RTPROT_MRT:        "mrt",
	unix.RTPROT_ZEBRA:      "zebra",
	unix.RTPROT_BIRD:       "bird",
	unix.RTPROT_BABEL:      "babel",
	unix.RTPROT_DNROUTED:   "dnrouted",
	unix.RTPROT_XORP:       "xorp",
	unix.RTPROT_NTK:        "ntk",
	unix.RTPROT_DHCP:       "dhcp",
	unix.RTPROT_KEEPALIVED: "keepalived",
	unix.RTPROT_OPENR:      "openr",
	unix.RTPROT_BGP:        "bgp",
	unix.RTPROT_ISIS:       "isis",
	unix.RTPROT_OSPF:       "ospf",
	unix.RTPROT_RIP:        "rip",
	unix.RTPROT_EIGRP:      "eigrp",
}

var hopFlags = []struct {
	bit  uint8
	word string
}{
	{unix.RTNH_F_DEAD, "dead"},
	{unix.RTNH_F_ONLINK, "onlink"},
	{unix.RTNH_F_PERVASIVE, "pervasive"},
	{unix.RTNH_F_OFFLOAD, "offload"},
	{unix.RTNH_F_LINKDOWN, "linkdown"},
	{unix.RTNH_F_UNRESOLVED, "unresolved"},
}

// ruleActions has no entry for the action that a rule's table tells.
var ruleActions = map[uint8]string{
	unix.FR_ACT_NOP:         "nop",
	unix.FR_ACT_BLACKHOLE:   "blackhole",
	unix.FR_ACT_UNREACHABLE: "unreachable",
	unix.FR_ACT_PROHIBIT:    "prohibit",
}
