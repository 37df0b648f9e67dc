// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"slices"

	"github.com/trapbpf/trapbpf/internal/firewall"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// checkDefaults looks for default routes that nothing ranks: of the same family,
// table and metric. The kernel takes the one that came first, and after a restart
// perhaps another. Several routers told by IPv6 on one link are meant to be (RFC 4861),
// and next hops of one route share their load.
func checkDefaults(s *scene) (wrong []Result, looked []string) {
	looked = append(looked, fmt.Sprintf("%d routes, %d of them default", s.Routes.Count, len(s.Routes.Defaults)))
	var seen []event.Route
	for _, r := range s.Routes.Defaults {
		if len(looked) < told {
			looked = append(looked, r.Text)
		}
		known := slices.ContainsFunc(seen, func(o event.Route) bool { return sameRank(o, r) })
		seen = append(seen, r)
		if known {
			continue
		}
		if rivals := s.rivals(r); len(rivals) > 1 {
			wrong = append(wrong, s.competing(rivals))
		}
	}
	for _, rule := range s.Rules[:min(len(s.Rules), told)] {
		looked = append(looked, "policy rule "+rule)
	}
	return wrong, looked
}

func sameRank(a, b event.Route) bool {
	return a.IPv6 == b.IPv6 && a.Table == b.Table && a.Metric == b.Metric
}

func (s *scene) rivals(r event.Route) []event.Route {
	var rivals []event.Route
	for _, other := range s.Routes.Defaults {
		sameLink := slices.ContainsFunc(rivals, func(o event.Route) bool { return o.Iface == other.Iface })
		if sameRank(r, other) && (!r.IPv6 || !sameLink) {
			rivals = append(rivals, other)
		}
	}
	return rivals
}

func (s *scene) competing(rivals []event.Route) Result {
	family := familyName(rivals[0].IPv6)
	r := Result{
		Level: Risk, Subject: fmt.Sprintf("%s table %d metric %d", family, rivals[0].Table, rivals[0].Metric),
		Message: fmt.Sprintf("%d %s default routes have the same metric: which one is taken depends on which came first", len(rivals), family),
	}
	for _, one := range rivals {
		r.Evidence = append(r.Evidence, one.Text)
	}
	last := rivals[len(rivals)-1]
	op := finding.RouteOp{Verb: "add", Gateway: last.Gateway, Dev: last.Iface, Table: last.Table, Metric: last.Metric + 100, IPv6: last.IPv6}
	old := finding.RouteOp{Verb: "del", Gateway: last.Gateway, Dev: last.Iface, Table: last.Table, Metric: last.Metric, IPv6: last.IPv6}
	r.Fix = append(r.Fix,
		s.place.Do(op, "ranks the route by "+last.Iface+" behind the other", ""),
		s.place.Do(old, "then takes its unranked copy away", ""))
	gone, back := op, old
	gone.Verb, back.Verb = "del", "append"
	r.Undo = append(r.Undo, s.place.Do(gone, "takes the ranked one away", ""),
		s.place.Do(back, "as it was: of two equal routes only an append lets the second in", ""))
	show := "ip route show table all"
	if last.IPv6 {
		show = "ip -6 route show table all"
	}
	r.Verify = append(r.Verify, s.place.Look("each default must have a metric of its own", show))
	return r
}

// uplinks counts the interfaces that default routes of a family leave by.
func (s *scene) uplinks(six bool) int {
	var names []string
	for _, r := range s.Routes.Defaults {
		if r.IPv6 == six && !slices.Contains(names, r.Iface) {
			names = append(names, r.Iface)
		}
	}
	return len(names)
}

// checkInvalid looks for rules that drop what conntrack calls INVALID, on a host with
// more than one uplink: there the two halves of a talk may take different ways, and
// the half that is seen alone is INVALID. With one uplink such a rule is good custom.
func checkInvalid(s *scene) (wrong []Result, looked []string) {
	if s.rules == nil {
		return nil, nil
	}
	looked = append(looked, fmt.Sprintf("uplinks: %d of IPv4, %d of IPv6; nf_conntrack_tcp_be_liberal %v", s.uplinks(false), s.uplinks(true), s.Settings.BeLiberal))
	for _, v6 := range []bool{false, true} {
		if s.uplinks(v6) < 2 {
			continue
		}
		hooks := []firewall.Hook{firewall.Prerouting, firewall.Input}
		if s.forwards(v6) {
			hooks = []firewall.Hook{firewall.Prerouting, firewall.Forward}
		}
		lone := s.rules.Through(firewall.OneSided, v6, hooks...)
		whole := s.rules.Through(firewall.Data, v6, hooks...)
		if lone.Certain() && whole.Passes && !s.Settings.BeLiberal {
			wrong = append(wrong, s.dropsInvalid(lone.At))
		}
	}
	return wrong, looked
}

func (s *scene) dropsInvalid(at firewall.Place) Result {
	liberal := finding.Sysctl{Key: "net.netfilter.nf_conntrack_tcp_be_liberal", Value: "1"}
	return Result{
		Level: Risk, Subject: chainName(at),
		Message: "packets of connections that are seen one way only are dropped, and this host has more than one uplink",
		Evidence: []string{
			fmt.Sprintf("%s of %s drops what conntrack calls INVALID", at.Rule, chainName(at)),
			"nf_conntrack_tcp_be_liberal is 0",
		},
		Fix: []finding.Step{s.place.Do(liberal, "has conntrack pass segments that are out of its window; a connection that it never saw begin stays INVALID",
			"forged segments get a little further")},
		Undo:       []finding.Step{s.place.Do(finding.Sysctl{Key: liberal.Key, Value: "0"}, "as it was", "")},
		Persistent: s.place.Keep("conntrack", liberal),
		Verify:     []finding.Step{s.place.Look("must not grow any more", "conntrack -S")},
	}
}

func (s *scene) forwards(v6 bool) bool {
	if v6 {
		return s.Settings.Forwards6
	}
	return s.Settings.Forwards
}

func chainName(at firewall.Place) string {
	name := at.Family + " " + at.Table + " " + at.Chain
	if at.Legacy {
		return "iptables-legacy " + name
	}
	return name
}
