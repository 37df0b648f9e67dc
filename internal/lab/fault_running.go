// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// portsRunningOut is the same client before anything fails: the forecast must come
// while there is still time to act.
func portsRunningOut() []Scenario {
	fault := Scenario{
		Name: "ports-running-out", Summary: "steady growth: 1000 ports are gone in 20 s, nothing has failed yet",
		Trap: finding.TimeWaitExhaustion, Cause: causeRunningOut,
		Views: []string{"client"}, ahead: true,
		build: shortCallsOver(1000, 50),
	}
	// A TIME_WAIT lasts 60 s, so 6 connections a second level off at 360 of 600
	// ports. A straight line through the growth says otherwise from the 40th
	// second on: the window outlasts it.
	steady := Scenario{
		Name: "ports-steady", Summary: "a rate whose TIME_WAITs level off at 60 % of the range",
		TwinOf: fault.Name, Views: fault.Views, window: 70 * time.Second,
		build: shortCallsOver(600, 6),
	}
	return []Scenario{fault, steady}
}

func shortCallsOver(ports, rate int) func(*network) stage {
	return func(n *network) stage {
		d := buildDuo(n, 0)
		d.ports(n, ports, "0")
		return stage{
			traffic: together(serve(d.server, answer, at(duoServer, webPort)), d.shortCalls(duoServer, rate)),
			proof:   func(r reading) error { return atLeast("answered calls", r.OK, 50) },
			heals:   true,
		}
	}
}
