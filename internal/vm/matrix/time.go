// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"fmt"

	"github.com/trapbpf/trapbpf/internal/vm/image"
)

// taken tells in minutes what a plan's jobs took of the host's processors on a kernel:
// "over 12.3" where some of them were not measured, "" where none was.
func taken(r Result, p Plan) string {
	targets, err := image.Find(r.Kernel)
	if err != nil {
		return ""
	}
	for _, replay := range r.Replays {
		p.Recordings = append(p.Recordings, Recording{Name: replay.Name})
	}
	sum, missing := 0.0, false
	for _, boot := range p.Boots(targets[0]) {
		for _, j := range boot.Script.Jobs {
			seconds, measured := r.Processor[j.Name]
			sum += seconds
			missing = missing || !measured
		}
	}
	switch {
	case sum == 0:
		return ""
	case missing:
		return "over " + minutes(sum)
	}
	return minutes(sum)
}

func minutes(seconds float64) string { return fmt.Sprintf("%.1f", seconds/60) }
