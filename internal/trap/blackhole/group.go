// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package blackhole

import (
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// group is one path in trouble and what was told of it. What was seen of the path
// is in the shared table.
type group struct {
	key    flow.PathKey
	last   event.Time
	unseen uint64
	asked  event.Time // facts
	swept  event.Time
	probed event.Time // an active probe was wanted
	probe  bool       // one has ended, or takes too long, and was not yet judged
	began  event.Time // of the trouble at hand
	told   trap.Key   // the finding that is open, zero if none is
	sure   bool       // it was told as confirmed
	lost   uint32     // the smallest size of packets that did not come in, 0 if none is known
	// overlay are the facts by which a tunnel was found to promise too much: later ones
	// may tell of the mended state.
	overlay event.Path
}

const (
	// factsWait is how long a confirmed verdict waits for the host's answers.
	factsWait = 600 * time.Millisecond
	// factsLate is how long a suspicion waits for them: without them a tunnel that
	// promises too much looks like a path that drops. A host ten times slower than
	// usual, on which several paths hang at once, took 2.7 s to read them.
	factsLate = 3 * time.Second
	// factsEvery is how often they are asked again while there is trouble.
	factsEvery = 2 * time.Second
	// sweepSoon is how often a young trouble's peer is swept for signs of life,
	// sweepLate how often an old one's: a sweep takes a microsecond a socket.
	sweepSoon = 500 * time.Millisecond
	sweepLate = 2 * time.Second
	young     = 15 * time.Second
	// troubleLasts is how long after its last sign a path is looked after: the
	// longest time between two time-outs (TCP_RTO_MAX).
	troubleLasts = 120 * time.Second
)

func (g *group) open(desk trap.Desk) bool { return g.told != (trap.Key{}) && desk.Open(g.told) }

// ask wants facts and sweeps, as long as something is wrong.
func (g *group) ask(now event.Time, desk trap.Desk) {
	if !g.open(desk) && !g.trouble(desk.Facts()) || now.Sub(g.last) > troubleLasts {
		return
	}
	if g.began == 0 {
		g.began = now
	}
	if g.asked == 0 || now.Sub(g.asked) >= factsEvery {
		g.asked = now
		desk.Want(event.Want{Of: event.KindPath, Netns: g.key.Netns, To: g.key.Peer}) // first: verdicts wait for it
		if desk.Facts().Namespace(g.key.Netns).Name.Path == "" {
			desk.Want(event.Want{Of: event.KindNamespace, Netns: g.key.Netns})
		}
		trap.WantOwners(desk, desk.Facts().Paths.Path(g.key))
	}
	every := sweepSoon
	if now.Sub(g.began) > young {
		every = sweepLate
	}
	if g.swept == 0 || now.Sub(g.swept) >= every {
		g.swept = now
		desk.Want(event.Want{Of: event.KindConnections, Netns: g.key.Netns, To: g.key.Peer})
	}
}

// trouble tells whether a connection of the path is stuck at this moment.
func (g *group) trouble(facts *flow.Facts) bool {
	path := facts.Paths.Path(g.key)
	if path == nil {
		return false
	}
	if trap.Waiting(path) {
		return true
	}
	for h := range g.holes(facts) {
		if h.Ended == 0 && !leftOver(path, h) {
			return true
		}
	}
	return false
}

// holes walks the path's connections that wait for missing bytes.
func (g *group) holes(facts *flow.Facts) func(func(*flow.Hole) bool) {
	return func(yield func(*flow.Hole) bool) {
		for h := range facts.Paths.Holes {
			if h.Netns == g.key.Netns && h.Tuple.Peer.Addr() == g.key.Peer && !yield(h) {
				return
			}
		}
	}
}

// Ranks among the findings about one path: the better a cause explains, the higher.
const (
	rankPath    = 1
	rankOverlay = 2
	rankLink    = 3
)

// judge tells the desk what the path's state amounts to.
func (g *group) judge(now event.Time, desk trap.Desk) {
	facts := desk.Facts()
	path := facts.Paths.Path(g.key)
	if path == nil || g.unseen == 0 && !g.probe && (g.told == (trap.Key{}) || g.sure) {
		return
	}
	cause, status := g.verdict(path, facts)
	if status == "" || path.Facts == nil && now.Sub(g.began) < patience(status) {
		return
	}
	if probing(path, now) {
		status = finding.Suspected // a confirmation waits for the exact MTU
	}
	if g.unseen == 0 && !g.probe && status != finding.Confirmed {
		return // nothing new
	}
	seen := trap.Sighting{
		Key:      trap.Key{Cause: cause, Netns: g.key.Netns, Subject: g.key.Peer.String()},
		At:       g.last,
		Since:    g.since(path, facts),
		New:      g.unseen,
		Status:   status,
		Severity: severity(path, status),
		Root:     trap.PathRoot(path.Local, path.Key.Peer),
		Across:   true,
		Rank:     rankPath,
		Rests:    []event.Kind{event.KindRetransmit, event.KindConnections},
		Quiet:    troubleLasts,
	}
	if cause == OverlayMismatch {
		seen.Rank = rankOverlay
	}
	g.unseen, g.probe, g.sure = 0, false, status == finding.Confirmed
	g.told = seen.Key
	desk.See(seen)
	if cause != DropsLargeInbound {
		g.askProbe(path, now, desk)
	}
	if !desk.Open(seen.Key) {
		g.told = trap.Key{} // a rival explains it better
	}
}

// patience is how long a verdict waits for the host's answers.
func patience(status finding.Status) time.Duration {
	if status == finding.Suspected {
		return factsLate
	}
	return factsWait
}

// since is when the first of what is stuck now got stuck.
func (g *group) since(path *flow.Path, facts *flow.Facts) event.Time {
	first := g.last
	for s := range path.Stalls.All {
		if s.Ended == 0 {
			first = min(first, s.First.Since)
		}
	}
	for h := range g.holes(facts) {
		if h.Ended == 0 {
			first = min(first, h.FirstAt)
		}
	}
	return first
}

// verdict takes the worst of the path's connections.
func (g *group) verdict(path *flow.Path, facts *flow.Facts) (finding.Cause, finding.Status) {
	var status finding.Status
	outer := outerOf(path, facts)
	for s := range path.Stalls.All {
		if outer != nil && told(outer, s) {
			continue // inside a tunnel whose own packets do not fit: one fault
		}
		status = worse(status, sender(path, s))
	}
	if status != "" {
		if mismatched(path) {
			g.overlay = *path.Facts
			return OverlayMismatch, status
		}
		return DropsLarge, status
	}
	for h := range g.holes(facts) {
		if of := receiver(path, h); of != "" {
			status = worse(status, of)
			g.lost = missing(h)
		}
	}
	return DropsLargeInbound, status
}

func worse(a, b finding.Status) finding.Status {
	if a == finding.Confirmed || b == "" {
		return a
	}
	return b
}

func severity(path *flow.Path, status finding.Status) finding.Severity {
	switch {
	case path.Facts != nil && path.Facts.MTUProbing > 0:
		return finding.Low // the kernel will save itself, seconds late
	case status == finding.Confirmed:
		return finding.High
	default:
		return finding.Medium
	}
}

// mend closes the finding once data flows again, and takes a suspicion back once
// something else explains what hangs.
func (g *group) mend(now event.Time, desk trap.Desk) {
	path := desk.Facts().Paths.Path(g.key)
	if path == nil || !g.open(desk) {
		return
	}
	reason := g.mended(path)
	if g.trouble(desk.Facts()) {
		reason = g.refuted(path)
	}
	if reason != "" {
		g.began, g.asked, g.swept, g.probed, g.sure = 0, 0, 0, 0, false
		desk.Mend(g.told, now, reason)
	}
}

// refuted says what innocent explanation came up for all that hangs, "" where none did
// or the finding was confirmed.
func (g *group) refuted(path *flow.Path) string {
	if g.sure || g.told.Cause == DropsLargeInbound {
		return ""
	}
	reason := ""
	for s := range path.Stalls.All {
		if s.Ended != 0 {
			continue
		}
		why := innocent(path, s)
		if why == "" {
			return ""
		}
		if reason == "" {
			reason = why
		}
	}
	return reason
}

// mended says what proved that the path carries data again, "" for nothing.
func (g *group) mended(path *flow.Path) string {
	if reason := trap.Flowing(path, g.began); reason != "" {
		return reason
	}
	switch {
	case g.told.Cause != DropsLargeInbound:
		return ""
	case path.Inward.At > g.last:
		return path.Inward.What
	default: // the MSS of new connections follows what this host itself sends at most
		return trap.Held(path, g.lost, g.last)
	}
}
