// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"maps"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Stand is how an engine stands between two events.
type Stand struct {
	// Open counts the open findings of each trap that is watched for.
	Open map[finding.Trap]int
	// Refused counts findings that were not opened because too many were.
	Refused uint64
	// Tables are the shared tables, and the detectors' with their trap before the name.
	Tables []flow.Fill
}

// Stand tells how the engine stands. It is the caller's.
func (e *Engine) Stand() Stand {
	s := Stand{Open: map[finding.Trap]int{}, Refused: e.refused, Tables: e.facts.Fills()}
	for i := range e.seats {
		d := e.seats[i].detector
		s.Open[d.Trap()] = 0
		tabled, ok := d.(trap.Tabled)
		if !ok {
			continue
		}
		for _, fill := range tabled.Fills() {
			fill.Table = string(d.Trap()) + "/" + fill.Table
			s.Tables = append(s.Tables, fill)
		}
	}
	maps.Copy(s.Open, e.openByTrap())
	return s
}

func (e *Engine) openByTrap() map[finding.Trap]int {
	open := map[finding.Trap]int{}
	for _, l := range e.lives {
		open[l.detector.Trap()]++
	}
	return open
}
