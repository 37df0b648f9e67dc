// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// puppet is a detector that says what a test tells it to at the next event.
type puppet struct {
	says      func(trap.Desk)
	forgotten []trap.Key
}

func (*puppet) Trap() finding.Trap                               { return finding.AsymmetricRouting }
func (*puppet) Page() string                                     { return "" }
func (*puppet) Needs() []trap.Need                               { return nil }
func (*puppet) Tick(event.Time, trap.Desk)                       {}
func (*puppet) Describe(trap.Key, *flow.Facts, *finding.Finding) {}
func (p *puppet) Forget(k trap.Key)                              { p.forgotten = append(p.forgotten, k) }
func (p *puppet) Observe(e event.Event, d trap.Desk) {
	if p.says != nil && e.Kind() == event.KindHook {
		p.says(d)
	}
}

// stage is an engine with one puppet, and what it wrote.
type stage struct {
	engine  *Engine
	puppet  *puppet
	records []*finding.Record
	now     event.Time
}

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newStage() *stage {
	s := &stage{puppet: &puppet{}}
	s.engine = New([]trap.Detector{s.puppet}, 0, Out{Record: func(r *finding.Record) { s.records = append(s.records, r) }})
	s.engine.Observe(&event.Host{Seed: "seed"})
	s.pass(time.Second)
	return s
}

// pass lets time go by, a tick a second.
func (s *stage) pass(d time.Duration) {
	for end := s.now.Add(d); s.now < end; {
		s.now = s.now.Add(time.Second)
		s.engine.Observe(&event.Tick{Header: event.Header{Time: s.now}, Wall: start.Add(time.Duration(s.now))})
	}
}

func (s *stage) say(says func(trap.Desk)) {
	s.puppet.says = says
	s.engine.Observe(&event.Hook{Header: event.Header{Time: s.now}})
	s.puppet.says = nil
}

func (s *stage) see(sighting trap.Sighting) {
	sighting.At = s.now
	s.say(func(d trap.Desk) { d.See(sighting) })
}

// actions gives what was told so far, as words.
func (s *stage) actions() []string {
	var words []string
	for _, r := range s.records {
		words = append(words, string(r.Action)+" "+r.Reason)
	}
	return words
}

func sighting(cause finding.Cause, status finding.Status) trap.Sighting {
	return trap.Sighting{Key: trap.Key{Cause: cause, Subject: "s"}, New: 1, Status: status, Severity: finding.Medium}
}

func TestRepeatsFoldIntoOneFindingToldEveryTenSeconds(t *testing.T) {
	s := newStage()
	for range 25 {
		s.see(sighting("cause", finding.Confirmed))
		s.pass(time.Second)
	}
	var updates int
	for _, r := range s.records[1:] {
		if r.Action != finding.Updated || r.Alert {
			t.Fatalf("got %s, alert %v", r.Action, r.Alert)
		}
		updates++
	}
	if updates != 2 {
		t.Errorf("%d updates in 25 s, want 2", updates)
	}
	if last := s.records[len(s.records)-1]; last.Count < 20 {
		t.Errorf("count %d was not kept", last.Count)
	}
}

func TestConfirmationIsToldAtOnceAndNeverTakenBack(t *testing.T) {
	s := newStage()
	s.see(sighting("cause", finding.Suspected))
	s.see(sighting("cause", finding.Confirmed))
	s.see(sighting("cause", finding.Suspected))
	s.pass(11 * time.Second)
	if len(s.records) != 3 {
		t.Fatalf("told %v", s.actions())
	}
	confirmed := s.records[1]
	if !confirmed.Alert || confirmed.Status != finding.Confirmed || confirmed.Reason != "confirmed" {
		t.Errorf("second record is %+v", confirmed)
	}
	if s.records[2].Status != finding.Confirmed {
		t.Error("a later suspicion took the confirmation back")
	}
}

func TestRaisedSeverityIsAnAlert(t *testing.T) {
	s := newStage()
	s.see(sighting("cause", finding.Confirmed))
	raised := sighting("cause", finding.Confirmed)
	raised.Severity = finding.High
	s.see(raised)
	if len(s.records) != 2 || !s.records[1].Alert || s.records[1].Severity != finding.High {
		t.Errorf("told %v", s.actions())
	}
}

func TestQuietFindingIsResolvedWithTheSameID(t *testing.T) {
	s := newStage()
	s.see(sighting("cause", finding.Confirmed))
	s.pass(29 * time.Second)
	if len(s.records) != 1 {
		t.Fatalf("resolved early: %v", s.actions())
	}
	s.pass(2 * time.Second)
	last := s.records[len(s.records)-1]
	if last.Action != finding.Closed || last.Status != finding.Resolved || last.Finding.ID != s.records[0].Finding.ID {
		t.Errorf("last record %+v", last)
	}
	if len(s.puppet.forgotten) != 1 || s.engine.Open() != 0 {
		t.Error("the detector was not told to forget")
	}
}

func TestMendedFindingIsResolvedAtOnceWithTheReason(t *testing.T) {
	s := newStage()
	seen := sighting("cause", finding.Confirmed)
	s.see(seen)
	s.say(func(d trap.Desk) { d.Mend(seen.Key, s.now, "mended") })
	if got := s.actions(); len(got) != 2 || got[1] != "finding-resolved mended" {
		t.Errorf("told %v", got)
	}
}

func TestStrongerRivalClosesTheWeakerAndKeepsItClosed(t *testing.T) {
	s := newStage()
	weak, strong := sighting("weak", finding.Suspected), sighting("strong", finding.Confirmed)
	weak.Root, weak.Rank = "root", 1
	strong.Root, strong.Rank = "root", 2
	s.see(weak)
	s.see(strong)
	s.see(weak)
	if len(s.records) != 3 || s.records[1].Action != finding.Closed || s.records[2].Cause != "strong" {
		t.Fatalf("told %v", s.actions())
	}
	if s.engine.Open() != 1 {
		t.Errorf("%d findings open, want the strong one alone", s.engine.Open())
	}
}

func TestRivalsOfAnotherNamespaceAreNoRivals(t *testing.T) {
	s := newStage()
	a, b := sighting("a", finding.Confirmed), sighting("b", finding.Confirmed)
	a.Root, b.Root = "root", "root"
	b.Key.Netns = 7
	s.see(a)
	s.see(b)
	if s.engine.Open() != 2 {
		t.Errorf("%d findings open, want 2", s.engine.Open())
	}
}

func TestFindingsOfAVanishedNamespaceClose(t *testing.T) {
	s := newStage()
	seen := sighting("cause", finding.Confirmed)
	seen.Key.Netns = 7
	s.see(seen)
	s.engine.Observe(&event.Namespace{Header: event.Header{Time: s.now, Netns: 7}, Gone: true})
	if got := s.actions(); len(got) != 2 || got[1] != "finding-resolved the network namespace is gone" {
		t.Errorf("told %v", got)
	}
}

func TestLossOfARestedKindMarksTheFindingLossy(t *testing.T) {
	s := newStage()
	seen := sighting("cause", finding.Confirmed)
	seen.Rests = []event.Kind{event.KindDrop}
	s.see(seen)
	if s.records[0].Lossy {
		t.Error("lossy before anything was lost")
	}
	s.engine.Observe(&event.Loss{Header: event.Header{Time: s.now}, Of: event.KindTick})
	s.see(seen)
	s.pass(11 * time.Second)
	if s.records[1].Lossy {
		t.Error("loss of another kind counted")
	}
	s.engine.Observe(&event.Loss{Header: event.Header{Time: s.now}, Of: event.KindDrop})
	s.see(seen)
	s.pass(11 * time.Second)
	if last := s.records[len(s.records)-1]; !last.Lossy {
		t.Error("a loss went unsaid")
	}
}

func TestOpenFindingsAreBounded(t *testing.T) {
	s := newStage()
	for i := range maxOpen + 10 {
		seen := sighting("cause", finding.Confirmed)
		seen.Key.Netns = event.Netns(i)
		s.see(seen)
	}
	if s.engine.Open() != maxOpen || s.engine.Refused() != 10 {
		t.Errorf("%d open, %d refused", s.engine.Open(), s.engine.Refused())
	}
}

func TestSequenceHasNoGapsAndIDsAreUUIDv7(t *testing.T) {
	s := newStage()
	for i := range 5 {
		seen := sighting("cause", finding.Confirmed)
		seen.Key.Netns = event.Netns(i)
		s.see(seen)
	}
	seen := map[string]bool{}
	for i, r := range s.records {
		if r.Sequence != uint64(i+1) {
			t.Errorf("record %d has sequence %d", i, r.Sequence)
		}
		if len(r.ID) != 36 || r.ID[14] != '7' || seen[r.ID] {
			t.Errorf("id %q", r.ID)
		}
		seen[r.ID] = true
	}
}
