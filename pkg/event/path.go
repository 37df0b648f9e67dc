// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"net/netip"
	"time"
)

// Path is what a namespace itself believes and has set about the way to a peer:
// the answer to a Want of KindPath.
type Path struct {
	Header
	Peer netip.Addr `json:"peer"`
	From netip.Addr `json:"from,omitzero"`
	// Route is the table's entry, Error the kernel's answer where there is none.
	Route Route  `json:"route,omitzero"`
	Error string `json:"error,omitempty"`
	// RouteLocked tells that the route's MTU is locked: the kernel will not lower it
	// whatever ICMP says.
	RouteLocked bool `json:"route_locked,omitempty"`
	// Link is the device that the route leaves by, Under the one that a tunnel's
	// outer packets leave by.
	Link  Link `json:"link"`
	Under Link `json:"under,omitzero"`
	// Learned is the path MTU that ICMP has taught for this peer, 0 where none has,
	// Expires for how long it still holds.
	Learned uint32        `json:"learned,omitempty"`
	Expires time.Duration `json:"expires,omitempty"`
	// NoPMTUDisc is ip_no_pmtu_disc, MinPMTU min_pmtu, MTUProbing tcp_mtu_probing,
	// BaseMSS tcp_base_mss.
	NoPMTUDisc int    `json:"no_pmtu_disc,omitempty"`
	MinPMTU    uint32 `json:"min_pmtu,omitempty"`
	MTUProbing int    `json:"mtu_probing"`
	BaseMSS    uint32 `json:"base_mss,omitempty"`
	// RateLimit is icmp_ratelimit (icmp.ratelimit for IPv6) in milliseconds, RateMask
	// icmp_ratemask, PerSecond icmp_msgs_per_sec.
	RateLimit uint32 `json:"rate_limit,omitempty"`
	RateMask  uint32 `json:"rate_mask,omitempty"`
	PerSecond uint32 `json:"per_second,omitempty"`
	Forwards  bool   `json:"forwards,omitempty"`
	// Counters of the namespace since it was made: ICMP errors whose quoted sequence
	// lay outside the window (OutOfWindowIcmps), that met a busy socket
	// (LockDroppedIcmps), "destination unreachable" or "packet too big" received.
	OutOfWindow   uint64 `json:"out_of_window,omitempty"`
	LockDropped   uint64 `json:"lock_dropped,omitempty"`
	UnreachableIn uint64 `json:"unreachable_in,omitempty"`
	// Filters are the nftables rules and policies that may drop ICMP.
	Filters []Filter `json:"filters,omitempty"`
}

// KindPath is Path's kind.
const KindPath Kind = "path"

// Kind implements Event.
func (*Path) Kind() Kind { return KindPath }

// Link is a device as path MTUs see it.
type Link struct {
	Index uint32 `json:"index"`
	Name  string `json:"name"`
	// Type is the kernel's kind: "veth", "vxlan", "device" for hardware.
	Type string `json:"type,omitempty"`
	MTU  uint32 `json:"mtu"`
	// Overhead is what a tunnel adds to each packet in bytes, the outer IP header
	// included; 0 for what is no tunnel.
	Overhead uint32 `json:"overhead,omitempty"`
	// Remote is a tunnel's other end, where it has one.
	Remote netip.Addr `json:"remote,omitzero"`
	// Lower is the index of the device that it was made on top of, 0 for none.
	Lower uint32 `json:"lower,omitempty"`
}

// IsZero tells whether there is no device.
func (l Link) IsZero() bool { return l == Link{} }

// Filter is a base chain of nftables through which ICMP errors pass and which may
// drop them.
type Filter struct {
	Family string `json:"family"`
	Table  string `json:"table"`
	Chain  string `json:"chain"`
	// Hook is "prerouting", "input", "forward", "output" or "postrouting".
	Hook     string `json:"hook"`
	Priority int32  `json:"priority,omitempty"`
	// Policy tells that it drops what no rule accepts, ICMP that one of its rules
	// matches ICMP and drops it.
	Policy bool `json:"policy,omitempty"`
	ICMP   bool `json:"icmp,omitempty"`
}

// FilterRows bounds Path.Filters.
const FilterRows = 16
