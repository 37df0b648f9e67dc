// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// halfBudget is the promise for a connection of which a firewall sees the answers
// only: TCP repeats a SYN-ACK after a second, and not before that can it be told from
// a stray.
const halfBudget = 2500 * time.Millisecond

// firewalls are stateful firewalls that see one direction only of what passes.
func firewalls() []Scenario {
	fault := Scenario{Trap: finding.AsymmetricRouting, Cause: "stateful-firewall-invalid", budget: halfBudget}
	there, back, end := fault, fault, fault
	there.Name = "firewall-half"
	there.Summary = "a stateful firewall sees the questions; the answers take another way"
	there.Views = []string{"r1"}
	there.build = halfSeen("r1")
	back.Name = "firewall-answers"
	back.Summary = "a stateful firewall sees the answers to questions that took another way"
	back.Views = []string{"r2"}
	back.build = halfSeen("r2")
	end.Name = "firewall-end"
	end.Summary = "a host tracks connections on one of two uplinks, and its questions leave by the other"
	end.Views = []string{"client"}
	end.build = halfTracked
	late := Scenario{
		Name: "firewall-late-close", Summary: "FIN and RST of connections that the firewall has forgotten",
		TwinOf: there.Name, Views: there.Views, build: lateClose,
	}
	scan := Scenario{
		Name: "firewall-scan", Summary: "scans and strays that the firewall calls invalid",
		TwinOf: there.Name, Views: there.Views, build: scanned,
	}
	window := Scenario{
		Name: "firewall-out-of-window", Summary: "segments out of window of connections that the firewall knows",
		TwinOf: there.Name, Views: there.Views, build: outOfWindow,
	}
	closed := Scenario{
		Name: "firewall-closed-port", Summary: "a port that the firewall's rules keep shut, beside one that is open",
		TwinOf: there.Name, Views: there.Views, build: closedPort,
	}
	astray := Scenario{
		Name: "firewall-rpfilter", Summary: "a firewall rule drops what comes in by another interface than leads back",
		Trap: fault.Trap, Cause: rpFilterStrict, Views: end.Views, budget: dropBudget, build: strayedDropped,
	}
	return append([]Scenario{there, back, end, astray, late, scan, window, closed}, firewalls6(fault, astray)...)
}

// web is the diamond's server as its clients dial it.
func diamondWeb() netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(diamondServer), webPort)
}

// guarded makes one of the diamond's routers a stateful firewall.
func guarded(n *network, s *space) *wall {
	w := n.wall(s)
	w.chain("forward", nftables.ChainHookForward, nftables.ChainPriorityFilter, counted(stateInvalid()))
	return w
}

// calls has a client ask the server ten times a second.
func (d diamond) calls(n *network) job {
	call := caller{to: diamondWeb(), within: 1500 * time.Millisecond}
	client := inside(d.edge, "lab-client", func(ctx context.Context, m *meter) error {
		pace(ctx, 10, 3000, func() { m.attempt(call.call()) })
		return nil
	})
	return together(n.serve(d.server, answer, diamondWeb().String()), client)
}

// halfSeen puts the firewall on the way there (r1) or on the way back (r2).
func halfSeen(role string) func(*network) stage {
	return func(n *network) stage {
		d := buildDiamond(n, "client", "c-r1", "c-r2")
		w := guarded(n, n.find(role))
		return stage{
			traffic: together(d.calls(n), w.watch),
			proof:   w.proof,
			judge:   judgeHalf(role),
			heals:   true,
		}
	}
}

// judgeHalf holds the finding's direction and interface against the topology's.
func judgeHalf(role string) func(reading, *Result) []string {
	return func(_ reading, s *Result) []string {
		doc := s.first
		source, destination, in := diamondEdge1, diamondServer, "r1-edge"
		if role == "r2" {
			source, destination, in = diamondServer, diamondEdge1, "r2-s"
		}
		wrong := expect(nil, "the source", doc.Source.IP, netip.MustParseAddr(source))
		wrong = expect(wrong, "the destination", doc.Destination.IP, netip.MustParseAddr(destination))
		return expect(wrong, "the interface of arrival", doc.Observer.Ingress.Interface.Name, in)
	}
}

// halfTracked keeps what leaves by the first uplink out of connection tracking, as
// rules for speed do: what comes back by the second answers nothing that is known.
func halfTracked(n *network) stage {
	d := buildDiamond(n, "client", "c-r1", "c-r2")
	n.route(n.find("r2"), "10.61.3.0/24", "10.61.4.2", 0) // r2 leads there as well
	w := n.wall(d.edge)
	w.chain("fast", nftables.ChainHookOutput, nftables.ChainPriorityRaw, untracked(d.first.name))
	w.chain("input", nftables.ChainHookInput, nftables.ChainPriorityFilter, counted(stateInvalid()))
	return stage{
		traffic: together(d.calls(n), w.watch),
		proof:   w.proof,
		heals:   true,
	}
}

// strayedDropped has a rule of the edge's firewall do what rp_filter does.
func strayedDropped(n *network) stage {
	d := buildDiamond(n, "client", "c-r1", "c-r2")
	n.route(n.find("r2"), "10.61.3.0/24", "10.61.4.2", 0) // r2 leads there as well
	w := n.wall(d.edge)
	w.chain("strayed", nftables.ChainHookPrerouting, nftables.ChainPriorityRaw, counted(strayed(false)))
	return stage{traffic: together(d.calls(n), w.watch), proof: w.proof, heals: true}
}

// symmetric makes the diamond's server answer by r1, so that r1 sees both directions.
func (d diamond) symmetric(n *network) {
	n.route(d.server, "10.61.1.0/24", "10.61.3.1", 0)
}
