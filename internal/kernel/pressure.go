// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// maxPressure is how many destinations are told a second: those that are dialled
// fastest. One that runs out of ports is among them.
const maxPressure = 64

// pressureTable tells how fast destinations are dialled.
type pressureTable struct {
	rows *sweep[wire.PortKey, wire.PressureRow]
	// told are the counts when each row was last told, next those of the sweep
	// under way: what the map has pushed out vanishes with the swap.
	told, next map[wire.PortKey]dialled
	moved      []moved
}

type dialled struct{ opens, timeWaits uint64 }

type moved struct {
	key wire.PortKey
	row wire.PressureRow
	by  uint64
}

func newPressureTable(c *ebpf.Collection) *pressureTable {
	return &pressureTable{
		rows: newSweep[wire.PortKey, wire.PressureRow](c.Maps["tcp_pressure"]),
		told: map[wire.PortKey]dialled{},
		next: map[wire.PortKey]dialled{},
	}
}

// tell gives the rows that moved most since each was told.
func (t *pressureTable) tell(to *teller) error {
	clear(t.next)
	t.moved = t.moved[:0]
	if err := t.rows.read(t.take); err != nil {
		return fmt.Errorf("count connections: %w", err)
	}
	t.told, t.next = t.next, t.told
	slices.SortFunc(t.moved, func(a, b moved) int { return cmp.Compare(b.by, a.by) })
	for i := range t.moved[:min(len(t.moved), maxPressure)] {
		m := &t.moved[i]
		t.told[m.key] = dialled{m.row.Opens, m.row.TimeWaits}
		to.emit(to.decoder.PressureRow(&m.key, &m.row))
	}
	return nil
}

func (t *pressureTable) take(key *wire.PortKey, row *wire.PressureRow) {
	told := t.told[*key]
	if row.Opens < told.opens || row.TimeWaits < told.timeWaits {
		told = dialled{} // pushed out and begun anew
	}
	t.next[*key] = told
	by := row.Opens - told.opens + row.TimeWaits - told.timeWaits
	if by > 0 {
		t.moved = append(t.moved, moved{*key, *row, by})
	}
}

// Closes tells how many closes left a TIME_WAIT in each namespace since the agent
// attached, whichever side had opened the connection.
func (k *Kernel) Closes() (map[event.Netns]uint64, error) {
	counts := map[event.Netns]uint64{}
	for _, r := range k.rows {
		if r.collection == nil || r.collection.Maps["tcp_closes"] == nil {
			continue
		}
		closes := newSweep[uint32, uint64](r.collection.Maps["tcp_closes"])
		err := closes.read(func(id *uint32, count *uint64) { counts[event.Netns(*id)] = *count })
		if err != nil {
			return nil, fmt.Errorf("count closes: %w", err)
		}
	}
	return counts, nil
}
