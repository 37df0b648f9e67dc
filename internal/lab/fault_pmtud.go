// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	causeDroppedInbound  = finding.Cause("icmp-dropped-inbound")
	causeDroppedOutbound = finding.Cause("icmp-dropped-outbound")
	causeNotSent         = finding.Cause("icmp-not-sent")
)

// pmtud are routers' errors about too-large packets that do not reach the sender.
func pmtud() []Scenario {
	inbound := Scenario{
		Name: "pmtud-inbound", Summary: "the client's own firewall drops the ICMP errors that tell it the path's MTU",
		Trap: finding.PMTUDFailure, Cause: causeDroppedInbound,
		Views: []string{"client", viewAll}, budget: dropBudget, build: deafClient(false),
	}
	outbound := inbound
	outbound.Name = "pmtud-outbound"
	outbound.Summary = "the router's firewall drops the router's own ICMP errors"
	outbound.Cause = causeDroppedOutbound
	outbound.Views = []string{"router", viewAll}
	outbound.build = muteRouter(false)
	unsent := outbound
	unsent.Name = "pmtud-not-sent"
	unsent.Summary = "the router has no route for its own ICMP errors, and sends none"
	unsent.Cause = causeNotSent
	// That nothing was sent shows in the sender's coming again: twice, by time-outs.
	unsent.budget = suspectBudget
	unsent.build = strandedRouter(false)
	udp := inbound
	udp.Name = "pmtud-udp"
	udp.Summary = "a program whose datagrams may not be fragmented: the firewall drops the ICMP errors about them"
	udp.build = deafDatagrams(false)
	udp6 := udp
	udp6.Name = "pmtud-udp-ipv6"
	udp6.Summary = "the same over IPv6"
	udp6.build = deafDatagrams(true)
	six := []Scenario{inbound, outbound, unsent}
	for i, build := range []func(*network) stage{deafClient(true), muteRouter(true), strandedRouter(true)} {
		six[i].Name += "-ipv6"
		six[i].Summary = "the same over IPv6"
		six[i].build = build
	}
	return []Scenario{inbound, six[0], outbound, six[1], unsent, six[2], udp, udp6}
}

// deafClient drops the errors where they come in.
func deafClient(six bool) func(*network) stage {
	return func(n *network) stage {
		w := buildWay(n, six)
		w.narrow(n, narrowMTU)
		ears := n.drop(w.client, "input", nftables.ChainHookInput, tooBig(six))
		return w.stuckUpload(n, ears)
	}
}

// muteRouter drops them where they leave.
func muteRouter(six bool) func(*network) stage {
	return func(n *network) stage {
		w := buildWay(n, six)
		w.narrow(n, narrowMTU)
		mouth := n.drop(w.router, "output", nftables.ChainHookOutput, tooBig(six))
		return w.stuckUpload(n, mouth)
	}
}

// stuckUpload is an upload that a firewall's drops of errors get stuck.
func (w way) stuckUpload(n *network, wall filter) stage {
	s := w.upload(n)
	s.traffic = together(s.traffic, chatter(w.client, w.web()), wall.watch)
	s.proof, s.judge = wall.proof, judgeSizes(narrowMTU)
	s.again = w.forget
	return s
}

// forget has the client forget the path MTU that it was told: it would hold for ten
// minutes, and for so long nobody missed the errors.
func (w way) forget() {
	family := "ipv4"
	if w.six() {
		family = "ipv6"
	}
	_ = w.client.sysctl("1", family, "route", "flush") // that it has helped shows
}

// strandedRouter has a rule that leaves the router's own packets without a route to
// the client: what it forwards still finds its way.
func strandedRouter(six bool) func(*network) stage {
	return func(n *network) stage {
		w := buildWay(n, six)
		w.narrow(n, narrowMTU)
		rule := w.noWayBack()
		if n.err == nil {
			n.fail(w.router.handle.RuleAdd(rule))
		}
		s := w.upload(n)
		tooLarge := func() (uint64, error) { return w.router.tooLarge(w.six()) }
		s.traffic = together(s.traffic, chatter(w.client, w.web()), counting(tooLarge))
		s.proof = w.proofTooLarge(tooLarge)
		s.obey = func() { _ = w.router.handle.RuleDel(rule) }
		s.judge = judgeSizes(narrowMTU)
		return s
	}
}

// noWayBack is `ip rule add to CLIENT iif lo unreachable`.
func (w way) noWayBack() *netlink.Rule {
	rule := netlink.NewRule()
	rule.Family = unix.AF_INET
	if w.six() {
		rule.Family = unix.AF_INET6
	}
	rule.Dst = prefixOf(w.clientAddr)
	rule.IifName, rule.Priority, rule.Type = "lo", 1, unix.RTN_UNREACHABLE
	return rule
}

// deafDatagrams is a program as QUIC stacks are: it forbids fragments, and sends
// less once it is told how much fits.
func deafDatagrams(six bool) func(*network) stage {
	return func(n *network) stage {
		w := buildWay(n, six)
		w.narrow(n, narrowMTU)
		ears := n.drop(w.client, "input", nftables.ChainHookInput, tooBig(six))
		return stage{
			traffic: together(n.echo(w.server, w.web()), datagrams(w, 1450), ears.watch),
			proof:   ears.proof,
			judge:   judgeSizes(narrowMTU),
			heals:   true,
		}
	}
}
