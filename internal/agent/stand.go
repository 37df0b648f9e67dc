// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"maps"
	"slices"

	"github.com/trapbpf/trapbpf/internal/engine"
	"github.com/trapbpf/trapbpf/internal/kernel"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/internal/trap/all"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Stand is how an agent stands at one moment.
type Stand struct {
	engine.Stand
	// Events counts the events of each kind that the engine saw.
	Events map[event.Kind]uint64
	// Losses are the newest counts of events that it never saw.
	Losses []event.Loss
	// Hooks and Sights tell what it sees by, and how well it sees each trap.
	Hooks  []event.Hook
	Sights map[finding.Trap]trap.Sight
	// Costs are the kernel's run times; empty once the agent has stopped.
	Costs []kernel.Cost
}

// Stand tells how the agent stands. It may be called from any goroutine, and holds up
// the stream of events for some microseconds.
func (a *Agent) Stand() Stand {
	s := a.stream.stand()
	s.Hooks = a.kernel.Hooks()
	s.Sights = map[finding.Trap]trap.Sight{}
	for _, d := range all.Detectors(a.config.Traps...) {
		s.Sights[d.Trap()] = trap.ViewOf(d, s.Hooks).Sight
	}
	s.Costs = a.costs()
	return s
}

// costs asks the kernel, unless the programs are gone by now.
func (a *Agent) costs() []kernel.Cost {
	a.closing.Lock()
	defer a.closing.Unlock()
	if a.closed {
		return nil
	}
	costs, err := a.kernel.Costs()
	if err != nil {
		return nil // a metric less, and never a reason to stop
	}
	return costs
}

// close detaches.
func (a *Agent) close() {
	a.closing.Lock()
	defer a.closing.Unlock()
	if !a.closed {
		a.closed = true
		_ = a.kernel.Close() // detaching has nothing left to save
	}
}

// meter counts what passes the stream; the stream's lock guards it.
type meter struct {
	events map[event.Kind]uint64
	losses map[lossKey]event.Loss
}

type lossKey struct {
	of    event.Kind
	stage string
}

func newMeter() meter {
	return meter{events: map[event.Kind]uint64{}, losses: map[lossKey]event.Loss{}}
}

func (m *meter) count(e event.Event) {
	m.events[e.Kind()]++
	if loss, ok := e.(*event.Loss); ok {
		m.losses[lossKey{loss.Of, loss.Stage}] = *loss
	}
}

func (s *stream) stand() Stand {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stand{
		Stand:  s.engine.Stand(),
		Events: maps.Clone(s.meter.events),
		Losses: slices.Collect(maps.Values(s.meter.losses)),
	}
}
