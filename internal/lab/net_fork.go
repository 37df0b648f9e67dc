// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// fork is a client with two uplinks that lead to the same servers, each way there and
// back the same:
//
//	       ┌── r1 ──┐
//	client ┤        ├── server
//	       └── r2 ──┘
//
// It has no default route yet.
type fork struct {
	client, r1, r2, server *space
	up1, up2               port
	gateway1, gateway2     string
	peers                  []netip.AddrPort
	six                    bool
}

// forkPeers is how many addresses the servers have together.
const forkPeers = 6

func buildFork(n *network, six bool) fork {
	f := fork{client: n.space("client"), r1: n.space("r1"), r2: n.space("r2"), server: n.space("server"), six: six}
	net := func(third, host int) string {
		if six {
			return fmt.Sprintf("fd66:%d::%d/64", third, host)
		}
		return fmt.Sprintf("10.66.%d.%d/24", third, host)
	}
	at := func(third, host int) string { return netip.MustParsePrefix(net(third, host)).Addr().String() }
	prefix := func(third int) string { return netip.MustParsePrefix(net(third, 0)).String() }
	f.up1, f.up2 = port{f.client, "up1", []string{net(1, 2)}}, port{f.client, "up2", []string{net(2, 2)}}
	f.gateway1, f.gateway2 = at(1, 1), at(2, 1)
	n.cable(f.up1, port{f.r1, "in", []string{net(1, 1)}})
	n.cable(f.up2, port{f.r2, "in", []string{net(2, 1)}})
	n.cable(port{f.r1, "out", []string{net(3, 1)}}, port{f.server, "eth0", []string{net(3, 2)}})
	n.cable(port{f.r2, "out", []string{net(4, 1)}}, port{f.server, "eth1", []string{net(4, 2)}})
	for _, router := range []*space{f.r1, f.r2} {
		n.forward(router)
		n.sysctl(router, "1", "ipv6", "conf", "all", "forwarding")
	}
	n.route(f.r1, prefix(9), at(3, 2), 0)
	n.route(f.r2, prefix(9), at(4, 2), 0)
	n.route(f.server, prefix(1), at(3, 1), 0)
	n.route(f.server, prefix(2), at(4, 1), 0)
	for host := 1; host <= forkPeers; host++ {
		bits := map[bool]string{false: "/32", true: "/128"}[six]
		n.address(f.server, "lo", at(9, host)+bits)
		f.peers = append(f.peers, netip.AddrPortFrom(netip.MustParseAddr(at(9, host)), webPort))
	}
	return f
}

// address gives an interface one more address.
func (n *network) address(s *space, iface, prefix string) { //nolint:unparam // reads as what it is where it is called
	if n.err != nil {
		return
	}
	link, err := s.handle.LinkByName(iface)
	if err != nil {
		n.fail(fmt.Errorf("find link %s: %w", iface, err))
		return
	}
	n.fail(port{space: s, name: iface}.assign(link, prefix))
}

// noAddress takes an address away from an interface.
func (n *network) noAddress(s *space, iface, prefix string) {
	if n.err != nil {
		return
	}
	link, err := s.handle.LinkByName(iface)
	if err != nil {
		n.fail(fmt.Errorf("find link %s: %w", iface, err))
		return
	}
	addr, err := netlink.ParseAddr(prefix)
	if err == nil {
		err = s.handle.AddrDel(link, addr)
	}
	n.fail(err)
}

// equal gives the client two default routes of one metric.
func (f fork) equal(n *network) {
	n.route(f.client, "", f.gateway1, 100)
	if n.err != nil {
		return
	}
	second := &netlink.Route{Gw: net.ParseIP(f.gateway2), Priority: 100}
	n.fail(f.client.handle.RouteAppend(second))
}

// shared gives the client one default route with two hops, chosen by connection: so
// that each server is met by both.
func (f fork) shared(n *network) {
	if n.err != nil {
		return
	}
	route := &netlink.Route{Priority: 100, Dst: &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}}
	family := "ipv4"
	if f.six {
		family = "ipv6"
		route.Dst = &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
	}
	for _, gateway := range []string{f.gateway1, f.gateway2} {
		found, err := f.client.handle.RouteGet(net.ParseIP(gateway))
		if err != nil || len(found) == 0 {
			n.fail(fmt.Errorf("find the link of gateway %s: %w", gateway, err))
			return
		}
		route.MultiPath = append(route.MultiPath, &netlink.NexthopInfo{Gw: net.ParseIP(gateway), LinkIndex: found[0].LinkIndex})
	}
	n.fail(f.client.handle.RouteAdd(route))
	n.sysctl(f.client, "1", family, "fib_multipath_hash_policy")
}

// ranked gives the client two default routes of which the first is better.
func (f fork) ranked(n *network) {
	n.route(f.client, "", f.gateway1, 100)
	n.route(f.client, "", f.gateway2, 200)
}

// ruled has what leaves from the second uplink's address go by a table of its own.
func (f fork) ruled(n *network) {
	n.route(f.client, "", f.gateway1, 100)
	if n.err != nil {
		return
	}
	const table = 102
	n.fail(f.client.handle.RouteAdd(&netlink.Route{Gw: net.ParseIP(f.gateway2), Table: table}))
	from := netip.MustParsePrefix(f.up2.addrs[0]).Addr()
	rule := netlink.NewRule()
	rule.Family, rule.Table = unix.AF_INET, table
	if f.six {
		rule.Family = unix.AF_INET6
	}
	rule.Src = &net.IPNet{IP: from.AsSlice(), Mask: net.CIDRMask(from.BitLen(), from.BitLen())}
	n.fail(f.client.handle.RuleAdd(rule))
}

// lossy has a router take packets and deliver none.
func (f fork) lossy(n *network, router *space) {
	n.sysctl(router, "0", "ipv4", "ip_forward")
	n.sysctl(router, "0", "ipv6", "conf", "all", "forwarding")
}

// withdraw deletes the route to a network.
func withdraw(s *space, destination string) error {
	to, err := netlink.ParseIPNet(destination)
	if err != nil {
		return err
	}
	if err := s.handle.RouteDel(&netlink.Route{Dst: to}); err != nil {
		return fmt.Errorf("delete route %s: %w", destination, err)
	}
	return nil
}
