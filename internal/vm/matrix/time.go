// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"fmt"

	"github.com/trapbpf/trapbpf/internal/vm/image"
)

// toll is what a plan's jobs took of the host's processors.
type toll struct {
	seconds float64
	// jobs is how many the plan has, measured of how many it is known what they took.
	jobs, measured int
}

func (t toll) plus(other toll) toll {
	return toll{t.seconds + other.seconds, t.jobs + other.jobs, t.measured + other.measured}
}

// String tells it in minutes: "over 12.3 (80 of 90 jobs)" where some jobs were not
// measured, "" where none was.
func (t toll) String() string {
	switch {
	case t.measured == 0:
		return ""
	case t.measured < t.jobs:
		return fmt.Sprintf("over %s (%d of %d jobs)", minutes(t.seconds), t.measured, t.jobs)
	}
	return minutes(t.seconds)
}

// taken gives what a plan's jobs took on a kernel.
func taken(r Result, p Plan) (sum toll) {
	targets, err := image.Find(r.Kernel)
	if err != nil {
		return toll{}
	}
	for _, replay := range r.Replays {
		p.Recordings = append(p.Recordings, Recording{Name: replay.Name})
	}
	for _, boot := range p.Boots(targets[0]) {
		for _, j := range boot.Script.Jobs {
			seconds, measured := r.Processor[j.Name]
			sum.seconds += seconds
			sum.jobs++
			if measured {
				sum.measured++
			}
		}
	}
	return sum
}

func minutes(seconds float64) string { return fmt.Sprintf("%.1f", seconds/60) }
