// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/trapbpf/trapbpf/pkg/finding"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// metric6 is what the kernel gives an IPv6 route without one (IP6_RT_PRIO_USER).
const metric6 = 1024

// restore looks for the route that the operation would replace or remove.
func (r route) restore() (finding.Op, error) {
	there, err := r.there()
	if err != nil {
		return nil, err
	}
	switch {
	case len(there) > 1:
		return nil, fmt.Errorf("%w: several routes match", ErrInexpressible)
	case len(there) == 1 && r.Verb == "add":
		return nil, errors.New("there is such a route already")
	case len(there) == 1 && r.Verb == "replace":
		return r.express(&there[0], "replace")
	case len(there) == 1:
		return r.express(&there[0], r.verbBack(&there[0]))
	case r.Verb == "del":
		return nil, errors.New("there is no such route")
	}
	undo := finding.RouteOp(r)
	undo.Verb = "del"
	return undo, nil
}

// verbBack is how a removed route comes back: where another of its rank stays, only an
// append lets it in again.
func (r route) verbBack(gone *netlink.Route) string {
	all := &netlink.Route{Table: gone.Table}
	alike := 0
	err := netlink.RouteListFilteredIter(gone.Family, all, netlink.RT_FILTER_TABLE, func(one netlink.Route) bool {
		if one.Dst != nil && one.Dst.String() == gone.Dst.String() && one.Priority == gone.Priority && one.Tos == gone.Tos {
			alike++
		}
		return true
	})
	if err == nil && alike > 1 {
		return "append"
	}
	return "add"
}

// there gives the routes that the operation is about: with its destination, table
// and metric, and for a removal also by its gateway and device, where it names them.
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
	if r.Verb != "del" {
		return one.Priority == metric
	}
	return (metric == 0 || one.Priority == metric) &&
		(wanted.LinkIndex == 0 || one.LinkIndex == wanted.LinkIndex) &&
		(wanted.Gw == nil || one.Gw.Equal(wanted.Gw))
}

// express writes a route as an operation, where that says all that matters of it.
func (r route) express(one *netlink.Route, verb string) (finding.Op, error) {
	special := one.Type != unix.RTN_UNICAST || len(one.MultiPath) > 0 || one.Encap != nil
	if special {
		return nil, fmt.Errorf("%w: %s", ErrInexpressible, one)
	}
	op := finding.RouteOp{
		Verb: verb, Destination: r.Destination, Gateway: addr(one.Gw), Source: addr(one.Src),
		Table: r.Table, Metric: uint32(one.Priority), MTU: uint32(one.MTU), MTULock: one.MTULock, AdvMSS: uint32(one.AdvMSS),
		OnLink: one.Flags&int(netlink.FLAG_ONLINK) != 0, IPv6: r.IPv6,
	}
	if via, ok := one.Via.(*netlink.Via); ok {
		op.Gateway = addr(via.Addr)
	}
	if one.LinkIndex != 0 {
		dev, err := netlink.LinkByIndex(one.LinkIndex)
		if err != nil {
			return nil, fmt.Errorf("name interface %d: %w", one.LinkIndex, err)
		}
		op.Dev = dev.Attrs().Name
	}
	return op, nil
}

func addr(ip net.IP) netip.Addr {
	found, _ := netip.AddrFromSlice(ip)
	return found.Unmap()
}
