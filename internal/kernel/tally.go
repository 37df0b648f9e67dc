// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/trapbpf/trapbpf/internal/decode"
	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// tally sums a walk's rows up into an event.
type tally struct {
	rows    []event.PortUseRow
	sources map[netip.Addr]*event.PortUseSource
}

func newTally() *tally { return &tally{sources: map[netip.Addr]*event.PortUseSource{}} }

func (t *tally) add(key *wire.WalkKey, row *wire.WalkRow) {
	source := decode.Addr(key.Source)
	t.rows = append(t.rows, event.PortUseRow{
		Source:      source,
		Destination: netip.AddrPortFrom(decode.Addr(key.Destination), key.Port),
		TimeWait:    row.TimeWait,
		Live:        row.Live,
	})
	sum := t.sources[source]
	if sum == nil {
		sum = &event.PortUseSource{Source: source}
		t.sources[source] = sum
	}
	sum.TimeWait += row.TimeWait
	sum.Live += row.Live
}

// use gives the event, its rows cut to the largest. Equals are told in the order of
// their addresses, so that the same sockets make the same event.
func (t *tally) use(sums *wire.Walk) *event.PortUse {
	slices.SortFunc(t.rows, func(a, b event.PortUseRow) int {
		return cmp.Or(
			cmp.Compare(b.TimeWait+b.Live, a.TimeWait+a.Live),
			a.Destination.Compare(b.Destination),
			a.Source.Compare(b.Source),
		)
	})
	return &event.PortUse{
		Rows:        slices.Clone(t.rows[:min(len(t.rows), event.PortUseRows)]),
		Sources:     t.largestSources(),
		TimeWait:    sums.TimeWait,
		Live:        sums.Live,
		AllTimeWait: sums.AllTimeWait,
		Untold:      sums.Untold,
	}
}

func (t *tally) largestSources() []event.PortUseSource {
	all := make([]event.PortUseSource, 0, len(t.sources))
	for _, sum := range t.sources {
		all = append(all, *sum)
	}
	slices.SortFunc(all, func(a, b event.PortUseSource) int {
		return cmp.Or(cmp.Compare(b.TimeWait+b.Live, a.TimeWait+a.Live), a.Source.Compare(b.Source))
	})
	return all[:min(len(all), event.PortUseRows)]
}
