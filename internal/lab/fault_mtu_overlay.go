// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

const causeOverlay = finding.Cause("overlay-mtu-mismatch")

// What VXLAN adds: Ethernet, VXLAN, UDP and IP headers.
const (
	vxlanOverhead  = 14 + 8 + 8 + 20
	vxlanOverhead6 = 14 + 8 + 8 + 40
)

// mtuOverlay are tunnels over a network that carries 1500 bytes and, as those of
// clouds do, no fragments.
func mtuOverlay() []Scenario {
	fault := Scenario{
		Name: "mtu-overlay", Summary: "a VXLAN promises 1500 bytes on a network of 1500 that carries no fragments",
		Trap: finding.MTUBlackhole, Cause: causeOverlay,
		Views: []string{"client"}, budget: suspectBudget, sure: confirmBudget,
		build: promisingOverlay(false),
	}
	six := fault
	six.Name = "mtu-overlay-ipv6"
	six.Summary = "the same on a network of IPv6: the host itself drops what does not fit"
	six.build = promisingOverlay(true)
	twin := Scenario{TwinOf: fault.Name, Views: []string{viewAll, "client"}, window: 6 * time.Second}
	fits, heals := twin, twin
	fits.Name = "mtu-overlay-healthy"
	fits.Summary = "a VXLAN of 1450 bytes on a network of 1500"
	fits.build = overlayOf(false, wideMTU-vxlanOverhead)
	fits6 := fits
	fits6.Name = "mtu-overlay-healthy-ipv6"
	fits6.Summary = "a VXLAN of 1430 bytes on a network of IPv6 of 1500"
	fits6.build = overlayOf(true, wideMTU-vxlanOverhead6)
	heals.Name = "mtu-overlay-heals"
	heals.Summary = "a VXLAN of 1500 bytes on a network of 1500: the kernel itself tells what fits"
	heals.Risk = causeOverlay // on another network, or for UDP, it would not heal
	heals.build = overlayOf(false, wideMTU)
	return []Scenario{fault, six, fits, fits6, heals}
}

// overlay is a client and a server on one tunnel, over a way with a router.
type overlay struct {
	under way
	web   netip.AddrPort
	// wall is the router's rule against fragments.
	wall filter
}

// lost counts packets of the client's tunnel that got nowhere: as fragments, or over IPv6,
// where none are made of them, on the host itself.
func (o overlay) lost() (uint64, error) {
	if o.under.six() {
		return o.under.client.counter6("Ip6FragFails")
	}
	return o.wall.dropped()
}

func buildOverlay(n *network, six bool, mtu int) overlay {
	o := overlay{under: buildWay(n, six), web: netip.MustParseAddrPort("10.65.0.1:8080")}
	n.vxlan(port{o.under.client, "vxlan0", []string{"10.65.0.2/24"}}, mtu, o.under.serverAddr)
	n.vxlan(port{o.under.server, "vxlan0", []string{"10.65.0.1/24"}}, mtu, o.under.clientAddr)
	o.wall = n.drop(o.under.router, "forward", nftables.ChainHookForward, fragments())
	return o
}

// vxlan adds a tunnel to one remote address.
func (n *network) vxlan(p port, mtu int, remote netip.Addr) {
	if n.err != nil {
		return
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = p.name
	tunnel := &netlink.Vxlan{LinkAttrs: attrs, VxlanId: 42, Port: 4789, Group: remote.AsSlice()}
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
func promisingOverlay(six bool) func(*network) stage {
	return func(n *network) stage {
		o := buildOverlay(n, six, wideMTU)
		n.lock(o.under.client, &netlink.Route{Dst: prefixOf(o.web.Addr()), LinkIndex: n.index(port{o.under.client, "vxlan0", nil})})
		s := o.upload(n)
		s.traffic = together(s.traffic, chatter(o.under.client, o.web), counting(o.lost))
		s.proof = func(reading) error {
			lost, err := o.lost()
			if err != nil {
				return err
			}
			return atLeast("packets of the tunnel that were lost", lost, 1)
		}
		s.heals = true
		s.judge = judgeOverlay(map[bool]uint32{false: wideMTU - vxlanOverhead, true: wideMTU - vxlanOverhead6}[six])
		return s
	}
}

func judgeOverlay(fits uint32) func(reading, *Result) []string {
	return func(_ reading, s *Result) []string {
		told := s.sure.Trapbpf.MTU
		if told == nil {
			return []string{"the finding tells nothing of sizes"}
		}
		return expect(nil, "the MTU that fits", told.Path, fits)
	}
}

func overlayOf(six bool, mtu int) func(*network) stage {
	return func(n *network) stage {
		s := buildOverlay(n, six, mtu).upload(n)
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
