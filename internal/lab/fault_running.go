// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
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
		build: runOut,
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

const (
	runningPorts = 1000
	runningRate  = 50 // connections a second
)

func runOut(n *network) stage {
	s := shortCallsOver(runningPorts, runningRate)(n)
	s.judge = judgeForecast
	return s
}

// judgeForecast holds the time left that was told against the time there was: the
// rate is steady, so what happened until then tells what would have.
func judgeForecast(_ reading, s *Result) []string {
	ports := s.first.Trapbpf.Ports
	if ports == nil || ports.SecondsLeft == nil {
		return []string{"the forecast tells no time"}
	}
	rate := float64(s.then.OK) / s.after.Seconds()
	truth := (runningPorts - float64(s.then.OK)) / rate
	told := *ports.SecondsLeft
	s.note("forecast: %.1f s left, in truth %.1f s", told, truth)
	if told < truth/2 || told > truth*2 {
		return []string{fmt.Sprintf("the forecast tells of %.1f s left, when there were %.1f s", told, truth)}
	}
	return nil
}

func shortCallsOver(ports, rate int) func(*network) stage {
	return func(n *network) stage {
		d := buildDuo(n, 0)
		d.ports(n, ports, "0")
		return stage{
			traffic: together(n.serve(d.server, answer, at(duoServer)), d.shortCalls(duoServer, rate)),
			proof:   func(r reading) error { return atLeast("answered calls", r.OK, 50) },
			heals:   true,
		}
	}
}
