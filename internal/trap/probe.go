// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trap

import (
	"fmt"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// Probed gives the active probe that was made of a path since its present trouble began,
// nil where none was, or none was answered.
func Probed(p *flow.Path) *event.PathProbe {
	if p.Probe == nil || p.Probe.Error != "" {
		return nil
	}
	var last *flow.Stall
	for s := range p.Stalls.All {
		if s.Ended == 0 && p.Probe.Time >= s.First.Since {
			return p.Probe
		}
		last = s
	}
	if last != nil && last.Ended != 0 && p.Probe.Time >= last.First.Since {
		return p.Probe
	}
	return nil
}

// Measured gives the probe that found the path's MTU exactly, nil where none did. A path
// that carried everything has none to tell.
func Measured(p *flow.Path) *event.PathProbe {
	if probe := Probed(p); probe != nil && probe.Exact && probe.Lost != 0 {
		return probe
	}
	return nil
}

// ProbeWords says what an active probe found, in a sentence of evidence.
func ProbeWords(probe *event.PathProbe, clock func(event.Time) string) string {
	text := fmt.Sprintf("an active probe by %s at %s (%d packets): %d bytes arrive", probe.Method, clock(probe.Time), probe.Packets, probe.Passed)
	switch {
	case probe.Lost == 0:
		return text + ", and nothing larger was tried"
	case !probe.Silent:
		text += fmt.Sprintf(", of %d bytes %s says that %d fit", probe.Lost, probe.ToldBy, probe.Told)
	default:
		text += fmt.Sprintf(", %d vanish without a word", probe.Lost)
	}
	switch {
	case probe.LastHop != 0 && probe.NextHop != 0:
		text += fmt.Sprintf("; the last that gets them is %s (hop %d), before %s (hop %d)", probe.LastHopAddr, probe.LastHop, probe.NextHopAddr, probe.NextHop)
	case probe.LastHop != 0:
		text += fmt.Sprintf("; the last that is seen to get them is %s (hop %d)", probe.LastHopAddr, probe.LastHop)
	case probe.NextHop != 0:
		text += fmt.Sprintf("; they are lost before %s (hop %d)", probe.NextHopAddr, probe.NextHop)
	}
	return text
}
