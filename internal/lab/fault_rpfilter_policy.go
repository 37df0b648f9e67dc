// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// rpFilterPolicy are strict interfaces where more than one table, or a tunnel, has a
// say in the way back.
func rpFilterPolicy(fault Scenario) []Scenario {
	tunnel, marked := fault, fault
	tunnel.Name = "rp-filter-tunnel"
	tunnel.Summary = "what lies behind a tunnel's end answers through the tunnel, which is strict; the route there is outside"
	tunnel.build = tunnelled("")
	marked.Name = "rp-filter-mark"
	marked.Summary = "a firewall mark sends requests by the second uplink; the way back is looked up without it"
	marked.build = byMark(false)
	twin := Scenario{Views: fault.Views}
	inside, valid, ruled := twin, twin, twin
	inside.Name, inside.TwinOf = "rp-filter-tunnel-route", tunnel.Name
	inside.Summary = "the same strict tunnel, with the route to what lies behind its end"
	inside.build = tunnelled(behindTunnel)
	valid.Name, valid.TwinOf = "rp-filter-valid-mark", marked.Name
	valid.Summary = "the same mark, given to the answers too, and src_valid_mark=1: strict mode passes them"
	valid.build = byMark(true)
	ruled.Name, ruled.TwinOf = "rp-filter-rule", marked.Name
	ruled.Summary = "strict uplinks, each with a table of its own for what leaves from its address"
	ruled.build = byRule
	return []Scenario{tunnel, marked, inside, valid, ruled}
}

// A tunnel's ends, and the network behind the far one.
const (
	tunnelNear   = "10.65.0.2"
	tunnelFar    = "10.65.0.1"
	behindTunnel = "10.68.0.0/24"
	behindServer = "10.68.0.9:8080"
	insideAddr   = "10.69.0.2" // the client's own, known behind the far end only
)

// tunnelled has a server behind a tunnel's far end answer through it. Route is what the
// client sends into the tunnel beside the tunnel's own network, "" for nothing.
func tunnelled(route string) func(*network) stage {
	return func(n *network) stage {
		w := buildWay(n, false)
		near := port{w.client, "vxlan0", []string{tunnelNear + "/24"}}
		n.vxlan(near, wideMTU-vxlanOverhead, netip.MustParseAddr(wayServer))
		n.vxlan(port{w.server, "vxlan0", []string{tunnelFar + "/24"}}, wideMTU-vxlanOverhead, netip.MustParseAddr(wayClient))
		to := netip.MustParseAddrPort(behindServer)
		n.address(w.server, "lo", to.Addr().String()+"/32")
		n.route(w.router, behindTunnel, wayServer, 0)
		n.address(w.client, "lo", insideAddr+"/32")
		n.route(w.server, insideAddr+"/32", tunnelNear, 0)
		// The far end asks for the near one in the tunnel's own name: a strict host does not
		// even answer ARP in another's.
		n.sysctl(w.server, "2", "ipv4", "conf", near.name, "arp_announce")
		if route != "" {
			n.route(w.client, route, tunnelFar, 0)
		}
		n.sysctl(w.client, "1", "ipv4", "conf", near.name, "rp_filter")
		return w.asks(n, to, route == "")
	}
}

// routeIn adds a default route to a table.
func (n *network) routeIn(s *space, via string, table int) {
	if n.err != nil {
		return
	}
	if err := s.handle.RouteAdd(&netlink.Route{Gw: netip.MustParseAddr(via).AsSlice(), Table: table}); err != nil {
		n.fail(fmt.Errorf("add route via %s to table %d: %w", via, table, err))
	}
}

// asks has the way's client ask a server ten times a second.
func (w way) asks(n *network, to netip.AddrPort, dropped bool) stage {
	s := stage{
		traffic: together(n.serve(w.server, answer, to.String()), questions(w.client, to, 300*time.Millisecond, netip.MustParseAddr(insideAddr)), w.client.watchCounter("IPReversePathFilter")),
		proof:   func(r reading) error { return atLeast("answers", r.OK, 20) },
	}
	if dropped {
		s.heals = true
		s.proof = func(reading) error {
			drops, err := w.client.counter("TcpExt", "IPReversePathFilter")
			if err != nil {
				return err
			}
			return atLeast("reverse-path drops", drops, 1)
		}
	}
	return s
}

// questions are a client's, ten a second, from an address of its own where one is given.
func questions(from *space, to netip.AddrPort, within time.Duration, own netip.Addr) job {
	call := caller{to: to, within: within, from: own}
	return inside(from, "lab-client", func(ctx context.Context, m *meter) error {
		pace(ctx, 10, 3000, func() { m.attempt(call.call()) })
		return nil
	})
}

// byMark has requests to the web port leave by the second uplink, for a mark that the
// firewall gives them. Valid gives the answers the mark, too, before they are routed,
// and has the reverse lookup heed it.
func byMark(valid bool) func(*network) stage {
	return func(n *network) stage {
		f := buildFork(n, false)
		n.route(f.client, "", f.gateway1, 100)
		n.routeIn(f.client, f.gateway2, 102)
		n.marks(f.client, 7, 102)
		n.address(f.client, "lo", "10.66.8.8/32")
		for _, router := range []*space{f.r1, f.r2} {
			n.route(router, "10.66.8.8/32", map[*space]string{f.r1: "10.66.1.2", f.r2: "10.66.2.2"}[router], 0)
		}
		n.route(f.server, "10.66.8.8/32", "10.66.4.1", 0)
		w := n.wall(f.client)
		w.reroute("outgoing", nftables.ChainHookOutput, append(toPort(webPort), marking(7)...))
		if valid {
			w.chain("incoming", nftables.ChainHookPrerouting, nftables.ChainPriorityRaw, append(fromPort(webPort), marking(7)...))
			n.sysctl(f.client, "1", "ipv4", "conf", "all", "src_valid_mark")
		}
		for _, up := range []port{f.up1, f.up2} {
			n.sysctl(f.client, "1", "ipv4", "conf", up.name, "rp_filter")
		}
		return f.asks(n, netip.MustParseAddr("10.66.8.8"), !valid)
	}
}

// byRule has a client use both uplinks, strict ones, by the address that it binds.
func byRule(n *network) stage {
	f := buildFork(n, false)
	f.ruled(n)
	for _, up := range []port{f.up1, f.up2} {
		n.sysctl(f.client, "1", "ipv4", "conf", up.name, "rp_filter")
	}
	return f.asks(n, netip.MustParsePrefix(f.up2.addrs[0]).Addr(), false)
}

// asks has the fork's client ask its servers from one address.
func (f fork) asks(n *network, from netip.Addr, dropped bool) stage {
	s := stage{
		traffic: together(f.serves(n, f.peers), f.dials(f.client, f.peers, from), f.client.watchCounter("IPReversePathFilter")),
		proof:   func(r reading) error { return atLeast("answers", r.OK, 20) },
	}
	if dropped {
		s.heals = true
		s.proof = func(reading) error {
			drops, err := f.client.counter("TcpExt", "IPReversePathFilter")
			if err != nil {
				return err
			}
			return atLeast("reverse-path drops", drops, 1)
		}
	}
	return s
}

// marks has what bears a mark go by a table of its own.
func (n *network) marks(s *space, mark uint32, table int) {
	if n.err != nil {
		return
	}
	rule := netlink.NewRule()
	rule.Family, rule.Table, rule.Mark, rule.Priority = unix.AF_INET, table, mark, table
	if err := s.handle.RuleAdd(rule); err != nil {
		n.fail(fmt.Errorf("add policy rule: %w", err))
	}
}

// reroute adds a chain after which a packet's route is looked up again.
func (w *wall) reroute(name string, hook *nftables.ChainHook, c clause) {
	if w.net.err != nil {
		return
	}
	chain := w.conn.AddChain(&nftables.Chain{
		Name: name, Table: w.table, Type: nftables.ChainTypeRoute, Hooknum: hook, Priority: nftables.ChainPriorityMangle,
	})
	w.conn.AddRule(&nftables.Rule{Table: w.table, Chain: chain, Exprs: c})
	if err := w.conn.Flush(); err != nil {
		w.net.fail(fmt.Errorf("set the firewall of %s: %w", w.space.role, err))
	}
}

// marking is "meta mark set MARK".
func marking(mark uint32) clause {
	return clause{
		&expr.Immediate{Register: slot, Data: binary.NativeEndian.AppendUint32(nil, mark)},
		&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: slot},
	}
}

// fromPort is "tcp sport PORT".
func fromPort(number uint16) clause {
	return clause{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: slot},
		&expr.Cmp{Op: expr.CmpOpEq, Register: slot, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Payload{DestRegister: slot, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: slot, Data: binary.BigEndian.AppendUint16(nil, number)},
	}
}
