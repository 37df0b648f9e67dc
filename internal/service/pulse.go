// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"sync/atomic"
	"time"
)

// pulse is the sign of life of the loop that reads events: the watchdog and /healthz
// look at the same one.
type pulse struct {
	begun time.Time
	beats atomic.Uint64
	last  atomic.Int64 // since begun, in nanoseconds
}

func newPulse() *pulse { return &pulse{begun: time.Now()} }

// beat is called by the reader of events, several times a second.
func (p *pulse) beat() {
	p.last.Store(int64(time.Since(p.begun)))
	p.beats.Add(1)
}

// age is how long ago the last beat was, or how long none came.
func (p *pulse) age() time.Duration {
	return time.Since(p.begun) - time.Duration(p.last.Load())
}
