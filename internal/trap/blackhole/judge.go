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

// Time-outs of one segment that make a verdict. With 15% random loss a segment is
// lost five times in a row, as a confirmation asks for, once in 13,000; a size that
// the path has carried before asks for two losses more.
const (
	suspectTimeouts = 2
	confirmTimeouts = 3
	relapseTimeouts = 5
)

// sender judges a connection whose segment times out, with what an active probe found,
// where there was one.
func sender(path *flow.Path, s *flow.Stall) finding.Status {
	status := bySigns(path, s)
	switch probe := trap.Probed(path); {
	case probe == nil || s.Ended != 0 || s.Last.Timeouts < suspectTimeouts || innocent(path, s):
		return status
	case loses(probe, s):
		return finding.Confirmed
	case status != "" && probe.Passed >= s.Size:
		return finding.Suspected
	default:
		return status
	}
}

// loses tells whether a probe saw packets of a stalled segment's size vanish.
func loses(probe *event.PathProbe, s *flow.Stall) bool {
	return probe.Exact && probe.Silent && probe.Lost != 0 && probe.Lost <= s.Size
}

// bySigns judges by what the connections themselves show.
func bySigns(path *flow.Path, s *flow.Stall) finding.Status {
	timeouts := s.Last.Timeouts
	switch {
	case s.Ended != 0 || innocent(path, s):
		return ""
	case s.Size <= path.Passed: // it was carried before: another path since, or a mishap
		if timeouts >= relapseTimeouts && smallPass(path, s) != "" {
			return finding.Confirmed
		}
		return ""
	case timeouts >= confirmTimeouts && smallPass(path, s) != "":
		return finding.Confirmed
	case timeouts >= suspectTimeouts:
		return finding.Suspected
	default:
		return ""
	}
}

// innocent tells what looks alike apart.
func innocent(path *flow.Path, s *flow.Stall) bool {
	first, last := &s.First.Connection, &s.Last.Connection
	payload := s.Size - min(s.Size, last.Overhead)
	switch {
	case s.Size <= trap.LeastMTU(path.Key.Peer): // lost for another reason
		return true
	case last.Window < payload: // the peer does not read
		return true
	case last.DSACKs > first.DSACKs: // it arrived: the acknowledgement was late
		return true
	case s.Large: // large ones get through: loss, not size
		return true
	case path.Deaf.At > s.First.Since && path.Small.At < path.Deaf.At: // small ones fail, too
		return true
	default:
		return signalled(path, s)
	}
}

// signalFresh is how long before a stall an error may have come and still be the one
// that tells its cause.
const signalFresh = 5 * time.Second

// signalled tells whether ICMP spoke of this host's packets on the path: then it is no
// black hole, and what became of the signal is pmtud-failure's to tell. Errors for
// others only pass through here.
func signalled(path *flow.Path, s *flow.Stall) bool {
	ours := s.Tuple.Local.Addr()
	fresh := func(at event.Time) bool { return at != 0 && s.First.Since.Sub(at) < signalFresh }
	return fresh(path.Told.Last) && path.Told.Inner.Source.Addr() == ours ||
		fresh(path.Killed.Last) && path.Killed.Inner.Source.Addr() == ours
}

// told tells whether ICMP spoke of any packet on a path at about the time of a stall.
func told(path *flow.Path, s *flow.Stall) bool {
	fresh := func(at event.Time) bool { return at != 0 && s.First.Since.Sub(at) < signalFresh }
	return fresh(path.Told.Last) || fresh(path.Killed.Last)
}

// outerOf gives the path that a tunnel's own packets take, where a path leads into a
// tunnel with one other end and something was seen of that; nil else.
func outerOf(path *flow.Path, facts *flow.Facts) *flow.Path {
	if path.Facts == nil || !path.Facts.Link.Remote.IsValid() {
		return nil
	}
	return facts.Paths.Path(flow.PathKey{Netns: path.Key.Netns, Peer: path.Facts.Link.Remote})
}

// smallPass says what proves that small packets get through while large ones do not,
// "" where nothing does.
func smallPass(path *flow.Path, s *flow.Stall) string {
	c := &s.Last.Connection
	payload := s.Size - min(s.Size, c.Overhead)
	switch {
	case c.Sacked > 0 && c.SackedBytes > 0 && c.SackedBytes < payload:
		return "the peer has SACKed smaller segments behind the one that is lost"
	case path.Small.At > s.First.Since:
		return path.Small.What
	case s.Talks:
		return "the peer goes on sending new data on the same connection, so our acknowledgements reach it"
	default:
		return ""
	}
}

// A hole must last for so long to be suspected, and to be confirmed: by then a sender
// has resent the missing segment three times (RFC 6298: after 0.2, 0.6 and 1.4 s with
// Linux's least time-out).
const (
	holeSuspect = 600 * time.Millisecond
	holeConfirm = 2500 * time.Millisecond
	holeRelapse = 5 * time.Second
	holeSweeps  = 2
)

// receiver judges a connection that waits for missing bytes. That smaller segments
// came in behind the hole is proof by itself: they were sent later and passed. Where
// large ones came in as well, before or behind, it is loss, unless it lasts and the
// peer goes on talking.
func receiver(path *flow.Path, h *flow.Hole) finding.Status {
	c := &h.Last
	full := c.MSS
	switch {
	case leftOver(path, h):
		return ""
	case h.Ended != 0 || h.Sweeps < holeSweeps || h.Age() < holeSuspect:
		return ""
	case c.Hole < full || c.Queued == 0 || c.Queued >= full:
		return "" // the missing bytes are no full segment, or large ones came in
	case !largeBefore(&h.First):
		return aged(h.Age())
	case h.Age() >= holeRelapse && c.SegmentsIn > h.First.SegmentsIn:
		return finding.Confirmed
	default:
		return ""
	}
}

// leftOver tells whether full segments came in from the peer after the hole was seen:
// the path carries them, or carries them again, and who waits still will wait on.
func leftOver(path *flow.Path, h *flow.Hole) bool { return path.Inward.At > h.FirstAt }

func aged(age time.Duration) finding.Status {
	if age >= holeConfirm {
		return finding.Confirmed
	}
	return finding.Suspected
}

// largeBefore tells whether full segments had come in on this connection. What waits
// behind the hole may be one segment that is nearly full, and the largest so far: it
// says nothing of full ones.
func largeBefore(c *event.Connection) bool {
	return 10*c.ReceiveMSS >= 9*c.MSS && c.ReceiveMSS != c.Queued
}

// mismatched tells whether the path leads through a tunnel of this host that promises
// more than what is under it can carry.
func mismatched(path *flow.Path) bool {
	f := path.Facts
	return f != nil && f.Link.Overhead > 0 && f.Under.MTU > 0 && f.Link.MTU+f.Link.Overhead > f.Under.MTU
}
