// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package all lists the traps that there are. A new trap is its folder and one
// line here.
package all

import (
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/internal/trap/asymmetric"
	"github.com/trapbpf/trapbpf/internal/trap/blackhole"
	"github.com/trapbpf/trapbpf/internal/trap/dnscache"
	"github.com/trapbpf/trapbpf/internal/trap/pmtud"
	"github.com/trapbpf/trapbpf/internal/trap/timewait"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Detectors gives new detectors of the traps named, or of every trap where none
// is, in a fixed order.
func Detectors(traps ...finding.Trap) []trap.Detector {
	every := []trap.Detector{
		blackhole.New(),
		pmtud.New(),
		asymmetric.New(),
		timewait.New(),
		dnscache.New(),
	}
	if len(traps) == 0 {
		return every
	}
	var chosen []trap.Detector
	for _, d := range every {
		for _, t := range traps {
			if d.Trap() == t {
				chosen = append(chosen, d)
			}
		}
	}
	return chosen
}
