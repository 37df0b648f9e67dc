// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// desk is what one detector speaks to.
type desk struct {
	engine   *Engine
	detector trap.Detector
}

var _ trap.Desk = (*desk)(nil)

// See implements trap.Desk.
func (d *desk) See(s trap.Sighting) {
	if l, ok := d.engine.byKey[s.Key]; ok {
		d.engine.repeat(l, s)
		return
	}
	d.engine.open(d.detector, s)
}

// Mend implements trap.Desk.
func (d *desk) Mend(k trap.Key, at event.Time, reason string) {
	if l, ok := d.engine.byKey[k]; ok {
		d.engine.close(l, at, reason)
	}
}

// Open implements trap.Desk.
func (d *desk) Open(k trap.Key) bool {
	_, ok := d.engine.byKey[k]
	return ok
}

// Want implements trap.Desk.
func (d *desk) Want(w event.Want) {
	if d.engine.out.Want != nil {
		d.engine.out.Want(w)
	}
}

// Facts implements trap.Desk.
func (d *desk) Facts() *flow.Facts { return d.engine.facts }
