// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package traptest is the desk that detectors' unit tests speak to: it keeps what
// they say, and takes facts in as the engine does.
package traptest

import (
	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Desk keeps what a detector said.
type Desk struct {
	// Sightings are all of them, in order; Mended the reasons by key.
	Sightings []trap.Sighting
	Mended    map[trap.Key]string
	Wants     []event.Want
	Tables    *flow.Facts

	detector trap.Detector
	open     map[trap.Key]bool
}

// New gives a desk for one detector.
func New(d trap.Detector) *Desk {
	return &Desk{Mended: map[trap.Key]string{}, Tables: flow.NewFacts(), detector: d, open: map[trap.Key]bool{}}
}

// Feed shows events to the tables and the detector, as the engine does; a tick
// ticks.
func (d *Desk) Feed(events ...event.Event) {
	for _, e := range events {
		d.Tables.Take(e)
		d.detector.Observe(e, d)
		if tick, ok := e.(*event.Tick); ok {
			d.detector.Tick(tick.Time, d)
		}
	}
}

// Causes gives the causes seen, each once, in order.
func (d *Desk) Causes() []finding.Cause {
	var causes []finding.Cause
	known := map[finding.Cause]bool{}
	for _, s := range d.Sightings {
		if !known[s.Key.Cause] {
			known[s.Key.Cause] = true
			causes = append(causes, s.Key.Cause)
		}
	}
	return causes
}

// Last gives the newest sighting of a cause, and whether there is one.
func (d *Desk) Last(c finding.Cause) (trap.Sighting, bool) {
	for i := len(d.Sightings) - 1; i >= 0; i-- {
		if d.Sightings[i].Key.Cause == c {
			return d.Sightings[i], true
		}
	}
	return trap.Sighting{}, false
}

// Describe gives what the detector says of a key now.
func (d *Desk) Describe(k trap.Key) finding.Finding {
	var f finding.Finding
	d.detector.Describe(k, d.Tables, &f)
	return f
}

// See implements trap.Desk.
func (d *Desk) See(s trap.Sighting) {
	d.Sightings = append(d.Sightings, s)
	d.open[s.Key] = true
}

// Mend implements trap.Desk.
func (d *Desk) Mend(k trap.Key, _ event.Time, reason string) {
	if !d.open[k] {
		return
	}
	delete(d.open, k)
	d.Mended[k] = reason
	d.detector.Forget(k)
}

// Open implements trap.Desk.
func (d *Desk) Open(k trap.Key) bool { return d.open[k] }

// Want implements trap.Desk.
func (d *Desk) Want(w event.Want) { d.Wants = append(d.Wants, w) }

// Facts implements trap.Desk.
func (d *Desk) Facts() *flow.Facts { return d.Tables }
