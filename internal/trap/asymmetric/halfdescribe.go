// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package asymmetric

import (
	"fmt"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

func (h *half) describe(facts *flow.Facts, f *finding.Finding) {
	v := h.weigh()
	if v.talk == nil {
		return
	}
	known, _ := h.pairs.Get(v.pair)
	h.describeFlow(v, facts, f)
	f.Message = fmt.Sprintf("Asymmetric routing: the firewall sees one direction only of TCP between %s and %s", v.pair.source, v.pair.destination)
	f.Symptoms = []string{
		fmt.Sprintf("TCP connections between %s and %s do not come about: the firewall drops packets of theirs as invalid", v.pair.source, v.pair.destination),
		"the one end repeats its packets and gives up, the other knows of nothing; ping and UDP may well work",
	}
	var c trap.Confidence
	c.Add(40, "a packet filter dropped segments that connection tracking has no entry for, and TCP repeated them")
	h.weighTable(&c, v, known, f)
	h.weighRules(&c, known, f)
	c.Into(f)
	clock := trap.Clock(facts)
	f.Evidence = append(f.Evidence,
		fmt.Sprintf("%s -> %s: %s was dropped %d times from %s to %s",
			v.talk.key.source, v.talk.key.destination, what(v.talk), v.talk.times, clock(v.talk.since), clock(v.talk.last)),
		fmt.Sprintf("%d packets dropped as %s, each with nothing known of its connection", h.drops, byFirewall),
		fmt.Sprintf("connection tracking has called %d packets invalid since this namespace was made, and has %d entries", known.Invalid, known.Entries))
	if h.back != nil && h.back.Found {
		f.Evidence = append(f.Evidence, fmt.Sprintf("route back to %s: %s", h.back.To, h.back.Route.Text))
	}
	f.Against = against(v)
	h.fix(v, known, facts, f)
}

func (h *half) describeFlow(v verdict, facts *flow.Facts, f *finding.Finding) {
	opener, service := v.talk.key.source, v.talk.key.destination
	f.Flow = finding.Flow{
		Source: opener.Addr(), SourcePort: opener.Port(),
		Destination: service.Addr(), DestinationPort: service.Port(),
		Transport: "tcp", Direction: "ingress",
	}
	if h.first.Iface == "" {
		f.Flow.Direction = "egress"
	}
	f.Ingress, f.Egress = h.first.Iface, h.first.OutIface
	f.Route = &finding.Route{
		Ingress: h.first.Iface, Drops: h.drops, DropsPerSecond: max(h.rate.PerSecond(), 0), Reason: byFirewall,
	}
	if h.back != nil {
		f.Route.Back, f.Route.Expected = h.back.Route.Text, h.back.Route.Iface
	}
	if !h.first.SourceMAC.IsZero() {
		f.Route.SourceMAC = h.first.SourceMAC.String()
	}
	routing := facts.Namespace(h.key.Netns).Routing
	if routing == nil {
		return
	}
	f.Route.Rules, f.Route.RPFilterAll = routing.Rules, routing.RPFilterAll
	for _, r := range routing.Defaults {
		f.Route.Defaults = append(f.Route.Defaults, r.Text)
	}
}

func what(t *talk) string {
	if t.answers {
		return "the same SYN-ACK"
	}
	return "the same segment"
}

func (h *half) weighTable(c *trap.Confidence, v verdict, known *event.Firewall, f *finding.Finding) {
	switch {
	case v.row != nil:
		c.Add(50, "the firewall knows the connection as opened and never answered, and yet its opener goes on: the answer went another way")
		f.Evidence = append(f.Evidence, fmt.Sprintf("conntrack has %s -> %s as %s without a reply", v.row.Source, v.row.Destination, v.row.State))
	case known.Unread:
		f.Evidence = append(f.Evidence, "the connection tracking table could not be read whole: that the other half never came by is not proven")
	case v.talk.answers:
		c.Add(30, "they answer a SYN that never came by here: conntrack has no entry of either direction")
		f.Evidence = append(f.Evidence, fmt.Sprintf("conntrack has no connection between %s and %s that was answered", v.pair.source, v.pair.destination))
	default:
		c.Add(10, "conntrack has no entry of either direction, and none of these hosts that was answered")
	}
	if v.alike > 1 {
		c.Add(10, "%d connections of the same two hosts fare alike", v.alike)
	} else if v.row == nil {
		c.Add(5, "TCP repeats it by its own clock, as floods and scans do not")
	}
}

func (h *half) weighRules(c *trap.Confidence, known *event.Firewall, f *finding.Finding) {
	g, ok := h.guard(known)
	switch {
	case !ok:
		f.Evidence = append(f.Evidence, "the rule that drops could not be read: "+known.Blind)
	case g.Invalid:
		c.Add(5, "a rule there drops packets of state invalid")
		f.Evidence = append(f.Evidence, fmt.Sprintf("dropped by %s", guardWords(g)))
	default:
		c.Add(3, "the chain drops what no rule accepts, and its rules ask for the state")
		f.Evidence = append(f.Evidence, fmt.Sprintf("dropped by the policy of %s", guardWords(g)))
	}
}

// guardWords names a chain: "table inet filter, chain forward (hook forward)".
func guardWords(g event.Guard) string {
	if g.Chain == "" {
		return fmt.Sprintf("the iptables of table %s", g.Table)
	}
	return fmt.Sprintf("table %s %s, chain %s (hook %s)", g.Family, g.Table, g.Chain, g.Hook)
}

func against(v verdict) []string {
	lines := []string{
		"not counted: FIN and RST of connections that the firewall has forgotten, segments out of window of one that it knows, packets that came once (scans)",
	}
	switch {
	case v.row != nil:
		return lines
	case v.talk.answers:
		return append(lines, "an attacker who borrows an address of ours makes its victim answer to us: seldom to two ports of one host")
	default:
		return append(lines, "a firewall that was restarted has forgotten its connections: new ones work then")
	}
}
