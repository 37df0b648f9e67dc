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

// fix takes the failing way out of the choice, and then tells how to have it back as a
// reserve.
func (j *junction) fix(way *event.Way, b bend, facts *flow.Facts, f *finding.Finding) {
	place := trap.Where(facts, j.netns)
	program := "ip"
	if way.IPv6 {
		program = "ip -6"
	}
	op := finding.RouteOp{Verb: "del", Gateway: way.Gateway, Dev: way.Iface, Table: way.Table, Metric: way.Metric, IPv6: way.IPv6}
	does := "takes the route by " + way.Gateway.String() + " out of the choice"
	var again finding.Op
	if back := op; !way.Shared {
		back.Verb = "append" // of two equal routes an add lets only the first in
		again = back
	} else {
		again = finding.Command{Line: program + " route append default via " + way.Gateway.String() + " dev " + finding.Quote(way.Iface) + hops(nil, way)}
	}
	if way.Shared && !way.IPv6 {
		// Deleting one hop would delete the IPv4 route whole (fib_nh_match): it is replaced.
		op.Verb, again = "replace", finding.Command{Line: program + " route replace " + way.Text}
		left := j.without(way)
		if len(left) > 1 {
			f.Fix = append(f.Fix, place.Look(does, "ip route replace default"+hops(left, way)))
			op = finding.RouteOp{}
		} else if len(left) == 1 {
			op.Gateway, op.Dev = left[0].Gateway, left[0].Iface
		}
	}
	if op.Verb != "" {
		f.Fix = append(f.Fix, place.Do(op, does, "what has no other reserve is without one until the next line is run"))
	}
	reserve := finding.RouteOp{Verb: "add", Gateway: way.Gateway, Dev: way.Iface, Table: way.Table, Metric: way.Metric + reserveMetric, IPv6: way.IPv6}
	f.Fix = append(f.Fix,
		place.Do(reserve, "gives it back as a reserve, ranked behind", "the kernel takes it only once the other route is gone"),
		trap.Note("the cure is at %s: it takes packets and does not deliver them, or is not there at all", way.Gateway),
		trap.Note("where both ways are to be used, what sets the routes must watch that they work: a routing protocol with BFD, keepalived, mwan; a gateway that is gone from its link is passed over with net.ipv4.fib_multipath_use_neigh=1, in a route with several hops"))
	gone := reserve
	gone.Verb = "del"
	f.Undo = append(f.Undo, place.Do(again, "as it was", ""), place.Do(gone, "takes the reserve away", ""))
	f.Persistent = append(f.Persistent, trap.Note("give each default route a metric of its own where it is kept: netplan `metric:`, systemd-networkd `RouteMetric=`, `nmcli connection modify NAME ipv4.route-metric N`, ifupdown `metric N`"))
	to := b.example.destination.Addr()
	if b.same.IsValid() {
		to = b.same.Addr()
	}
	f.Verify = append(f.Verify,
		place.Look("each default must have a metric of its own", program+" route show default"),
		place.Look("must not name "+way.Gateway.String(), program+" route get %s", to))
}

// reserveMetric is how far behind a route is ranked that is kept as a reserve.
const reserveMetric = 100

func (j *junction) without(way *event.Way) []*event.Way {
	var left []*event.Way
	for _, other := range j.rank(way) {
		if other.Text == way.Text && keyOf(other) != keyOf(way) {
			left = append(left, other)
		}
	}
	return left
}

func hops(ways []*event.Way, of *event.Way) string {
	var words strings.Builder
	fmt.Fprintf(&words, " table %d", of.Table)
	if of.Metric != 0 {
		fmt.Fprintf(&words, " metric %d", of.Metric)
	}
	for _, w := range ways {
		fmt.Fprintf(&words, " nexthop via %s dev %s", w.Gateway, finding.Quote(w.Iface))
	}
	return words.String()
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
