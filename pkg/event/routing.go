// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package event

import "net/netip"

// Routing is a namespace's side of the reverse-path question: interfaces with
// their rp_filter, the default routes, and the policy rules beside the usual three.
type Routing struct {
	Header
	// RPFilterAll is net.ipv4.conf.all.rp_filter.
	RPFilterAll int         `json:"rp_filter_all"`
	Interfaces  []Interface `json:"interfaces,omitempty"`
	// Defaults are the default routes of every table, both families.
	Defaults []Route `json:"defaults,omitempty"`
	// Rules are the policy rules in `ip rule` form, without the three that every
	// namespace has (local, main, default).
	Rules []string `json:"rules,omitempty"`
}

// Kind implements Event.
func (*Routing) Kind() Kind { return KindRouting }

// Interface is a network device as reverse-path filtering sees it.
type Interface struct {
	Index    uint32         `json:"index"`
	Name     string         `json:"name"`
	Type     string         `json:"type,omitempty"`
	MTU      uint32         `json:"mtu,omitempty"`
	Up       bool           `json:"up"`
	Prefixes []netip.Prefix `json:"prefixes,omitempty"`
	// RPFilter is the interface's own setting, Effective what the kernel uses:
	// max(all, own) (ip-sysctl.rst, IN_DEV_RPFILTER). The three switches are told
	// as the kernel uses them: set by the interface or by all.
	RPFilter     int  `json:"rp_filter"`
	Effective    int  `json:"effective"`
	AcceptLocal  bool `json:"accept_local,omitempty"`
	RouteLocal   bool `json:"route_localnet,omitempty"`
	SrcValidMark bool `json:"src_valid_mark,omitempty"`
}

// Route is one route, as far as findings need it.
type Route struct {
	// Destination is invalid for a default route.
	Destination netip.Prefix `json:"destination,omitzero"`
	Gateway     netip.Addr   `json:"gateway,omitzero"`
	Iface       string       `json:"iface,omitempty"`
	Source      netip.Addr   `json:"source,omitzero"`
	Table       uint32       `json:"table"`
	Metric      uint32       `json:"metric,omitempty"`
	MTU         uint32       `json:"mtu,omitempty"`
	Scope       string       `json:"scope,omitempty"`
	IPv6        bool         `json:"ipv6,omitempty"`
	// Text is the route in `ip route` form.
	Text string `json:"text"`
}

// RouteBack answers one question to the kernel's routing: by which route would
// this namespace send to To from From (RTM_GETROUTE with RTM_F_FIB_MATCH)?
type RouteBack struct {
	Header
	To    netip.Addr `json:"to"`
	From  netip.Addr `json:"from,omitzero"`
	Found bool       `json:"found"`
	Route Route      `json:"route,omitzero"`
	// FromAny is true where the kernel would not look up a route from From, which is
	// not its own: the route is the one from no address in particular, and a policy
	// rule for From may choose another.
	FromAny bool `json:"from_any,omitempty"`
	// Error is the kernel's answer where Found is false.
	Error string `json:"error,omitempty"`
}

// KindRouteBack is RouteBack's kind.
const KindRouteBack Kind = "route-back"

// Kind implements Event.
func (*RouteBack) Kind() Kind { return KindRouteBack }
