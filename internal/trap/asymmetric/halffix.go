// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package asymmetric

import (
	"net/netip"
	"strings"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// fix offers what this host itself can do, the least first, and tells which route of
// which other host makes the path symmetric: that is the cure, but not this host's.
func (h *half) fix(v verdict, known *event.Firewall, facts *flow.Facts, f *finding.Finding) {
	place := trap.Where(facts, h.key.Netns)
	routing := facts.Namespace(h.key.Netns).Routing
	h.fixOwnRoute(place, v, routing, f)
	h.fixLoose(place, v, known, f)
	h.fixPass(place, v, known, f)
	h.fixOthers(v, routing, f)
	f.Persistent = append(f.Persistent, trap.Note("a rule of nft lasts until the ruleset is loaded again: write it where that is kept (/etc/nftables.conf, iptables-save, firewalld --direct), once it has proved itself"))
	f.Verify = append(f.Verify,
		place.Look("must list both directions, without [UNREPLIED]", "conntrack -L -p tcp --orig-src %s --orig-dst %s", v.opener(), v.service().Addr()),
		place.Look("invalid= must stand still", "conntrack -S"))
}

// opener is the host that opened the connection, service what it dialled.
func (v verdict) opener() netip.Addr {
	if v.talk.answers {
		return v.talk.key.destination.Addr()
	}
	return v.talk.key.source.Addr()
}

func (v verdict) service() netip.AddrPort {
	if v.talk.answers {
		return v.talk.key.source
	}
	return v.talk.key.destination
}

// fixOwnRoute: at an end of the connection, this host's own packets can be sent the way
// that the other's come, where a gateway on that way is known.
func (h *half) fixOwnRoute(place trap.Place, v verdict, routing *event.Routing, f *finding.Finding) {
	peer := v.pair.source
	if _, own := holder(routing, v.pair.destination); !own || h.back == nil || h.back.Route.Iface == h.first.Iface {
		return
	}
	gateway, ok := gatewayBehind(routing, h.first.Iface, peer.Is6())
	if !ok {
		return
	}
	op := finding.RouteOp{Verb: "replace", Destination: netip.PrefixFrom(peer, peer.BitLen()), Gateway: gateway, Dev: h.first.Iface}
	undo := op
	undo.Verb = "del"
	f.Fix = append(f.Fix, place.Do(op, "sends to "+peer.String()+" by "+h.first.Iface+", where its packets come in, so that one place sees both directions",
		"connections that are open now go on by another path, and may break"))
	f.Undo = append(f.Undo, place.Do(undo, "takes the route back", ""))
}

// fixLoose: a firewall that takes up connections in the middle forgives what it missed.
func (h *half) fixLoose(place trap.Place, v verdict, known *event.Firewall, f *finding.Finding) {
	if known.Loose != 0 || v.talk.answers || v.row != nil {
		return
	}
	key := finding.SysctlKey("net", "netfilter", "nf_conntrack_tcp_loose")
	f.Fix = append(f.Fix, place.Do(finding.Sysctl{Key: key, Value: "1"},
		"lets conntrack take up connections that it sees in the middle (the kernel's default)",
		"a forged segment makes an entry as well: rules must still say who may talk to whom"))
	f.Undo = append(f.Undo, place.Do(finding.Sysctl{Key: key, Value: "0"}, "as it was", ""))
}

// fixPass lets these two hosts' packets through without asking for the state.
func (h *half) fixPass(place trap.Place, v verdict, known *event.Firewall, f *finding.Finding) {
	g, ok := h.guard(known)
	if !ok {
		return
	}
	pass := trap.Pass{Source: v.pair.source, Destination: v.pair.destination, Port: v.service().Port(), Answers: v.talk.answers}
	const does = "lets this direction of these two hosts' connections pass whatever their state, until the routes are mended"
	const risk = "the firewall no longer checks the state of these packets: anybody who can forge them gets them through"
	if g.IPTables || g.Chain == "" {
		f.Fix = append(f.Fix, iptables(place, g, pass, h.hooks()[0], "-I", does))
		f.Undo = append(f.Undo, iptables(place, g, pass, h.hooks()[0], "-D", "takes the rule back"))
		return
	}
	f.Fix = append(f.Fix, place.Do(trap.LetPass(g, pass), does, risk))
	f.Undo = append(f.Undo, place.Do(trap.ForgetPass(g), "takes the rule back", ""))
}

// iptables is the same rule for a chain that iptables wrote, which must not find rules
// in it that it cannot read.
func iptables(place trap.Place, g event.Guard, p trap.Pass, hook, verb, does string) finding.Step {
	program := "iptables"
	if p.Source.Is6() {
		program = "ip6tables"
	}
	chain := g.Chain
	if chain == "" {
		chain = strings.ToUpper(hook)
		program += "-legacy"
	}
	port := "--dport"
	if p.Answers {
		port = "--sport"
	}
	return place.Look(does, program+" -t %s "+verb+" %s -s %s -d %s -p tcp "+port+" %s -j ACCEPT", g.Table, chain, p.Source, p.Destination, p.Port)
}

// fixOthers tells the lasting cures, with this host's addresses in them.
func (h *half) fixOthers(v verdict, routing *event.Routing, f *finding.Finding) {
	sender, other := v.pair.source, v.pair.destination
	if _, own := holder(routing, other); own {
		f.Fix = append(f.Fix, trap.Note("or let the rules treat both interfaces alike: no notrack, and no conntrack zone, for one of them only"))
	} else {
		via := addressOn(routing, h.first.OutIface, other.Is6())
		if via == "" {
			via = "THIS_FIREWALL"
		}
		f.Fix = append(f.Fix,
			trap.Note("the cure: what %s sends to %s passes here, what comes back does not. On %s, or the router before it: ip route replace %s/%d via %s", sender, other, other, sender, sender.BitLen(), via),
			trap.Note("or keep this traffic off this firewall in both directions: whichever box sees it must see both halves"),
			trap.Note("two firewalls that share the traffic must share their state: conntrackd in FTFW mode, with DisableExternalCache where both are active"))
	}
	f.Fix = append(f.Fix, trap.Note("nf_conntrack_tcp_be_liberal helps where both directions pass and segments are only out of window: not here"))
}

// addressOn gives this host's address on an interface, "" where it has none.
func addressOn(routing *event.Routing, name string, six bool) string {
	if routing == nil {
		return ""
	}
	for _, iface := range routing.Interfaces {
		for _, prefix := range iface.Prefixes {
			if a := prefix.Addr(); iface.Name == name && a.Is6() == six && !a.IsLinkLocalUnicast() {
				return a.String()
			}
		}
	}
	return ""
}
