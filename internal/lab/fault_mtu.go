// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"time"

	"github.com/google/nftables"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	causeDropsLarge   = finding.Cause("path-drops-large-packets")
	causeDropsInbound = finding.Cause("path-drops-large-packets-inbound")
)

// The promises for a black hole, from the first large packet on: time-outs are what
// tells of it, the second comes after 0.6 s at the earliest.
const (
	suspectBudget = 2 * time.Second
	confirmBudget = 5 * time.Second
)

// mtuSender is a client that sends into a router which drops what is large, without
// a word.
func mtuSender() []Scenario {
	fault := Scenario{
		Name: "mtu-sender", Summary: "the client uploads, a router swallows packets over 1400 bytes without a word",
		Trap: finding.MTUBlackhole, Cause: causeDropsLarge,
		Views: []string{"client", viewAll}, budget: suspectBudget, sure: confirmBudget,
		build: swallowedUpload(false),
	}
	six := fault
	six.Name = "mtu-sender-ipv6"
	six.Summary = "the same over IPv6"
	six.build = swallowedUpload(true)
	saved := fault
	saved.Name = "mtu-probing"
	saved.Summary = "the same, and tcp_mtu_probing saves the client by itself: told as of low severity, and resolved"
	saved.budget, saved.sure, saved.ends = 0, 0, true
	saved.build = probingUpload(false)
	saved6, later := saved, fault
	saved6.Name = "mtu-probing-ipv6"
	saved6.Summary = "the same over IPv6"
	saved6.build = probingUpload(true)
	later.Name = "mtu-rerouted"
	later.Summary = "an upload that works, until the path becomes narrower in the middle of it"
	later.build = reroutedUpload
	return []Scenario{fault, six, later, saved, saved6}
}

// swallow has the router drop what is larger than the narrow MTU, in both
// directions and both families.
func (w way) swallow(n *network) filter {
	return n.drop(w.router, "forward", nftables.ChainHookForward, larger(narrowMTU))
}

func swallowedUpload(six bool) func(*network) stage {
	return func(n *network) stage {
		w := buildWay(n, six)
		hole := w.swallow(n)
		s := w.upload(n)
		s.traffic = together(s.traffic, chatter(w.client, w.web()), hole.watch)
		s.proof, s.judge = hole.proof, judgeSizes(narrowMTU)
		return s
	}
}

// probingUpload is a client whose kernel shrinks its segments after three time-outs.
func probingUpload(six bool) func(*network) stage {
	return func(n *network) stage {
		w := buildWay(n, six)
		n.sysctl(w.client, "1", "ipv4", "tcp_mtu_probing")
		hole := w.swallow(n)
		return stage{
			// One connection, since a new one would get stuck anew.
			traffic: together(n.serve(w.server, discard, w.web().String()), steady(w, 20_000), hole.watch),
			proof:   hole.proof,
			judge: func(_ reading, s *Result) []string {
				return expect(nil, "the severity", s.first.Event.Severity, finding.Low)
			},
		}
	}
}

// reroutedUpload carries full packets for two seconds, and then no more: what passed
// before says nothing of the path as it is now.
func reroutedUpload(n *network) stage {
	w := buildWay(n, false)
	shut := func(ctx context.Context, m *meter) error {
		wait(ctx, 2*time.Second)
		hole := w.swallow(n)
		if n.err != nil {
			return n.err
		}
		return hole.watch(ctx, m)
	}
	return stage{
		traffic: together(n.serve(w.server, discard, w.web().String()), steady(w, 60_000), chatter(w.client, w.web()), shut),
		proof:   w.client.counted("TCPTimeouts", 1),
		judge:   judgeSizes(narrowMTU),
	}
}

// upload is a client that pushes to the server, again and again.
func (w way) upload(n *network) stage {
	push := transfers{
		to: w.web(), large: order{up: uploadSize, down: smallSize},
		within: longPatience, pause: 50 * time.Millisecond, hurts: true,
	}
	return stage{
		traffic: together(n.serve(w.server, trade, w.web().String()), push.run(w.client, "lab-upload")),
		heals:   true,
	}
}

// judgeSizes holds the bounds of the path's MTU that a finding tells against the
// truth.
func judgeSizes(truth uint32) func(reading, *Result) []string { //nolint:unparam // reads as what it is where it is called
	return func(_ reading, s *Result) []string {
		told := s.sure.Trapbpf.MTU
		if told == nil {
			return []string{"the finding tells nothing of sizes"}
		}
		s.note("path MTU: at least %d, less than %d, told as %d; in truth %d", told.LargestPassed, told.SmallestLost, told.Path, truth)
		var wrong []string
		if told.LargestPassed > truth {
			wrong = append(wrong, fmt.Sprintf("packets of %d bytes are said to have passed, where %d is the limit", told.LargestPassed, truth))
		}
		if told.SmallestLost <= truth {
			wrong = append(wrong, fmt.Sprintf("packets of %d bytes are said to be lost, where %d pass", told.SmallestLost, truth))
		}
		if told.Path != 0 {
			wrong = expect(wrong, "the path MTU", told.Path, truth)
		}
		return wrong
	}
}
