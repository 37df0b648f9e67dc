// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import "github.com/trapbpf/trapbpf/pkg/finding"

// liveLeak is a program that never closes: it runs out of ports with hardly a
// TIME_WAIT, so none of the TIME_WAIT cures helps it.
func liveLeak() []Scenario {
	fault := Scenario{
		Name: "live-leak", Summary: "a program that never closes its connections holds the whole range",
		Trap: finding.TimeWaitExhaustion, Cause: "ports-held-by-live-connections",
		Also:  []finding.Cause{causeRunningOut},
		Views: []string{"client"}, budget: failureBudget,
		build: leak,
	}
	twin := Scenario{
		Name: "live-connections", Summary: "half of the range is in use, by connections that are meant to be",
		TwinOf: fault.Name, Views: fault.Views, build: keepHalf,
	}
	return []Scenario{fault, twin}
}

func leak(n *network) stage {
	// More than the range has, and few enough for the usual limit of open files
	// with both ends in one process.
	s, program := keep(n, 2000)
	program.manners = func(p *pool) { p.size = 10 }
	s.obey = func() { program.reformed.Store(true) }
	s.proof = func(r reading) error { return atLeast("failed connects", r.count("EADDRNOTAVAIL"), 1) }
	s.judge = judgeFailure("EADDRNOTAVAIL", at(duoServer), 300)
	s.heals = true
	return s
}

func keepHalf(n *network) stage {
	s, program := keep(n, 150)
	program.atOnce = true
	s.proof = func(r reading) error { return atLeast("answers", r.OK, 400) }
	return s
}

// keep opens 150 connections a second from 300 ports, up to size of them.
func keep(n *network, size int) (stage, *pool) {
	d := buildDuo(n, 0)
	d.ports(n, 300, "0")
	program := &pool{calls: []caller{callTo(duoServer)}, size: size}
	return stage{
		traffic: together(n.serve(d.server, answer, at(duoServer)), program.run(d.client, "lab-client", 150)),
	}, program
}
