// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package engine turns events into findings: it keeps the shared tables, shows
// every event to every detector, folds repeats of one cause and subject, ranks
// rival explanations and keeps the life cycle opened, updated, resolved.
//
// It is pure: no goroutine, clock, file or logger. The same events give the same
// records, byte for byte, because record and finding ids are computed from the
// run's seed. An Engine is not safe for concurrent use.
package engine

import (
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Periods of the life cycle.
const (
	// DefaultQuiet is how long a condition must not show before its finding is
	// resolved, unless the condition was seen to be gone earlier.
	DefaultQuiet = 30 * time.Second
	// RepeatEvery bounds how often a lasting finding is told again.
	RepeatEvery = 10 * time.Second
	// maxOpen bounds the open findings: beyond it new ones are counted, not opened.
	maxOpen = 1000
	// maxTold bounds the findings that are told again at one tick of the clock, of which
	// there are four a second.
	maxTold = 100
)

// Out is where an engine's answers go. Both are called from Observe.
type Out struct {
	// Record gets each record; it is the callee's to keep.
	Record func(*finding.Record)
	// Want gets the questions about the host; nil where nobody answers (replay).
	Want func(event.Want)
}

// Engine is the middle of the street.
type Engine struct {
	quiet    time.Duration
	out      Out
	facts    *flow.Facts
	seats    []seat
	lives    []*life // open findings, oldest first
	byKey    map[trap.Key]*life
	kept     []keptLife // findings of an earlier run that nothing was seen of yet
	now      event.Time
	ids      ids
	sequence uint64
	refused  uint64
}

// seat is a detector with the desk it speaks to.
type seat struct {
	detector trap.Detector
	desk     desk
}

// New gives an engine over detectors, which it owns from then on. A quiet period
// of 0 means DefaultQuiet.
func New(detectors []trap.Detector, quiet time.Duration, out Out) *Engine {
	if quiet == 0 {
		quiet = DefaultQuiet
	}
	e := &Engine{quiet: quiet, out: out, facts: flow.NewFacts(), byKey: map[trap.Key]*life{}}
	e.seats = make([]seat, len(detectors))
	for i, d := range detectors {
		e.seats[i] = seat{detector: d, desk: desk{engine: e, detector: d}}
	}
	return e
}

// Observe takes one event in and writes the records that follow from it. It keeps
// no reference to the event.
func (e *Engine) Observe(ev event.Event) {
	e.now = max(e.now, ev.Head().Time)
	e.facts.Take(ev)
	switch ev := ev.(type) {
	case *event.Host:
		e.ids.seed = ev.Seed
	case *event.Namespace:
		if ev.Gone {
			e.closeNetns(ev.Netns)
		}
	case *event.Kept:
		e.adopt(ev)
	}
	for i := range e.seats {
		e.seats[i].detector.Observe(ev, &e.seats[i].desk)
	}
	if tick, ok := ev.(*event.Tick); ok {
		e.tick(tick.Time)
	}
}

func (e *Engine) tick(now event.Time) {
	for i := range e.seats {
		e.seats[i].detector.Tick(now, &e.seats[i].desk)
	}
	e.age(now)
}

// Open counts the open findings.
func (e *Engine) Open() int { return len(e.lives) }

// Netns gives the namespaces of the open findings, oldest finding first.
func (e *Engine) Netns() []event.Netns {
	netns := make([]event.Netns, len(e.lives))
	for i, l := range e.lives {
		netns[i] = l.last.Key.Netns
	}
	return netns
}

// Refused counts findings that were not opened because too many were.
func (e *Engine) Refused() uint64 { return e.refused }

// Facts are the engine's tables, to read between calls of Observe.
func (e *Engine) Facts() *flow.Facts { return e.facts }
