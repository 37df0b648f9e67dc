// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
)

func TestFullTableForgetsTheLeastLatelyPut(t *testing.T) {
	table := NewTable[int, int](3)
	for i := range 3 {
		table.Put(i, 10*i)
	}
	table.Put(0, 5)
	table.Put(9, 90)
	if _, ok := table.Get(1); ok || table.Evicted() != 1 || table.Len() != 3 {
		t.Errorf("kept %v, evicted %d", slices.Collect(table.All), table.Evicted())
	}
	if got := slices.Collect(table.All); !slices.Equal(got, []int{20, 5, 90}) {
		t.Errorf("walked %v", got)
	}
}

func TestCountsGiveWhatIsNew(t *testing.T) {
	const s = event.Time(time.Second)
	counts := NewCounts[string](4)
	for _, c := range []struct {
		count uint64
		at    event.Time
		want  uint64
	}{
		{1, s, 1}, {100, s + 1, 99}, {50, s + 2, 0}, {100, s + 3, 0}, {101, 2 * s, 1},
		{3, 60 * s, 3}, // rested: the kernel's row began again
		{5, 61 * s, 2},
	} {
		if got := counts.Advance("key", c.count, c.at); got != c.want {
			t.Errorf("Advance(%d at %d) = %d, want %d", c.count, c.at, got, c.want)
		}
	}
}

func TestRateIsTheSlopeOfTheLastSamples(t *testing.T) {
	var r Rate
	if r.PerSecond() != 0 || r.Span() != 0 {
		t.Error("a rate without samples")
	}
	for i := range 20 {
		r.Add(event.Time(i)*event.Time(time.Second), float64(50*i))
	}
	if got := r.PerSecond(); math.Abs(got-50) > 1e-6 {
		t.Errorf("rate %v, want 50", got)
	}
	if r.Span() != (rateSamples-1)*time.Second {
		t.Errorf("span %v", r.Span())
	}
	r.Add(19*event.Time(time.Second), 0) // no newer: replaces
	if r.Span() != (rateSamples-1)*time.Second {
		t.Error("a sample that is not newer was added")
	}
}

func TestFactsKeepCopies(t *testing.T) {
	facts := NewFacts()
	e := &event.PortSettings{Header: event.Header{Netns: 7}, Low: 1000}
	facts.Take(e)
	e.Low = 1
	if got := facts.Namespace(7).Settings.Low; got != 1000 {
		t.Errorf("the source's reuse of its event changed a fact to %d", got)
	}
	facts.Take(&event.Namespace{Header: event.Header{Netns: 7}, Gone: true})
	if facts.Namespace(7).Settings != nil {
		t.Error("a namespace that is gone is still known")
	}
}

func TestLossCountsFromItsTime(t *testing.T) {
	facts := NewFacts()
	facts.Take(&event.Loss{Header: event.Header{Time: 50}, Of: event.KindDrop})
	if !facts.LostSince(event.KindDrop, 50) || facts.LostSince(event.KindDrop, 51) || facts.LostSince(event.KindTick, 0) {
		t.Error("losses are told of the wrong time or kind")
	}
}
