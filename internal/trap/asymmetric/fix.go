// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package asymmetric

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// firstTable is where the tables that a fix proposes begin: clear of the kernel's
// own (253 to 255) and of the small numbers that people give by hand.
const firstTable = 1000

// fixFilter offers loose mode for the one interface, and beside it the routes that
// make the paths symmetric again. Where there is no route back at all, loose mode
// drops as strict mode does (fib_validate_source), and only a route helps.
func (g *group) fixFilter(facts *flow.Facts, f *finding.Finding) {
	place := trap.Where(facts, g.key.Netns)
	iface := g.ingress(facts)
	if g.lookedUp() && g.expected() == "" {
		g.fixMissingRoute(place, f)
	} else {
		g.fixLoose(place, iface, f)
		g.fixPolicyRoute(place, facts, f)
	}
	g.fixMark(facts, f)
	g.verifyFilter(place, f)
}

// fixMark: where a firewall's marks choose routes, the reverse lookup goes without them
// unless it is told to heed them (fib_validate_source, IN_DEV_SRC_VMARK).
func (g *group) fixMark(facts *flow.Facts, f *finding.Finding) {
	routing, iface := facts.Namespace(g.key.Netns).Routing, g.ingress(facts)
	if routing == nil || iface == nil || iface.SrcValidMark {
		return
	}
	for _, rule := range routing.Rules {
		if strings.Contains(rule, "fwmark") {
			f.Fix = append(f.Fix, trap.Note("or, if these belong to what `%s` steers: give them the mark before they are routed (prerouting: meta mark set ct mark) and set net.ipv4.conf.%s.src_valid_mark=1", rule, g.first.Iface))
			return
		}
	}
}

func (g *group) fixLoose(place trap.Place, iface *event.Interface, f *finding.Finding) {
	key := finding.SysctlKey("net", "ipv4", "conf", g.first.Iface, "rp_filter")
	op := finding.Sysctl{Key: key, Value: strconv.Itoa(modeLoose)}
	f.Fix = append(f.Fix, place.Do(op,
		"loose mode on "+g.first.Iface+" alone: a source needs a route, by whichever interface (RFC 3704, section 2.4)",
		"spoofed sources that have a route are no longer dropped on "+g.first.Iface))
	f.Persistent = append(f.Persistent, place.Keep("rp-filter", op)...)
	if iface != nil {
		undo := finding.Sysctl{Key: key, Value: strconv.Itoa(iface.RPFilter)}
		f.Undo = append(f.Undo, place.Do(undo, "as it was", ""))
	}
}

// fixPolicyRoute keeps strict mode and makes answers leave by the interface that
// the questions come in by: only for traffic to an address of this host, and where
// a gateway behind that interface is known.
func (g *group) fixPolicyRoute(place trap.Place, facts *flow.Facts, f *finding.Finding) {
	routing := facts.Namespace(g.key.Netns).Routing
	local := g.first.Packet.Destination.Addr()
	if _, ok := holder(routing, local); !ok {
		return
	}
	gateway, ok := gatewayBehind(routing, g.first.Iface, local.Is6())
	if !ok {
		return
	}
	table := firstTable + g.first.Ifindex
	route := finding.RouteOp{Verb: "replace", Gateway: gateway, Dev: g.first.Iface, Table: table}
	rule := finding.RuleOp{Verb: "add", From: netip.PrefixFrom(local, local.BitLen()), Table: table}
	f.Fix = append(f.Fix,
		place.Do(route, fmt.Sprintf("or keep strict mode: a table of its own for what leaves by %s", g.first.Iface), "needs the next line too"),
		place.Do(rule, fmt.Sprintf("sends what leaves from %s by that table, so that both directions use %s", local, g.first.Iface), ""))
	f.Undo = append(f.Undo,
		place.Do(finding.RuleOp{Verb: "del", From: rule.From, Table: table}, "takes the rule back", ""),
		place.Do(finding.RouteOp{Verb: "del", Gateway: gateway, Dev: g.first.Iface, Table: table}, "takes the route back", ""))
}

// holder gives the interface that has an address of this host.
func holder(routing *event.Routing, a netip.Addr) (iface string, ok bool) {
	if routing == nil {
		return "", false
	}
	for _, iface := range routing.Interfaces {
		for _, prefix := range iface.Prefixes {
			if prefix.Addr() == a {
				return iface.Name, true
			}
		}
	}
	return "", false
}

func gatewayBehind(routing *event.Routing, iface string, six bool) (netip.Addr, bool) {
	if routing == nil {
		return netip.Addr{}, false
	}
	for _, r := range routing.Defaults {
		if r.Iface == iface && r.Gateway.IsValid() && r.IPv6 == six && r.Gateway.Is6() == six {
			return r.Gateway, true
		}
	}
	return netip.Addr{}, false
}

func (g *group) fixMissingRoute(place trap.Place, f *finding.Finding) {
	source := g.first.Packet.Source.Addr()
	op := finding.RouteOp{
		Verb:        "replace",
		Destination: netip.PrefixFrom(source, source.BitLen()),
		Dev:         g.first.Iface,
	}
	undo := op
	undo.Verb = "del"
	f.Fix = append(f.Fix, place.Do(op, "gives the source a route back by the interface it comes in by",
		"assumes that it is a direct neighbour: where a router stands between, add `via ROUTER`"))
	f.Undo = append(f.Undo, place.Do(undo, "takes the route back", ""))
	f.Persistent = append(f.Persistent, trap.Note("keep the route where this host's routes are kept: netplan, systemd-networkd, NetworkManager"))
}

func (g *group) verifyFilter(place trap.Place, f *finding.Finding) {
	p := g.first.Packet
	f.Verify = append(f.Verify,
		place.Look("must print a route, not an error", "ip route get %s from %s iif %s",
			p.Destination.Addr(), p.Source.Addr(), g.first.Iface),
		place.Look("must not grow any more", "nstat -az TcpExtIPReversePathFilter"))
}
