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

// Describe implements trap.Detector.
func (d *Detector) Describe(k trap.Key, facts *flow.Facts, f *finding.Finding) {
	if h, ok := d.halves.Get(k); ok {
		h.describe(facts, f)
		return
	}
	g, ok := d.groups.Get(k)
	if !ok {
		d.describeJunction(k, facts, f)
		return
	}
	g.describeFlow(f)
	g.describeRoute(facts, f)
	if g.byRule() {
		g.describeRule(facts, f)
		return
	}
	if k.Cause == RPFilterStrict {
		g.describeFilter(facts, f)
		g.fixFilter(facts, f)
		return
	}
	g.describeMartian(facts, f)
	g.fixMartian(facts, f)
}

func (g *group) describeFlow(f *finding.Finding) {
	p := g.first.Packet
	f.Flow = finding.Flow{
		Source: p.Source.Addr(), SourcePort: p.Source.Port(),
		Destination: p.Destination.Addr(), DestinationPort: p.Destination.Port(),
		Transport: transport(p.Protocol),
		Direction: "ingress",
	}
	f.Ingress = g.first.Iface
	f.Egress = g.expected()
}

func transport(protocol uint8) string {
	switch protocol {
	case event.ProtocolTCP:
		return "tcp"
	case event.ProtocolUDP:
		return "udp"
	case event.ProtocolICMP:
		return "icmp"
	case event.ProtocolICMPv6:
		return "ipv6-icmp"
	default:
		return ""
	}
}

func (g *group) describeRoute(facts *flow.Facts, f *finding.Finding) {
	f.Route = &finding.Route{
		Ingress:        g.first.Iface,
		Expected:       g.expected(),
		Drops:          g.drops,
		DropsPerSecond: max(g.rate.PerSecond(), 0),
		Reason:         g.first.Reason,
	}
	if !g.first.SourceMAC.IsZero() {
		f.Route.SourceMAC = g.first.SourceMAC.String()
	}
	if g.back != nil {
		f.Route.Back = g.back.Route.Text
	}
	routing := facts.Namespace(g.key.Netns).Routing
	if routing == nil {
		return
	}
	f.Route.RPFilterAll = routing.RPFilterAll
	if iface := g.ingress(facts); iface != nil {
		f.Route.RPFilterInterface, f.Route.RPFilter = iface.RPFilter, iface.Effective
	}
	for _, r := range routing.Defaults {
		f.Route.Defaults = append(f.Route.Defaults, r.Text)
	}
	f.Route.Rules = routing.Rules
}

func (g *group) describeFilter(facts *flow.Facts, f *finding.Finding) {
	source, in := g.first.Packet.Source.Addr(), g.first.Iface
	f.Message = fmt.Sprintf("Asymmetric routing: rp_filter on %s drops packets from %s", in, source)
	f.Symptoms = []string{
		fmt.Sprintf("packets from %s arrive on %s and never reach a socket or the next hop", joinAddrs(g.sources), in),
		"connections from or to these addresses time out, while those that come in by the expected interface work",
	}
	var c trap.Confidence
	g.weighDrop(&c, f)
	g.weighLookup(&c, f)
	g.weighSetting(&c, facts, f)
	if g.reply {
		c.Add(5, "a dropped packet answers something that was sent from here")
	}
	if g.drops >= raiseDrops {
		c.Add(4, "%d drops, not a stray", g.drops)
	}
	c.Into(f)
	f.Evidence = append(f.Evidence, g.counted(f))
	f.Against = append(f.Against,
		"strict mode may be deliberate protection against spoofed sources: then the finding is right about the path and the filter does its duty",
		"not counted: broadcast, multicast and ARP frames, which reverse-path filtering drops harmlessly")
}

func (g *group) weighLookup(c *trap.Confidence, f *finding.Finding) {
	p, r := g.first.Packet, g.first.Reverse
	way := fmt.Sprintf("%s -> %s", p.Destination.Addr(), p.Source.Addr())
	switch {
	case !r.IsZero() && r.Iface != "":
		c.Add(25, "its own lookup of the way back, directly before the drop, names another interface")
		f.Evidence = append(f.Evidence, fmt.Sprintf("the kernel's reverse lookup %s gave %s, the packet came in by %s", way, r.Iface, g.first.Iface))
	case !r.IsZero():
		c.Add(25, "its own lookup of the way back, directly before the drop, found no route")
		f.Evidence = append(f.Evidence, fmt.Sprintf("the kernel's reverse lookup %s found no route (error %d)", way, r.Error))
	case g.back != nil && g.back.Found:
		c.Add(15, "asked afterwards, the route back names another interface")
	default:
		f.Evidence = append(f.Evidence, "the kernel's own reverse lookup was not caught: the route back is not proven")
	}
	if g.back != nil && g.back.Found {
		f.Evidence = append(f.Evidence, fmt.Sprintf("route back to %s: %s", p.Source.Addr(), g.back.Route.Text))
	}
}

func (g *group) weighSetting(c *trap.Confidence, facts *flow.Facts, f *finding.Finding) {
	iface := g.ingress(facts)
	if iface == nil {
		f.Evidence = append(f.Evidence, "rp_filter could not be read in this namespace")
		return
	}
	all := facts.Namespace(g.key.Netns).Routing.RPFilterAll
	f.Evidence = append(f.Evidence, fmt.Sprintf("effective rp_filter on %s is %d = max(all %d, %s %d)",
		iface.Name, iface.Effective, all, iface.Name, iface.RPFilter))
	switch {
	case iface.Effective == modeStrict:
		c.Add(15, "rp_filter on %s is strict", iface.Name)
	case iface.Effective == modeLoose && g.expected() == "":
		c.Add(15, "rp_filter on %s is loose, which still drops where there is no route back at all", iface.Name)
	default:
		c.Add(-20, "rp_filter on %s was not strict when it was read: it changed meanwhile", iface.Name)
	}
}

func (g *group) counted(f *finding.Finding) string {
	text := fmt.Sprintf("%d packets dropped as %s", g.drops, g.first.Reason)
	if f.Route.DropsPerSecond >= 0.05 {
		text += fmt.Sprintf(", %.1f per second", f.Route.DropsPerSecond)
	}
	if !g.first.SourceMAC.IsZero() {
		text += fmt.Sprintf(", sent by the neighbour %s", g.first.SourceMAC)
	}
	return text
}

func joinAddrs(addrs []netip.Addr) string {
	words := make([]string, len(addrs))
	for i, a := range addrs {
		words[i] = a.String()
	}
	return strings.Join(words, ", ")
}
