// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// rateSamples is how many points a Rate keeps: with one walk a second, eight
// seconds of history, long enough to smooth a burst and short enough to follow.
const rateSamples = 8

// Rate measures how fast a value moves, from its last few samples.
type Rate struct {
	at    [rateSamples]event.Time
	value [rateSamples]float64
	used  int
}

// Add takes a sample. One that is not newer than the last replaces it.
func (r *Rate) Add(at event.Time, value float64) {
	if r.used > 0 && at <= r.at[r.used-1] {
		r.value[r.used-1] = value
		return
	}
	if r.used == rateSamples {
		copy(r.at[:], r.at[1:])
		copy(r.value[:], r.value[1:])
		r.used--
	}
	r.at[r.used], r.value[r.used] = at, value
	r.used++
}

// PerSecond gives the slope over the samples kept, by least squares: one outlier
// at either end weighs less than in a difference of two. 0 for fewer than two.
func (r *Rate) PerSecond() float64 {
	if r.used < 2 {
		return 0
	}
	var n, sx, sy, sxx, sxy float64
	for i := range r.used {
		x, y := r.at[i].Sub(r.at[0]).Seconds(), r.value[i]
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}

// Span gives how much time the samples cover.
func (r *Rate) Span() time.Duration {
	if r.used < 2 {
		return 0
	}
	return r.at[r.used-1].Sub(r.at[0])
}
