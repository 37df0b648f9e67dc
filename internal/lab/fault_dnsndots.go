// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"strings"
	"sync/atomic"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

const causeNdots = finding.Cause("ndots-expansion")

// clusterConf is the resolv.conf that the kubelet writes for a pod, with a company's own
// domain behind.
const clusterConf = `search shop.svc.cluster.local svc.cluster.local cluster.local corp.test
nameserver ` + streetFirst + `
options ndots:5
`

// clusterSearch is its search list.
const clusterSearch = "shop.svc.cluster.local svc.cluster.local cluster.local corp.test"

// ndots is a pod that talks to services outside of its cluster: every lookup goes
// through the search list first.
func ndots() []Scenario {
	fault := Scenario{
		Trap: finding.DNSCaching, Cause: causeNdots,
		Views: []string{"client"}, budget: nameBudget,
	}
	plain, stream, static := fault, fault, fault
	plain.Name = "dns-ndots"
	plain.Summary = "ndots:5 and a cluster's search list: 10 questions for each name outside"
	plain.build = podLookups(clusterConf)
	stream.Name = "dns-ndots-tcp"
	stream.Summary = "the same with a resolver that is asked over TCP (options use-vc)"
	stream.build = podLookups(clusterConf + "options use-vc\n")
	static.Name = "dns-ndots-static"
	static.Summary = "the same in a program that has a search list of its own, with no file to mend"
	static.build = staticLookups
	twin := Scenario{TwinOf: plain.Name, Views: fault.Views}
	suffix, lacks, typing := twin, twin, twin
	suffix.Name = "dns-first-suffix"
	suffix.Summary = "short names that the search list completes: what it is there for"
	suffix.build = quietLookups("web", "db.shop", "cache", "queue.shop")
	lacks.Name = "dns-no-aaaa"
	lacks.Summary = "a name with an A record and no AAAA: an empty answer is no denial"
	lacks.build = quietLookups("web", "static.shop.svc.cluster.local.")
	typing.Name = "dns-mistyped"
	typing.Summary = "one lookup of a name that does not exist goes through the whole search list"
	typing.build = mistyped
	return []Scenario{plain, stream, static, suffix, lacks, typing}
}

// outside are names that no suffix completes.
func outside() []string { return []string{"api.shop.test", "cdn.shop.test", "mail.pay.test"} }

// clusterZone knows the outside and the cluster's own services, which have no IPv6.
func clusterZone() *zone {
	z := newZone()
	for _, name := range append(outside(), "static.shop.svc.cluster.local", "web.shop.svc.cluster.local",
		"cache.shop.svc.cluster.local", "db.shop.svc.cluster.local", "queue.shop.svc.cluster.local") {
		z.set(name, 30, streetNew)
	}
	return z
}

func podLookups(conf string) func(*network) stage {
	return func(n *network) stage {
		s := buildStreet(n)
		var lookups atomic.Uint64
		each := func(m *meter, _ string) {
			if lookups.Add(1) == 2 { // the pattern has been seen for two names
				m.strike()
			}
		}
		return stage{
			traffic: together(n.serveDNS(s.world, clusterZone().reply, streetFirst),
				s.client.lookups(Lookups{ResolvConf: conf, Names: outside(), Rate: 4}, each)),
			proof: func(r reading) error { return atLeast("lookups", r.OK, 6) },
			judge: judgeNdots,
			heals: true,
		}
	}
}

func judgeNdots(_ reading, s *Result) []string {
	doc := s.first
	told := doc.Trapbpf.DNS
	if told == nil {
		return []string{"the finding tells nothing of the lookups"}
	}
	s.note("told: ndots %d, search %s, %.1f questions a lookup", told.Ndots, strings.Join(told.Search, " "), told.QueriesPerLookup)
	wrong := expect(nil, "ndots", told.Ndots, 5)
	wrong = expect(wrong, "the search list", strings.Join(told.Search, " "), clusterSearch)
	if told.QueriesPerLookup < 9 || told.QueriesPerLookup > 10 {
		wrong = expect(wrong, "the number of questions a lookup", told.QueriesPerLookup, 10)
	}
	return wrong
}

// quietLookups are lookups that the search list completes.
func quietLookups(names ...string) func(*network) stage {
	return func(n *network) stage {
		s := buildStreet(n)
		return stage{
			traffic: together(n.serveDNS(s.world, clusterZone().reply, streetFirst),
				s.client.lookups(Lookups{ResolvConf: clusterConf, Names: names, Rate: 5}, nil)),
			proof: func(r reading) error { return atLeast("lookups", r.OK, 25) },
		}
	}
}

// searcher is a program with a resolver of its own, as musl's: each candidate's A and
// AAAA side by side from one socket.
type searcher struct {
	resolver stub
	search   []string
	reformed atomic.Bool
}

func (p *searcher) lookup(name string) error {
	if !p.reformed.Load() {
		for _, suffix := range p.search {
			if _, err := p.resolver.addresses(name + "." + suffix); err == nil {
				return nil
			}
		}
	}
	_, err := p.resolver.addresses(name)
	return err
}

// run looks names up rate times a second; each is told of each lookup that is done.
func (p *searcher) run(s *space, names []string, rate int, each func(m *meter)) job {
	return inside(s, "lab-static", func(ctx context.Context, m *meter) error {
		next := 0
		pace(ctx, rate, rate*300, func() {
			m.attempt(p.lookup(names[next%len(names)]))
			next++
			each(m)
		})
		return nil
	})
}

func staticLookups(n *network) stage {
	s := buildStreet(n)
	program := &searcher{resolver: stubOf(streetFirst6), search: strings.Fields(clusterSearch)}
	var lookups atomic.Uint64
	each := func(m *meter) {
		if lookups.Add(1) == 2 {
			m.strike()
		}
	}
	return stage{
		traffic: together(n.serveDNS(s.world, clusterZone().reply, streetFirst6),
			program.run(s.client, outside(), 4, each)),
		proof: func(r reading) error { return atLeast("lookups", r.OK, 6) },
		obey:  func() { program.reformed.Store(true) },
		heals: true,
	}
}

// mistyped looks up one name that does not exist, once, among those that do.
func mistyped(n *network) stage {
	s := buildStreet(n)
	program := &searcher{resolver: stubOf(streetFirst), search: strings.Fields(clusterSearch)}
	plain := &app{resolver: stubOf(streetFirst), service: outside()[0]}
	once := inside(s.client, "lab-typo", func(ctx context.Context, _ *meter) error {
		_ = program.lookup("ap.shop.test") // it does not exist
		<-ctx.Done()
		return nil
	})
	return stage{
		traffic: together(n.serveDNS(s.world, clusterZone().reply, streetFirst), n.serveAll(s.world, streetNew),
			plain.run(s.client, "lab-app", 5), once),
		proof: func(r reading) error { return atLeast("answered calls", r.OK, 25) },
	}
}
