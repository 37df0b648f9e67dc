// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package asymmetric

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// A firewall can do what rp_filter does, for IPv6 too: nftables' "fib saddr . iif oif
// missing drop", iptables' rpfilter match. Its drop has no reason of its own, and the
// kernel looks up the way back for other purposes as well: so it is told only where
// such a rule was read in the namespace, and the way back asked anew disagrees.

// byRule tells that a firewall's rule dropped, not rp_filter.
func (g *group) byRule() bool { return g.first.Reason == byFirewall }

// knowsStray tells whether a bare count belongs to packets that a rule for the way back
// dropped.
func (d *Detector) knowsStray(e *event.Drop) bool {
	if e.Sampled {
		return false
	}
	_, ok := d.groups.Get(trap.Key{Cause: RPFilterStrict, Netns: e.Netns, Subject: subject(RPFilterStrict, e)})
	return ok
}

// rule gives the chain with the rule, where one was read.
func (g *group) rule(facts *flow.Facts) (event.Guard, bool) {
	known := facts.Namespace(g.key.Netns).Firewall
	if known == nil {
		return event.Guard{}, false
	}
	for _, guard := range known.Guards {
		if guard.ReversePath && guard.Sees(g.first.Packet.Source.Addr().Is6(), "prerouting", "input", "forward") {
			return guard, true
		}
	}
	return event.Guard{}, false
}

// ruled tells whether the rule, and not another of the firewall's, dropped the packets:
// the way back does not leave by the interface that they came in by, nor does one of
// its several hops.
func (g *group) ruled(facts *flow.Facts) bool {
	if _, ok := g.rule(facts); !ok || g.back == nil {
		return false
	}
	return !g.back.Found || !leavesBy(g.back.Route, g.first.Iface)
}

func leavesBy(r event.Route, iface string) bool {
	return r.Iface == iface || strings.Contains(r.Text+" ", " dev "+iface+" ")
}

func (g *group) describeRule(facts *flow.Facts, f *finding.Finding) {
	source, in := g.first.Packet.Source.Addr(), g.first.Iface
	f.Message = fmt.Sprintf("Asymmetric routing: a firewall rule for the way back on %s drops packets from %s", in, source)
	f.Symptoms = []string{
		fmt.Sprintf("packets from %s arrive on %s and never reach a socket or the next hop", joinAddrs(g.sources), in),
		"no rp_filter is at work, and no counter of the kernel's grows: the firewall's own does",
	}
	var c trap.Confidence
	c.Add(45, "a packet filter dropped them, and has a rule that drops what comes in by another interface than leads back")
	g.weighLookup(&c, f)
	c.Add(20, "asked anew, the way back does not leave by %s", in)
	c.Doubt(&g.first, f)
	c.Into(f)
	if guard, ok := g.rule(facts); ok {
		f.Evidence = append(f.Evidence, "the rule is in "+guardWords(guard))
	}
	f.Evidence = append(f.Evidence, g.counted(f))
	f.Against = append(f.Against, "the rule may be deliberate protection against spoofed sources: then the finding is right about the path and the rule does its duty")
	g.fixRule(facts, f)
}

// fixRule leads the way back through the interface that the packets come in by.
func (g *group) fixRule(facts *flow.Facts, f *finding.Finding) {
	place := trap.Where(facts, g.key.Netns)
	routing := facts.Namespace(g.key.Netns).Routing
	source, in := g.first.Packet.Source.Addr(), g.first.Iface
	op := finding.RouteOp{Verb: "replace", Destination: netip.PrefixFrom(source, source.BitLen()), Dev: in}
	risk := "assumes that it is a direct neighbour: where a router stands between, add `via ROUTER`"
	if gateway, ok := gatewayBehind(routing, in, source.Is6()); ok {
		op.Gateway, risk = gateway, "what this host sends there takes that way, too"
	}
	undo := op
	undo.Verb = "del"
	f.Fix = append(f.Fix,
		place.Do(op, "leads the way back to "+source.String()+" by "+in, risk),
		trap.Note("or loosen the rule: `fib saddr oif missing drop` asks for any way back (iptables: rpfilter --loose; firewalld: IPv6_rpfilter=loose in firewalld.conf)"),
		trap.Note("or let %s pass before it: `iifname %s accept`", in, finding.Quote(in)))
	f.Undo = append(f.Undo, place.Do(undo, "takes the route back", ""))
	f.Persistent = append(f.Persistent, trap.Note("keep the route where this host's routes are kept: netplan, systemd-networkd, NetworkManager"))
	program := "ip"
	if source.Is6() {
		program = "ip -6"
	}
	f.Verify = append(f.Verify, place.Look("must name "+in, program+" route get %s from %s", source, g.first.Packet.Destination.Addr()))
}

// unruled: the rule is gone, or the way back leaves by the right interface now.
func (g *group) unruled(facts *flow.Facts) (string, bool) {
	known := facts.Namespace(g.key.Netns).Firewall
	if _, ok := g.rule(facts); !ok && known != nil && known.Blind == "" && known.Time > g.last {
		return "no rule drops for the way back any more, and nothing was dropped since", true
	}
	if g.back != nil && g.back.Time > g.last && g.back.Found && leavesBy(g.back.Route, g.first.Iface) {
		return fmt.Sprintf("the way back leaves by %s now, and nothing was dropped since", g.first.Iface), true
	}
	return "", false
}
