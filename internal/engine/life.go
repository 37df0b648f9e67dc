// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// life is one open finding.
type life struct {
	detector trap.Detector
	id       string
	last     trap.Sighting // the newest, with the strongest status and severity
	first    event.Time
	began    time.Time // first as time of day, fixed: the clocks drift apart
	count    uint64
	told     event.Time // when its last record was written
	untold   bool       // seen again since
	shown    finding.Finding
}

// open begins a finding, unless a rival that explains more is open already. Rivals
// that explain less give way: one fault, one finding.
func (e *Engine) open(d trap.Detector, s trap.Sighting) {
	rivals := e.rivals(s)
	for _, rival := range rivals {
		if rival.last.Rank >= s.Rank {
			return
		}
	}
	if len(e.lives)-len(rivals) >= maxOpen {
		e.refused++
		return
	}
	if s.Since == 0 {
		s.Since = s.At
	}
	l := &life{detector: d, last: s, first: s.Since, began: e.wall(s.Since), count: s.New}
	l.id = e.ids.finding(s.Key, s.At)
	for _, rival := range rivals {
		e.close(rival, s.At, fmt.Sprintf("better explained by %s (finding %s)", s.Key.Cause, l.id))
	}
	e.lives = append(e.lives, l)
	e.byKey[s.Key] = l
	if before, ok := e.recall(s.Key); ok {
		e.resume(l, before)
		return
	}
	e.tell(l, finding.Opened, "first seen", true)
}

func (e *Engine) rivals(s trap.Sighting) []*life {
	if s.Root == "" {
		return nil
	}
	var rivals []*life
	for _, l := range e.lives {
		near := l.last.Key.Netns == s.Key.Netns || l.last.Across && s.Across
		if l.last.Root == s.Root && near {
			rivals = append(rivals, l)
		}
	}
	return rivals
}

// repeat folds a sighting into its open finding. What changes the verdict is told
// at once, what only counts waits for the next round.
func (e *Engine) repeat(l *life, s trap.Sighting) {
	confirms := s.Status == finding.Confirmed && l.last.Status != finding.Confirmed
	raises := s.Severity > l.last.Severity
	if l.last.Status == finding.Confirmed {
		s.Status = finding.Confirmed
	}
	s.Severity = max(s.Severity, l.last.Severity)
	s.At = max(s.At, l.last.At)
	l.last = s
	l.count += s.New
	l.untold = true
	switch {
	case confirms:
		e.tell(l, finding.Updated, "confirmed", true)
	case raises:
		e.tell(l, finding.Updated, "severity raised", true)
	}
}

// age closes what has been quiet for long enough and tells again what lasts: what began
// at once not all at once, else a thousand findings would be a thousand records at one
// moment at every sink, again and again.
func (e *Engine) age(now event.Time) {
	e.ageKept(now)
	room := maxTold
	for _, l := range slices.Clone(e.lives) {
		quiet := max(e.quiet, l.last.Quiet)
		switch {
		case now.Sub(l.last.At) >= quiet:
			e.close(l, now, fmt.Sprintf("not seen for %s", quiet))
		case l.untold && now.Sub(l.told) >= RepeatEvery && room > 0:
			room--
			e.tell(l, finding.Updated, "still seen", false)
		}
	}
}

func (e *Engine) closeNetns(id event.Netns) {
	e.closeKept(func(k keptLife) bool { return k.key.Netns == id }, "the network namespace is gone")
	for _, l := range slices.Clone(e.lives) {
		if l.last.Key.Netns == id {
			e.close(l, e.now, "the network namespace is gone")
		}
	}
}

func (e *Engine) close(l *life, at event.Time, reason string) {
	e.now = max(e.now, at)
	e.tell(l, finding.Closed, reason, false)
	delete(e.byKey, l.last.Key)
	e.lives = slices.DeleteFunc(e.lives, func(other *life) bool { return other == l })
	l.detector.Forget(l.last.Key)
}

// wall gives the time of day of a moment, from the newest clock tick.
func (e *Engine) wall(at event.Time) time.Time {
	clock := e.facts.Clock
	return clock.Wall.Add(at.Sub(clock.Time)).UTC()
}
