// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"slices"
	"time"

	"github.com/trapbpf/trapbpf/internal/nearest"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Scenario is a fault that can be made at will, or the innocent twin of one.
type Scenario struct {
	// Name is one word of lower-case letters, digits and dashes.
	Name string
	// Summary says in a line what is wrong, or why nothing is.
	Summary string
	// Trap and Cause are what the agent must find; empty for a twin, where it must
	// stay silent.
	Trap  finding.Trap
	Cause finding.Cause
	// Also are causes that may be told beside Cause: its forerunners.
	Also []finding.Cause
	// TwinOf names the fault that a twin is told from.
	TwinOf string
	// Risk is what an audit may call a risk although the traffic works; empty for
	// nothing.
	Risk finding.Cause
	// Views are the roles of the namespaces that the agent may be confined to, the
	// usual one first, or viewAll.
	Views []string

	// budget is how soon after the first symptom the record must be there; 0
	// where the scenario measures something else.
	budget time.Duration
	// sure is how soon after the first symptom a confirmed record must be there; 0
	// where a suspicion is enough.
	sure time.Duration
	// ahead asks for the record before the first symptom.
	ahead bool
	// ends is true where the fault ends by itself: no fix is run.
	ends bool
	// pasted is true where `fix --apply` refuses, since no step would bring back what was
	// there, or knows no finding: the fix is done as the finding prints it.
	pasted bool
	// undone is true where the fix is taken back at the end although it is not the first
	// scenario of its cause: it has another fix.
	undone bool
	// cut asks to stop the agent as soon as it has found the fault, under load.
	cut bool
	// window is how long a twin's traffic is watched; 0 for twinWindow.
	window time.Duration
	// build makes the namespaces and says what happens in them.
	build func(n *network) stage
}

// stage is a scenario built: what runs in the namespaces and what may be said of it.
type stage struct {
	// traffic is what the hosts do, harm included.
	traffic job
	// proof tells whether the scenario truly happened, agent or no agent.
	proof func(r reading) error
	// obey does what a finding's advice asks of a program or a neighbour; nil
	// where only the kernel is to be mended.
	obey func()
	// again does what makes the fault show itself once its fix is undone, where the traffic
	// by itself does not: a program is started anew. nil where it does.
	again func()
	// judge holds the agent's records against the truth, at the end, and tells
	// what is wrong with them; nil where there is nothing more to compare.
	judge func(r reading, s *Result) []string
	// heals is true where the traffic works again once the fault is mended.
	heals bool
}

// viewAll has the agent see every namespace of the run: both ends and what is
// between them, as on a host of containers.
const viewAll = "all"

const (
	// dropBudget is the promise from a dropped packet to its record.
	dropBudget = time.Second
	// failureBudget is the promise from a failed call to its record.
	failureBudget = 200 * time.Millisecond
	// twinWindow is how long innocent traffic is watched: several times what any
	// fault needs to be found.
	twinWindow = 8 * time.Second
)

// All gives every scenario: each fault, followed by its variants and twins.
func All() []Scenario {
	return slices.Concat(
		rpFilter(), firewalls(), uplinks(), martian(), portsExhausted(), portsRunningOut(),
		bindPool(), liveLeak(), twOverflow(), dropFlood(),
		staleAnswer(), ndots(), answers(), silent(), nameTwins(), hostile(),
		mtuSender(), mtuTwins(), mtuReceiver(), mtuLink(), mtuOverlay(), pmtud(), pmtudEnd(), pmtudTwins(),
	)
}

// Find gives the scenario of that name. The error names the nearest.
func Find(name string) (Scenario, error) {
	all := All()
	best, distance := "", len(name)+1
	for _, s := range all {
		if s.Name == name {
			return s, nil
		}
		if d := nearest.Distance(name, s.Name); d < distance {
			best, distance = s.Name, d
		}
	}
	if best == "" {
		return Scenario{}, fmt.Errorf("no scenario %q: see `trapbpf lab list`", name)
	}
	return Scenario{}, fmt.Errorf("no scenario %q: did you mean %q?", name, best)
}

// Twin tells whether silence is what is expected.
func (s Scenario) Twin() bool { return s.Cause == "" }

// provesUndo tells whether the fix is taken back at the end, so that the fault is found
// again: in the first scenario of each cause whose fix can be, and where that says so.
func (s Scenario) provesUndo() bool {
	if s.undone {
		return true
	}
	for _, first := range All() {
		if first.Cause == s.Cause && !first.ends && !first.cut && !first.pasted {
			return first.Name == s.Name
		}
	}
	return false
}

// expects tells whether an alarm belongs to the scenario.
func (s Scenario) expects(trap finding.Trap, cause finding.Cause) bool {
	if s.Twin() || trap != s.Trap {
		return false
	}
	return cause == s.Cause || slices.Contains(s.Also, cause)
}
