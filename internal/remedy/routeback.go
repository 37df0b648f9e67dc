// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/pkg/finding"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// restore looks for the route that the operation would replace or remove. One that is
// put beside others of its rank replaces none.
func (r route) restore() (finding.Op, error) {
	there, err := r.there()
	if err != nil {
		return nil, err
	}
	switch {
	case len(there) > 1:
		return nil, fmt.Errorf("%w: several routes match", ErrInexpressible)
	case len(there) == 1 && r.Verb == "replace":
		return r.express(&there[0], "replace")
	case len(there) == 1 && r.Verb == "del":
		return r.express(&there[0], r.verbBack(&there[0]))
	case len(there) == 1:
		return nil, errors.New("there is such a route already")
	case r.Verb == "del":
		return nil, errors.New("there is no such route")
	}
	undo := finding.RouteOp(r)
	undo.Verb = "del"
	return undo, nil
}

// verbBack is how a removed route comes back: where others of its rank stay, an add
// would not let it in again, and which of them is the first matters in IPv4.
func (r route) verbBack(gone *netlink.Route) string {
	if gone.Family == unix.AF_INET6 && len(gone.MultiPath) > 0 {
		if r.oneOf(gone) {
			return "append"
		}
		return "add"
	}
	all := &netlink.Route{Table: gone.Table}
	var rank []netlink.Route
	err := netlink.RouteListFilteredIter(gone.Family, all, netlink.RT_FILTER_TABLE, func(one netlink.Route) bool {
		if one.Dst != nil && one.Dst.String() == gone.Dst.String() && one.Priority == gone.Priority && one.Tos == gone.Tos {
			rank = append(rank, one)
		}
		return true
	})
	switch {
	case err != nil || len(rank) < 2:
		return "add"
	case gone.Family == unix.AF_INET && rank[0].Equal(*gone):
		return "prepend"
	default:
		return "append"
	}
}

// express writes a route as an operation, where that says all that matters of it.
func (r route) express(one *netlink.Route, verb string) (finding.Op, error) {
	if one.Type != unix.RTN_UNICAST || one.Encap != nil {
		return nil, fmt.Errorf("%w: %s", ErrInexpressible, one)
	}
	op := finding.RouteOp{
		Verb: verb, Destination: r.Destination, Source: addr(one.Src), Protocol: host.ProtocolName(uint8(one.Protocol)),
		Table: r.Table, Metric: uint32(one.Priority), MTU: uint32(one.MTU), MTULock: one.MTULock, AdvMSS: uint32(one.AdvMSS),
		OnLink: one.Flags&int(netlink.FLAG_ONLINK) != 0, IPv6: r.IPv6,
	}
	hops, err := expressHops(one)
	if err != nil {
		return nil, err
	}
	if at := r.hopOf(one); at >= 0 { // an IPv6 removal of one of several
		hops = hops[at : at+1]
	}
	if len(hops) > 1 {
		op.Hops, op.OnLink = hops, false
	} else {
		op.Gateway, op.Dev, op.OnLink = hops[0].Gateway, hops[0].Dev, op.OnLink || hops[0].OnLink
	}
	return op, nil
}

// expressHops gives the next hops of a route; of one with one hop, that one.
func expressHops(one *netlink.Route) ([]finding.Hop, error) {
	var hops []finding.Hop
	for _, native := range hopsOf(one) {
		if native.Encap != nil {
			return nil, fmt.Errorf("%w: %s", ErrInexpressible, one)
		}
		hop := finding.Hop{Gateway: gatewayOf(native), Weight: uint32(native.Hops) + 1, OnLink: native.Flags&int(netlink.FLAG_ONLINK) != 0}
		if native.LinkIndex != 0 {
			dev, err := netlink.LinkByIndex(native.LinkIndex)
			if err != nil {
				return nil, fmt.Errorf("name interface %d: %w", native.LinkIndex, err)
			}
			hop.Dev = dev.Attrs().Name
		}
		hops = append(hops, hop)
	}
	return hops, nil
}

func gatewayOf(hop *netlink.NexthopInfo) netip.Addr {
	if via, ok := hop.Via.(*netlink.Via); ok {
		return addr(via.Addr)
	}
	return addr(hop.Gw)
}

func addr(ip net.IP) netip.Addr {
	found, _ := netip.AddrFromSlice(ip)
	return found.Unmap()
}
