// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package blackhole

import (
	"fmt"
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	// probeEvery is how often a path in trouble is probed while no probe has measured it.
	probeEvery = time.Minute
	// probeWait is how long a confirmation waits for a probe that is under way, so that
	// it comes with the exact MTU: as long as most take, and within 5 s of the fault.
	probeWait = 2500 * time.Millisecond
	// lowestEphemeral is where the ports begin that Linux gives to callers: whoever has
	// one below called nobody by it, and listens.
	lowestEphemeral = 32768
)

// askProbe wants an active probe of a path in trouble, until one has told something.
// Where active probes are not allowed it stays without an answer.
func (g *group) askProbe(path *flow.Path, now event.Time, desk trap.Desk) {
	if probe := trap.Probed(path); probe != nil && (probe.Exact || probe.Lost != 0) {
		return
	}
	if g.probed != 0 && now.Sub(g.probed) < probeEvery {
		return
	}
	g.probed = now
	desk.Want(event.Want{Of: event.KindPathProbe, Netns: g.key.Netns, To: g.key.Peer, From: path.Local, Port: service(path)})
}

// probing tells whether a probe is under way that is worth waiting for.
func probing(path *flow.Path, now event.Time) bool {
	return path.Probing != 0 && now.Sub(path.Probing) < probeWait
}

// service gives a port that the peer listens on, as a stuck connection shows it; 0 where
// it was the peer who called.
func service(path *flow.Path) uint16 {
	for s := range path.Stalls.All {
		if port := s.Tuple.Peer.Port(); s.Ended == 0 && port < lowestEphemeral && port < s.Tuple.Local.Port() {
			return port
		}
	}
	return 0
}

// weighProbe says what an active probe speaks for, or against.
func weighProbe(path *flow.Path, s *flow.Stall, facts *flow.Facts, f *finding.Finding, c *trap.Confidence) {
	probe := trap.Probed(path)
	if probe == nil {
		if path.Probe != nil && path.Probe.Error != "" && path.Probe.Time >= s.First.Since {
			f.Against = append(f.Against, fmt.Sprintf("an active probe of %s told nothing: %s", path.Key.Peer, path.Probe.Error))
		}
		return
	}
	words := trap.ProbeWords(probe, trap.Clock(facts))
	switch {
	case loses(probe, s):
		c.Add(45, "an active probe lost packets of %d bytes each time and got %d through", probe.Lost, probe.Passed)
		f.Evidence = append(f.Evidence, words)
	case probe.Passed >= s.Size:
		c.Add(-30, "an active probe got packets of %d bytes through", probe.Passed)
		f.Against = append(f.Against, words+": as large as the segments that hang, so something else may stop those")
	default:
		f.Evidence = append(f.Evidence, words)
	}
}
