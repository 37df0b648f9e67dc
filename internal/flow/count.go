// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// restartAfter is how long a kernel counter rests before the kernel's side may
// forget it and begin again at one (idle rows are removed after 60 s).
const restartAfter = 30 * time.Second

// Counts turns counters that only grow into increments: a source tells how many
// there were so far, a detector wants to know how many are new. Bounded.
type Counts[K comparable] struct {
	seen *Table[K, counted]
}

type counted struct {
	count uint64
	at    event.Time
}

// NewCounts gives counters for at most limit keys.
func NewCounts[K comparable](limit int) *Counts[K] {
	return &Counts[K]{seen: NewTable[K, counted](limit)}
}

// Advance takes a counter's newest value and gives how many are new. A value below
// the last one is an older sample that arrived late, and adds nothing, unless the
// counter has rested for so long that it must have begun again.
func (c *Counts[K]) Advance(key K, count uint64, at event.Time) uint64 {
	last, known := c.seen.Get(key)
	if known && count <= last.count && at.Sub(last.at) < restartAfter {
		return 0
	}
	c.seen.Put(key, counted{count: count, at: at})
	if known && count > last.count {
		return count - last.count
	}
	return count
}

// Known tells whether the key was counted before.
func (c *Counts[K]) Known(key K) bool {
	_, known := c.seen.Get(key)
	return known
}

// Evicted counts keys that were pushed out of the full table.
func (c *Counts[K]) Evicted() uint64 { return c.seen.Evicted() }
