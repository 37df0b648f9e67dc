// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// Hole is one connection that waits for missing bytes although later ones came in.
type Hole struct {
	Netns event.Netns
	Tuple Tuple
	// First is the connection when the hole was seen first, Last when it was seen
	// last, Sweeps how often it was seen.
	First, Last     event.Connection
	FirstAt, LastAt event.Time
	Sweeps          int
	// Ended is when it was filled or its connection gone, 0 while it lasts.
	Ended event.Time
}

// Age is for how long it was seen to last.
func (h *Hole) Age() time.Duration { return h.LastAt.Sub(h.FirstAt) }

type holeKey struct {
	netns event.Netns
	tuple Tuple
}

// Holes walks the connections with a hole, those that ended too until the next
// sweep, least lately seen first.
func (p *Paths) Holes(yield func(*Hole) bool) { p.holes.All(yield) }

func (p *Paths) takeHoles(e *event.Connections) {
	open := map[Tuple]*event.Connection{}
	for i := range e.Rows {
		c := &e.Rows[i]
		if c.Hole > 0 {
			open[tupleOf(c)] = c
			p.takeHole(e, c)
		} else if h, ok := p.holes.Get(holeKey{e.Netns, tupleOf(c)}); ok && h.Ended == 0 {
			h.Ended = e.Time
		}
	}
	if e.Untold == 0 {
		p.endHoles(e, open)
	}
}

func (p *Paths) takeHole(e *event.Connections, c *event.Connection) {
	key := holeKey{e.Netns, tupleOf(c)}
	h, known := p.holes.Get(key)
	if !known || h.Ended != 0 || h.First.ReceiveNext != c.ReceiveNext {
		h = &Hole{Netns: e.Netns, Tuple: key.tuple, First: *c, FirstAt: e.Time}
	}
	h.Last, h.LastAt = *c, e.Time
	h.Sweeps++
	p.holes.Put(key, h)
	p.path(PathKey{e.Netns, c.Peer.Addr()}, c.Local.Addr())
}

// endHoles ends those that the sweep did not find any more, and forgets those that
// had ended before. A sweep tells every hole of its namespace.
func (p *Paths) endHoles(e *event.Connections, open map[Tuple]*event.Connection) {
	var over []holeKey
	for h := range p.holes.All {
		switch {
		case h.Netns != e.Netns || open[h.Tuple] != nil:
		case h.Ended == 0:
			h.Ended = e.Time
		case h.Ended < e.Time:
			over = append(over, holeKey{h.Netns, h.Tuple})
		}
	}
	for _, key := range over {
		p.holes.Drop(key)
	}
}
