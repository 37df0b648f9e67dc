// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

const causeOverlay = finding.Cause("overlay-mtu-mismatch")

// vxlanOverhead is what VXLAN adds over IPv4: Ethernet, VXLAN, UDP and IP headers.
const vxlanOverhead = 14 + 8 + 8 + 20

// mtuOverlay are tunnels over a network that carries 1500 bytes and, as those of
// clouds do, no fragments.
func mtuOverlay() []Scenario {
	fault := Scenario{
		Name: "mtu-overlay", Summary: "a VXLAN promises 1500 bytes on a network of 1500 that carries no fragments",
		Trap: finding.MTUBlackhole, Cause: causeOverlay,
		Views: []string{"client"}, budget: suspectBudget, sure: confirmBudget,
		build: promisingOverlay,
	}
	twin := Scenario{TwinOf: fault.Name, Views: []string{viewAll, "client"}, window: 6 * time.Second}
	fits, heals := twin, twin
	fits.Name = "mtu-overlay-healthy"
	fits.Summary = "a VXLAN of 1450 bytes on a network of 1500"
	fits.build = overlayOf(wideMTU - vxlanOverhead)
	heals.Name = "mtu-overlay-heals"
	heals.Summary = "a VXLAN of 1500 bytes on a network of 1500: the kernel itself tells what fits"
	heals.Risk = causeOverlay // on another network, or for UDP, it would not heal
	heals.build = overlayOf(wideMTU)
	return []Scenario{fault, fits, heals}
}

// overlay is a client and a server on one tunnel, over a way with a router.
type overlay struct {
	under way
	web   netip.AddrPort
	// wall is the router's rule against fragments.
	wall filter
}

func buildOverlay(n *network, mtu int) overlay {
	o := overlay{under: buildWay(n, false), web: netip.MustParseAddrPort("10.65.0.1:8080")}
	n.vxlan(port{o.under.client, "vxlan0", []string{"10.65.0.2/24"}}, mtu, wayServer)
	n.vxlan(port{o.under.server, "vxlan0", []string{"10.65.0.1/24"}}, mtu, wayClient)
	o.wall = n.drop(o.under.router, "forward", nftables.ChainHookForward, fragments())
	return o
}

// vxlan adds a tunnel to one remote address.
func (n *network) vxlan(p port, mtu int, remote string) {
	if n.err != nil {
		return
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = p.name
	tunnel := &netlink.Vxlan{LinkAttrs: attrs, VxlanId: 42, Port: 4789, Group: net.ParseIP(remote)}
	if err := p.space.handle.LinkAdd(tunnel); err != nil {
		n.fail(fmt.Errorf("add tunnel %s: %w", p.name, err))
		return
	}
	n.fail(p.configure())
	n.mtu(p, mtu)
	n.singly(p)
}

// fragments is "ip frag-off & 0x3fff != 0": any fragment, the first ones too.
func fragments() match {
	return match{
		&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: register},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{0x08, 0x00}},
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: 6, Len: 2},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 2, Mask: []byte{0x3f, 0xff}, Xor: []byte{0, 0}},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: []byte{0, 0}},
	}
}

// promisingOverlay has the route into the tunnel promise what the tunnel does: on a
// route that promises nothing Linux tells its own sockets what fits.
func promisingOverlay(n *network) stage {
	o := buildOverlay(n, wideMTU)
	n.lock(o.under.client, &netlink.Route{Dst: prefixOf(o.web.Addr()), LinkIndex: n.index(port{o.under.client, "vxlan0", nil})})
	s := o.upload(n)
	s.traffic = together(s.traffic, chatter(o.under.client, o.web), o.wall.watch)
	s.proof, s.heals = o.wall.proof, true
	s.judge = judgeOverlay
	return s
}

func judgeOverlay(_ reading, s *Result) []string {
	told := s.sure.Trapbpf.MTU
	if told == nil {
		return []string{"the finding tells nothing of sizes"}
	}
	return expect(nil, "the MTU that fits", told.Path, wideMTU-vxlanOverhead)
}

func overlayOf(mtu int) func(*network) stage {
	return func(n *network) stage {
		s := buildOverlay(n, mtu).upload(n)
		s.proof = func(r reading) error { return atLeast("uploads", r.OK, 10) }
		return s
	}
}

func (o overlay) upload(n *network) stage {
	push := transfers{to: o.web, large: order{up: uploadSize, down: smallSize}, within: longPatience, pause: 50 * time.Millisecond}
	return stage{traffic: together(n.serve(o.under.server, trade, o.web.String()), push.run(o.under.client, "lab-upload"))}
}

// index gives a port's interface index, 0 where it has none.
func (n *network) index(p port) int {
	if n.err != nil {
		return 0
	}
	_, index, err := p.mac()
	n.fail(err)
	return index
}
