// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package trap holds what a detector is: the part that knows one trap.
//
// A detector is pure. It sees events in stream order, reads the shared tables,
// and tells the desk what it sees; it has no clock, goroutine, file or logger. The
// engine keeps the life cycle: it folds repeats, ranks rivals and writes records.
package trap

import (
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Detector knows one trap.
type Detector interface {
	// Trap is the rule.id that its findings carry.
	Trap() finding.Trap
	// Page is its runbook page, in Markdown: what `trapbpf explain` prints.
	Page() string
	// Needs are the sights it rests on, with what is lost without each.
	Needs() []Need
	// Observe sees one event, after the tables took it in. It must not keep e.
	Observe(e event.Event, d Desk)
	// Tick sees time pass: forecasts, windows, pending questions.
	Tick(now event.Time, d Desk)
	// Describe writes all that the finding says, from the tables and from what the
	// detector kept for the key. The engine calls it only when a record is due.
	// Identity, life-cycle and time fields are the engine's and left alone.
	Describe(k Key, facts *flow.Facts, f *finding.Finding)
	// Forget drops what was kept for a key: its finding is closed.
	Forget(k Key)
}

// Tabled is a detector that keeps tables.
type Tabled interface {
	// Fills tells how full each is, under its name in this detector.
	Fills() []flow.Fill
}

// Need is a sight that a detector rests on.
type Need struct {
	// Sight is a name from the hook table or "facts".
	Sight string
	// Without says what the trap misses where the sight is blind. Vital is true
	// where nothing is left.
	Without string
	Vital   bool
	// Reasons are the drop reasons that it rests on, where the sight is one of drops.
	Reasons []string
}

// Key identifies a finding: same cause, same subject, one finding.
type Key struct {
	Cause   finding.Cause
	Netns   event.Netns
	Subject string
}

// Sighting says that a condition was seen.
type Sighting struct {
	Key Key
	At  event.Time
	// Since is when the condition began, where that was before At; 0 for At.
	Since event.Time
	// New is how many occurrences this sighting adds.
	New uint64
	// Status is Suspected or Confirmed; an engine never takes a confirmation back.
	Status   finding.Status
	Severity finding.Severity
	// Root names the fault behind it; findings of one namespace with the same root
	// are rivals, of which only the highest Rank stays open. "" has no rivals.
	Root string
	Rank int
	// Across tells that findings of other namespaces with the same root are rivals,
	// too: one host sees both ends of its containers' traffic, and the middle.
	Across bool
	// Rests are the kinds of event it rests on: a loss of one marks it lossy.
	Rests []event.Kind
	// Quiet replaces the engine's quiet period where longer; for conditions that
	// show themselves seldom.
	Quiet time.Duration
}

// Desk is what a detector may say and ask.
type Desk interface {
	// See reports that a condition holds.
	See(s Sighting)
	// Mend reports that the condition was seen to be gone: the finding closes
	// with that reason. Without it a finding closes after the quiet period.
	Mend(k Key, at event.Time, reason string)
	// Open tells whether the key has an open finding.
	Open(k Key) bool
	// Want asks for a fact. The answer is an event. Asking again while an answer
	// is under way costs nothing.
	Want(w event.Want)
	// Facts are the shared tables, to read.
	Facts() *flow.Facts
}
