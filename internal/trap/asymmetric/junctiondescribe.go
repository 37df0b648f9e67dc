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

func (d *Detector) describeJunction(k trap.Key, facts *flow.Facts, f *finding.Finding) {
	j, ok := d.junctions.Get(k.Netns)
	if !ok || k.Cause != DefaultRoutes {
		return
	}
	for i := range j.last.Ways {
		if way := &j.last.Ways[i]; j.key(keyOf(way)) == k {
			j.describe(way, facts, f)
			return
		}
	}
}

func (j *junction) describe(way *event.Way, facts *flow.Facts, f *finding.Finding) {
	b := j.weigh(keyOf(way))
	f.Message = fmt.Sprintf("Default routes of one metric: connections by %s on %s are not answered", way.Gateway, way.Iface)
	f.Flow = finding.Flow{
		Source: b.example.source.Addr(), SourcePort: b.example.source.Port(),
		Destination: b.example.destination.Addr(), DestinationPort: b.example.destination.Port(),
		Transport: "tcp", Direction: "egress",
	}
	f.Egress, f.ErrorCode = way.Iface, "ETIMEDOUT"
	f.Symptoms = []string{
		"some connections are made at once, others time out; which is which seems to be chance",
		fmt.Sprintf("%d default routes share metric %d: the kernel may take either", len(j.rank(way)), way.Metric),
	}
	j.describeRoute(facts, f)
	var c trap.Confidence
	j.weighBend(&c, way, b, f)
	c.Into(f)
	j.evidence(way, b, facts, f)
	if b.status == finding.Suspected {
		f.Against = append(f.Against, "the peers may be dead themselves, or what both ways lead to: `ping -I` by each interface tells")
	}
	f.Against = append(f.Against,
		"not counted: SYNs to peers that answer by no way, refused connections, what a narrower route carries",
		"a server that loses SYNs because it is overloaded does so whichever way they come")
	j.fix(way, b, facts, f)
}

// rank gives the ways of the same rank, this one too.
func (j *junction) rank(way *event.Way) []*event.Way {
	var all []*event.Way
	for i := range j.last.Ways {
		if other := &j.last.Ways[i]; other.IPv6 == way.IPv6 && other.Table == way.Table && other.Metric == way.Metric {
			all = append(all, other)
		}
	}
	return all
}

func (j *junction) describeRoute(facts *flow.Facts, f *finding.Finding) {
	f.Route = &finding.Route{}
	routing := facts.Namespace(j.netns).Routing
	if routing == nil {
		return
	}
	for _, r := range routing.Defaults {
		f.Route.Defaults = append(f.Route.Defaults, r.Text)
	}
	f.Route.Rules, f.Route.RPFilterAll = routing.Rules, routing.RPFilterAll
}

func (j *junction) weighBend(c *trap.Confidence, way *event.Way, b bend, f *finding.Finding) {
	c.Add(30, "%d handshakes with %d peers by %s were sent again and not answered", len(b.failures), b.peers, way.Gateway)
	if b.same.IsValid() {
		c.Add(50, "%s answers by %s, and by %s never", b.same, b.other.gateway, way.Gateway)
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s was heard by %s on %s in the same time", b.same, b.other.gateway, b.other.iface))
	}
	if b.absent {
		c.Add(45, "the gateway %s does not answer on its own link", way.Gateway)
		f.Evidence = append(f.Evidence, fmt.Sprintf("neighbour %s dev %s is %s", way.Gateway, way.Iface, way.Neighbour))
	}
	switch {
	case b.heard > 0:
		c.Add(min(5*b.heard, 15), "%d peers answer by the other way", b.heard)
	case b.addrs >= failedAddrs:
		c.Add(15, "not one of %d hosts answers by it, and nothing was sent by the other way", b.addrs)
	}
}

func (j *junction) evidence(way *event.Way, b bend, facts *flow.Facts, f *finding.Finding) {
	for _, one := range j.rank(way) {
		kind := "a route of its own"
		if one.Shared {
			kind = "one hop of several of a route"
		}
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s: via %s dev %s, %s", kind, one.Gateway, one.Iface, one.Text))
	}
	clock := trap.Clock(facts)
	f.Evidence = append(f.Evidence, fmt.Sprintf("%s -> %s: no answer by %s from %s to %s, SYN sent again %d times",
		b.example.source, b.example.destination, way.Gateway, clock(b.since), clock(b.last), b.failures[len(b.failures)-1].resent))
}

// nexthops counts the hops of a route's text, 0 where it has but one.
func nexthops(text string) int { return strings.Count(" "+text, " nexthop ") }

// leadsBy tells whether a route, or one of its hops, is a way.
func leadsBy(r *event.Route, way wayKey) bool {
	if r.Gateway == way.gateway && r.Iface == way.iface {
		return true
	}
	return strings.Contains(r.Text+" ", " via "+inet(way.gateway, r.IPv6)+" dev "+way.iface+" ")
}

func inet(gateway netip.Addr, six bool) string {
	if gateway.Is6() && !six {
		return "inet6 " + gateway.String()
	}
	return gateway.String()
}
