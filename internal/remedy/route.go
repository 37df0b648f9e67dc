// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/pkg/finding"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

type route finding.RouteOp

func (r route) apply() error {
	native, err := r.native()
	if err != nil {
		return err
	}
	switch r.Verb {
	case "add":
		return netlink.RouteAdd(native)
	case "prepend":
		return netlink.RouteAddEcmp(native) // created whatever is there: before others of its rank
	case "append":
		return netlink.RouteAppend(native)
	case "replace":
		return netlink.RouteReplace(native)
	case "del":
		native.Scope = netlink.SCOPE_NOWHERE // any scope, as ip-route(8) has it
		native.Protocol, native.Type = 0, 0
		return netlink.RouteDel(native)
	default:
		return fmt.Errorf("%q is nothing to do with a route", r.Verb)
	}
}

// native fills in what ip-route(8) does where nothing is said: the main table, the
// protocol boot, and for IPv4 the scope of the link where there is no gateway.
func (r route) native() (*netlink.Route, error) {
	six := finding.RouteOp(r).Six()
	native := &netlink.Route{
		Family: family(six), Dst: r.destination(six), Table: unix.RT_TABLE_MAIN, Priority: int(r.Metric),
		MTU: int(r.MTU), MTULock: r.MTULock, AdvMSS: int(r.AdvMSS), Protocol: unix.RTPROT_BOOT, Type: unix.RTN_UNICAST,
	}
	if r.Table != 0 {
		native.Table = int(r.Table)
	}
	if r.Protocol != "" {
		number, known := host.Protocol(r.Protocol)
		if !known {
			return nil, fmt.Errorf("%q is no routing protocol", r.Protocol)
		}
		native.Protocol = netlink.RouteProtocol(number)
	}
	if r.Source.IsValid() {
		native.Src = r.Source.AsSlice()
	}
	if r.OnLink {
		native.Flags = int(netlink.FLAG_ONLINK)
	}
	var err error
	native.MultiPath, err = r.hops()
	switch {
	case err != nil:
		return nil, err
	case len(r.Hops) > 0:
	case !r.Gateway.IsValid() && !six:
		native.Scope = netlink.SCOPE_LINK
	case r.Gateway.IsValid() && r.Gateway.Is6() != six:
		native.Via = &netlink.Via{AddrFamily: family(r.Gateway.Is6()), Addr: r.Gateway.AsSlice()}
	case r.Gateway.IsValid():
		native.Gw = r.Gateway.AsSlice()
	}
	if r.Dev == "" {
		return native, nil
	}
	dev, err := device(r.Dev)
	if err != nil {
		return nil, err
	}
	native.LinkIndex = dev.Attrs().Index
	return native, nil
}

// destination is written out even for the default route: netlink refuses a route
// that has neither destination nor gateway.
func (r route) destination(six bool) *net.IPNet {
	switch {
	case r.Destination.IsValid():
		return ipNet(r.Destination.Masked())
	case six:
		return ipNet(netip.PrefixFrom(netip.IPv6Unspecified(), 0))
	default:
		return ipNet(netip.PrefixFrom(netip.IPv4Unspecified(), 0))
	}
}

func family(six bool) int {
	if six {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
