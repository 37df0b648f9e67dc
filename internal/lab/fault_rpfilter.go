// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"net/netip"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	rpFilterStrict = finding.Cause("rp-filter-strict")
	webPort        = 8080
)

// rpFilter are answers that come in by another interface than the route back uses.
// Strict mode (RFC 3704) takes that for a forged source and drops them in silence.
func rpFilter() []Scenario {
	fault := Scenario{
		Trap: finding.AsymmetricRouting, Cause: rpFilterStrict,
		Views: []string{"client"}, budget: dropBudget,
	}
	strict, all, names, router := fault, fault, fault, fault
	strict.Name = "rp-filter"
	strict.Summary = "answers come back by the second uplink, whose rp_filter is strict"
	strict.build = asymmetry("c-r1", "c-r2", 0, 1)
	all.Name = "rp-filter-all"
	all.Summary = "the same, with strict mode set by conf/all alone"
	all.build = asymmetry("c-r1", "c-r2", 1, 0)
	names.Name = "rp-filter-names"
	names.Summary = "the same, on interfaces whose names need quoting"
	names.build = asymmetry("wan.100", "up$(id);'2", 0, 1)
	router.Name = "rp-filter-router"
	router.Summary = "a router drops what it should forward to the host behind it"
	router.Views = []string{"gateway"}
	router.build = routedAsymmetry
	loose := Scenario{
		Name: "rp-filter-loose", Summary: "the same asymmetry in loose mode: it works",
		TwinOf: strict.Name, Views: fault.Views, build: looseAsymmetry,
	}
	return append([]Scenario{strict, all, names, router, loose}, rpFilterPolicy(fault)...)
}

// asymmetry sets rp_filter to all for conf/all and to each for each uplink.
func asymmetry(name1, name2 string, all, each int) func(*network) stage {
	return func(n *network) stage {
		d := buildDiamond(n, "client", name1, name2)
		d.reversePath(n, all, each)
		s := d.stage(n, d.edge)
		s.judge = d.judgeRoute(all, each)
		return s
	}
}

func routedAsymmetry(n *network) stage {
	d := buildDiamond(n, "gateway", "wan1", "wan2")
	d.reversePath(n, 0, 1)
	s := d.stage(n, d.addLAN(n))
	s.judge = d.judgeRoute(0, 1)
	return s
}

func looseAsymmetry(n *network) stage {
	d := buildDiamond(n, "client", "c-r1", "c-r2")
	d.reversePath(n, 0, 2)
	s := d.stage(n, d.edge)
	s.proof = func(r reading) error { return atLeast("answers", r.OK, 20) }
	return s
}

// stage is a client that asks the server ten times a second.
func (d diamond) stage(n *network, from *space) stage {
	web := netip.AddrPortFrom(netip.MustParseAddr(diamondServer), webPort)
	call := caller{to: web, within: 300 * time.Millisecond}
	client := inside(from, "lab-client", func(ctx context.Context, m *meter) error {
		pace(ctx, 10, 3000, func() { m.attempt(call.call()) })
		return nil
	})
	return stage{
		traffic: together(n.serve(d.server, answer, web.String()), client, d.watchDrops),
		proof: func(reading) error {
			drops, err := d.drops()
			if err != nil {
				return err
			}
			return atLeast("reverse-path drops", drops, 1)
		},
		heals: true,
	}
}

// judgeRoute holds the finding's interfaces and settings against the topology's.
func (d diamond) judgeRoute(all, each int) func(reading, *Result) []string {
	return func(_ reading, s *Result) []string {
		route := s.first.Trapbpf.Route
		if route == nil {
			return []string{"the finding tells nothing of the route"}
		}
		wrong := expect(nil, "the interface of arrival", route.Ingress, d.second.name)
		wrong = expect(wrong, "the interface of the route back", route.Expected, d.first.name)
		wrong = expect(wrong, "the effective rp_filter", route.RPFilter, max(all, each))
		wrong = expect(wrong, "conf/all's rp_filter", route.RPFilterAll, all)
		return expect(wrong, "the interface's rp_filter", route.RPFilterInterface, each)
	}
}

// drops is the kernel's own count of what strict mode dropped at the edge.
func (d diamond) drops() (uint64, error) {
	return d.edge.counter("TcpExt", "IPReversePathFilter")
}

// watchDrops notes when the kernel counted the first drop.
func (d diamond) watchDrops(ctx context.Context, m *meter) error {
	return d.edge.watchCounter("IPReversePathFilter")(ctx, m)
}
