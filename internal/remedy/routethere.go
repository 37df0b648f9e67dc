// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"fmt"
	"slices"

	"github.com/trapbpf/trapbpf/pkg/finding"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// metric6 is what the kernel gives an IPv6 route without one (IP6_RT_PRIO_USER).
const metric6 = 1024

// there gives the routes that the operation is about: with its destination, table
// and metric, and where it leaves others of that rank alone, also with the next hops
// that it names.
func (r route) there() ([]netlink.Route, error) {
	wanted, err := r.native()
	if err != nil {
		return nil, err
	}
	var found []netlink.Route
	all := &netlink.Route{Table: wanted.Table}
	err = netlink.RouteListFilteredIter(wanted.Family, all, netlink.RT_FILTER_TABLE, func(one netlink.Route) bool {
		if r.about(wanted, &one) {
			found = append(found, one)
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	return found, nil
}

func (r route) about(wanted, one *netlink.Route) bool {
	if one.Dst == nil || one.Dst.String() != wanted.Dst.String() || one.Tos != 0 {
		return false
	}
	metric := wanted.Priority
	if metric == 0 && wanted.Family == unix.AF_INET6 && r.Verb != "del" {
		metric = metric6
	}
	ranked := one.Priority == metric
	switch r.Verb {
	case "del":
		return (metric == 0 || ranked) && leads(wanted, one)
	case "append", "prepend":
		return ranked && leads(wanted, one)
	default:
		return ranked
	}
}

// leads tells whether a route has the next hops that an operation names. One hop alone
// stands for an IPv4 route with several where it is their first (fib_nh_match), and
// for itself in an IPv6 route.
func leads(wanted, one *netlink.Route) bool {
	have := hopsOf(one)
	if len(wanted.MultiPath) > 0 {
		return slices.EqualFunc(wanted.MultiPath, have, alike)
	}
	want := hopsOf(wanted)[0]
	if one.Family == unix.AF_INET {
		have = have[:1]
	}
	return slices.ContainsFunc(have, func(hop *netlink.NexthopInfo) bool { return alike(want, hop) })
}

// alike tells whether a next hop is what is wanted of it.
func alike(want, have *netlink.NexthopInfo) bool {
	return (want.LinkIndex == 0 || want.LinkIndex == have.LinkIndex) &&
		(!gatewayOf(want).IsValid() || gatewayOf(want) == gatewayOf(have)) &&
		(want.Hops == 0 || want.Hops == have.Hops)
}

// hopsOf gives a route's next hops; of one with one hop, that one.
func hopsOf(one *netlink.Route) []*netlink.NexthopInfo {
	if len(one.MultiPath) > 0 {
		return one.MultiPath
	}
	return []*netlink.NexthopInfo{{LinkIndex: one.LinkIndex, Gw: one.Gw, Via: one.Via}}
}

// oneOf tells whether the operation is about one hop of a route with several. IPv6 knows
// those for routes of one rank, and takes one away by its gateway (ip6_route_del).
func (r route) oneOf(one *netlink.Route) bool { return r.hopOf(one) >= 0 }

func (r route) hopOf(one *netlink.Route) int {
	if one.Family != unix.AF_INET6 || r.Verb != "del" || !r.Gateway.IsValid() || len(one.MultiPath) == 0 {
		return -1
	}
	wanted, err := r.native()
	if err != nil {
		return -1
	}
	return slices.IndexFunc(one.MultiPath, func(hop *netlink.NexthopInfo) bool { return alike(hopsOf(wanted)[0], hop) })
}

// hops gives the next hops as the kernel wants them.
func (r route) hops() ([]*netlink.NexthopInfo, error) {
	var hops []*netlink.NexthopInfo
	for _, hop := range r.Hops {
		native := &netlink.NexthopInfo{Hops: int(max(hop.Weight, 1) - 1)}
		if hop.OnLink {
			native.Flags = int(netlink.FLAG_ONLINK)
		}
		switch {
		case !hop.Gateway.IsValid():
		case hop.Gateway.Is6() != finding.RouteOp(r).Six():
			native.Via = &netlink.Via{AddrFamily: family(hop.Gateway.Is6()), Addr: hop.Gateway.AsSlice()}
		default:
			native.Gw = hop.Gateway.AsSlice()
		}
		if hop.Dev != "" {
			dev, err := device(hop.Dev)
			if err != nil {
				return nil, err
			}
			native.LinkIndex = dev.Attrs().Index
		}
		hops = append(hops, native)
	}
	return hops, nil
}
