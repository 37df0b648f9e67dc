// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

const causeLinkDrops = finding.Cause("link-drops-oversize")

// mtuLink are devices that drop what is larger than they are, and tell nobody.
func mtuLink() []Scenario {
	bridge := Scenario{
		Name: "mtu-bridge", Summary: "a bridge has a port with MTU 1400 between hosts with 1500",
		Trap: finding.MTUBlackhole, Cause: causeLinkDrops,
		Views: []string{"bridge", viewAll}, budget: dropBudget,
		build: narrowBridge(false),
	}
	six, far := bridge, bridge
	six.Name = "mtu-bridge-ipv6"
	six.Summary = "the same over IPv6"
	six.build = narrowBridge(true)
	far.Name = "mtu-far-end"
	far.Summary = "the two ends of a router's virtual cable disagree: 1500 here, 1400 there"
	far.Views = []string{"router", viewAll}
	far.build = narrowFarEnd(false)
	far6 := far
	far6.Name = "mtu-far-end-ipv6"
	far6.Summary = "the same over IPv6"
	far6.build = narrowFarEnd(true)
	healthy := Scenario{
		Name: "mtu-bridge-healthy", Summary: "a bridge all of whose ports have the hosts' MTU",
		TwinOf: bridge.Name, Views: []string{viewAll, "bridge"}, window: 5 * time.Second,
		build: healthyBridge,
	}
	return []Scenario{bridge, six, far, far6, healthy}
}

// switched is a client and a server on one bridge, br0 of a namespace of its own.
type switched struct {
	client, bridge, server *space
	// toServer is the bridge's port to the server.
	toServer port
	addr     netip.Addr
}

func buildSwitched(n *network, six bool) switched {
	s := switched{client: n.space("client"), bridge: n.space("bridge"), server: n.space("server")}
	s.toServer = port{s.bridge, "p-server", nil}
	toClient := port{s.bridge, "p-client", nil}
	client := port{s.client, "eth0", []string{"10.64.0.2/24", "fd64::2/64"}}
	server := port{s.server, "eth0", []string{"10.64.0.1/24", "fd64::1/64"}}
	n.cable(client, toClient)
	n.cable(s.toServer, server)
	n.singly(client, toClient, s.toServer, server)
	n.bridge(s.bridge, "br0", toClient, s.toServer)
	n.learnNothing(s.client, s.server)
	s.addr = netip.MustParseAddr("10.64.0.1")
	if six {
		s.addr = netip.MustParseAddr("fd64::1")
	}
	return s
}

// bridge makes a bridge of ports.
func (n *network) bridge(s *space, name string, ports ...port) {
	if n.err != nil {
		return
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	br := &netlink.Bridge{LinkAttrs: attrs}
	if err := s.handle.LinkAdd(br); err != nil {
		n.fail(fmt.Errorf("add bridge %s: %w", name, err))
		return
	}
	for _, p := range ports {
		n.adjust(p, "add to the bridge", func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetMaster(l, br) })
	}
	n.fail(s.handle.LinkSetUp(br))
}

func (s switched) upload(n *network) stage {
	web := netip.AddrPortFrom(s.addr, webPort)
	push := transfers{to: web, large: order{up: uploadSize, down: smallSize}, within: longPatience, pause: 50 * time.Millisecond, hurts: true}
	return stage{
		traffic: together(n.serve(s.server, trade, web.String()), push.run(s.client, "lab-upload")),
		heals:   true,
	}
}

func narrowBridge(six bool) func(*network) stage {
	return func(n *network) stage {
		b := buildSwitched(n, six)
		n.mtu(b.toServer, narrowMTU)
		s := b.upload(n)
		// A port that drops a frame for its size counts nothing: the client's
		// time-outs are what tells.
		s.proof = b.client.counted("TCPTimeouts", 1)
		s.judge = judgePath(narrowMTU)
		return s
	}
}

func healthyBridge(n *network) stage {
	s := buildSwitched(n, false).upload(n)
	s.proof = func(r reading) error { return atLeast("uploads", r.OK, 10) }
	return s
}

// narrowFarEnd has a router's cable end in a device with a smaller MTU, which drops
// what is larger: the router does not know.
func narrowFarEnd(six bool) func(*network) stage {
	return func(n *network) stage {
		w := buildWay(n, six)
		n.mtu(w.serverPort, narrowMTU)
		w.claim(n)
		s := w.upload(n)
		s.proof, s.judge = w.client.counted("TCPTimeouts", 1), judgePath(narrowMTU)
		return s
	}
}

// judgePath holds the MTU that a finding tells against the truth.
func judgePath(truth uint32) func(reading, *Result) []string {
	return func(_ reading, s *Result) []string {
		told := s.first.Trapbpf.MTU
		if told == nil {
			return []string{"the finding tells nothing of sizes"}
		}
		s.note("path MTU told as %d, %d lost; in truth %d", told.Path, told.SmallestLost, truth)
		wrong := expect(nil, "the path MTU", told.Path, truth)
		if told.SmallestLost <= truth {
			wrong = append(wrong, "packets of "+strconv.Itoa(int(told.SmallestLost))+" bytes are said to be lost")
		}
		return wrong
	}
}
