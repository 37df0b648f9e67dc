// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"net/netip"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// uplinkCause is the cause of flows that fail by one of several default routes.
const uplinkCause = finding.Cause("multiple-default-routes")

// uplinksBudget is the promise for connections that fail by one of several default
// routes: a SYN is sent again after a second, and it takes some to compare.
const uplinksBudget = 8 * time.Second

// uplinks are clients with two uplinks that nothing ranks, one of which loses what it
// is given; and those with whom all is well, or wrong elsewhere.
func uplinks() []Scenario {
	fault := Scenario{Trap: finding.AsymmetricRouting, Cause: uplinkCause, Views: []string{"client"}, budget: uplinksBudget}
	hops, gone, equal := fault, fault, fault
	hops.Name = "uplinks-hops"
	hops.Summary = "a default route with two hops: what takes the one is lost behind its gateway"
	hops.build = lossyHop(false)
	hops6 := hops
	hops6.Name, hops6.Summary, hops6.build = "uplinks-hops-ipv6", "the same over IPv6", lossyHop(true)
	hops6.undone = true // a hop of an IPv6 route is taken out, not the route replaced
	gone.Name = "uplinks-gone"
	gone.Summary = "a default route with two hops, whose one gateway is not there"
	gone.build = goneHop
	equal.Name = "uplinks-equal"
	equal.Summary = "two default routes of one metric: the gateway that is taken delivers nothing"
	equal.undone = true // the route must come back before the other, or the fault does not
	equal.build = lossyRoute
	twin := Scenario{TwinOf: hops.Name, Views: fault.Views, Risk: uplinkCause}
	share, ranked, ruled, dead := twin, twin, twin, twin
	share.Name, share.Summary = "uplinks-share", "a default route with two hops that both work"
	share.build = bothWork(fork.shared)
	ranked.Name, ranked.Summary = "uplinks-ranked", "two default routes of different metric, the first of which works"
	ranked.build = firstWorks
	ruled.Name, ruled.Summary = "uplinks-rule", "two uplinks, each with a table of its own, that both work"
	ruled.build = bothWork(fork.ruled)
	dead.Name, dead.Summary = "uplinks-dead-peers", "two default routes of one metric that both work, and servers that are dead"
	dead.build = deadPeers
	return []Scenario{hops, hops6, gone, equal, share, ranked, ruled, dead}
}

// dials has a client ask each of some servers, several times a second.
func (f fork) dials(from *space, to []netip.AddrPort, source ...netip.Addr) job {
	var jobs []job
	for i, peer := range to {
		call := caller{to: peer, within: 2500 * time.Millisecond}
		if len(source) > 0 {
			call.from = source[i%len(source)]
		}
		jobs = append(jobs, inside(from, "lab-client", func(ctx context.Context, m *meter) error {
			pace(ctx, 4, 1200, func() { m.attempt(call.call()) })
			return nil
		}))
	}
	return together(jobs...)
}

// lost notes that SYNs are lost from the first one on.
func lost(_ context.Context, m *meter) error {
	m.strike()
	return nil
}

// serves answers at all of the fork's addresses.
func (f fork) serves(n *network, peers []netip.AddrPort) job {
	var addrs []string
	for _, peer := range peers {
		addrs = append(addrs, peer.String())
	}
	return n.serve(f.server, answer, addrs...)
}

// fails is the stage of a fork whose first way loses what it is given.
func (f fork) fails(n *network) stage {
	return stage{
		traffic: together(f.serves(n, f.peers), f.dials(f.client, f.peers), lost),
		proof:   func(r reading) error { return atLeast("calls without an answer", r.Failed, 3) },
		judge: func(_ reading, s *Result) []string {
			return expect(nil, "the interface that fails", s.first.Observer.Egress.Interface.Name, f.up1.name)
		},
		heals: true,
	}
}

func lossyHop(six bool) func(*network) stage {
	return func(n *network) stage {
		f := buildFork(n, six)
		f.shared(n)
		f.lossy(n, f.r1)
		return f.fails(n)
	}
}

func goneHop(n *network) stage {
	f := buildFork(n, false)
	f.shared(n)
	n.noAddress(f.r1, "in", f.gateway1+"/24") // its link stays up, as with a switch between
	return f.fails(n)
}

func lossyRoute(n *network) stage {
	f := buildFork(n, false)
	f.equal(n)
	f.lossy(n, f.r1)
	return f.fails(n)
}

// bothWork has a client use both uplinks in the way that is set up.
func bothWork(set func(fork, *network)) func(*network) stage {
	return func(n *network) stage {
		f := buildFork(n, false)
		set(f, n)
		own := []netip.Addr{{}, netip.MustParsePrefix(f.up2.addrs[0]).Addr()}
		return stage{
			traffic: together(f.serves(n, f.peers), f.dials(f.client, f.peers, own...)),
			proof:   func(r reading) error { return atLeast("answers", r.OK, 50) },
		}
	}
}

// firstWorks has the reserve be dead: nothing takes it.
func firstWorks(n *network) stage {
	f := buildFork(n, false)
	f.ranked(n)
	f.lossy(n, f.r2)
	return stage{
		traffic: together(f.serves(n, f.peers), f.dials(f.client, f.peers)),
		proof:   func(r reading) error { return atLeast("answers", r.OK, 50) },
	}
}

// deadPeers has half of the servers answer by no way.
func deadPeers(n *network) stage {
	f := buildFork(n, false)
	f.equal(n)
	alive := f.peers[:forkPeers/2]
	for _, peer := range f.peers[len(alive):] {
		n.noAddress(f.server, "lo", peer.Addr().String()+"/32")
	}
	return stage{
		traffic: together(f.serves(n, alive), f.dials(f.client, f.peers)),
		proof: func(r reading) error {
			if err := atLeast("answers", r.OK, 20); err != nil {
				return err
			}
			return atLeast("calls without an answer", r.Failed, 3)
		},
	}
}
