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
// the path has carried before asks for more: two losses more of the one segment, or so
// many packets of its size without an answer in a row that 30% random loss both ways, of
// them or of their SACKs, makes them once in 3,000.
const (
	suspectTimeouts = 2
	confirmTimeouts = 3
	relapseTimeouts = 5
	relapseLosses   = 12
)

// suspectAfter is how long a segment must wait for a suspicion that rests on time-outs
// alone: shorter outages are everyday, and it is within 2 s of the first packet that is
// lost.
const suspectAfter = 1200 * time.Millisecond

// sender judges a connection whose segment times out, with what an active probe found,
// where there was one.
func sender(path *flow.Path, s *flow.Stall) finding.Status {
	status := bySigns(path, s)
	switch probe := trap.Probed(path); {
	case probe == nil || s.Ended != 0 || s.Last.Timeouts < suspectTimeouts || innocent(path, s) != "":
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
	timeouts, missed := s.Last.Timeouts, missedSince(s)
	switch {
	case s.Ended != 0 || innocent(path, s) != "":
		return ""
	case carried(path, s):
		return relapse(s)
	case timeouts >= confirmTimeouts && missed > 0:
		return finding.Confirmed
	case timeouts >= confirmTimeouts, timeouts >= suspectTimeouts && (s.Proof.At != 0 || missed > 0 || s.Waited() >= suspectAfter):
		return finding.Suspected
	default:
		return ""
	}
}

// carried tells whether the path has carried packets as large as those of a stall.
func carried(path *flow.Path, s *flow.Stall) bool { return s.Size <= max(path.Passed, path.Likely) }

// relapse judges a size that was carried before: the path is another one since, or the
// peer is gone, or it was a mishap.
func relapse(s *flow.Stall) finding.Status {
	missed, timeouts := missedSince(s), s.Last.Timeouts
	losses := timeouts + flight(s)
	switch {
	case missed > 0 && timeouts >= relapseTimeouts, missed > 1 && losses >= relapseLosses:
		return finding.Confirmed
	case missed > 0 && losses >= relapseLosses:
		return finding.Suspected
	default:
		return ""
	}
}

// flight counts the packets as large as the stalled one that were sent after it and did
// not arrive either: had one of them, it would have been SACKed, and the stall Large.
func flight(s *flow.Stall) uint32 {
	c, payload := &s.Last.Connection, payloadOf(s)
	if payload == 0 || c.Out <= c.Sacked {
		return 0
	}
	return min(c.Out-c.Sacked, (c.Next-c.Unacked)/payload)
}

func payloadOf(s *flow.Stall) uint32 { return s.Size - min(s.Size, s.Last.Connection.Overhead) }

// innocent says what else explains a stall, "" where nothing does.
func innocent(path *flow.Path, s *flow.Stall) string {
	first, last := &s.First.Connection, &s.Last.Connection
	switch {
	case s.Size <= trap.LeastMTU(path.Key.Peer):
		return "packets that any path carries are lost as well"
	case last.Window < payloadOf(s):
		return "the peer's window is closed: it does not read"
	case last.DSACKs > first.DSACKs:
		return "the peer got the segment, and its acknowledgement was late"
	case s.Large:
		return "packets as large get through meanwhile: it is loss, whatever the size"
	case path.Deaf.At > s.First.Since && path.Small.At < path.Deaf.At:
		return path.Deaf.What
	case signalled(path, s):
		return "ICMP spoke of the path: it is not silent"
	default:
		return ""
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

// told tells whether ICMP spoke of any packet on a path at about the time of a stall. What
// a host tells itself about its own packets is no router's word: they did not even leave.
func told(path *flow.Path, s *flow.Stall) bool {
	fresh := func(at event.Time) bool { return at != 0 && s.First.Since.Sub(at) < signalFresh }
	itself := path.Told.Packet.Source.Addr() == path.Told.Inner.Source.Addr()
	return fresh(path.Told.Last) && !itself || fresh(path.Killed.Last)
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
func smallPass(s *flow.Stall) string {
	if sackedSmaller(s) {
		return "the peer has SACKed smaller segments behind the one that is lost"
	}
	return s.Proof.What
}

// sackedSmaller tells whether smaller segments of the very flight got through.
func sackedSmaller(s *flow.Stall) bool {
	c := &s.Last.Connection
	return c.Sacked > 0 && c.SackedBytes > 0 && c.SackedBytes < payloadOf(s)
}

// missedSince counts the resends that were lost after small packets had got through.
func missedSince(s *flow.Stall) int {
	if sackedSmaller(s) {
		return int(s.Last.Timeouts) - 1
	}
	return s.Missed
}

// A hole must last for so long to be suspected, and to be confirmed: by then a sender
// has resent the missing segment three times (RFC 6298: after 0.2, 0.6 and 1.4 s with
// Linux's least time-out).
const (
	holeSuspect = 600 * time.Millisecond
	holeConfirm = 2500 * time.Millisecond
	holeRelapse = 5 * time.Second
	holeSweeps  = 2
	// fullBefore is how many full segments' worth of bytes may have come in as full ones.
	fullBefore = 1
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
	case c.Hole < full || c.Queued >= full:
		return "" // the missing bytes are no full segment, or large ones came in
	case c.Queued == 0, overwritten(&h.First): // without SACK that is not known: time must tell
		return agedUnknown(h)
	case !largeBefore(&h.First):
		return aged(h.Age())
	case h.Age() >= holeRelapse && c.SegmentsIn > h.First.SegmentsIn:
		return finding.Confirmed
	default:
		return ""
	}
}

// agedUnknown judges a hole behind which nobody knows how much came in.
func agedUnknown(h *flow.Hole) finding.Status {
	switch {
	case largeBefore(&h.First) || h.Age() < holeConfirm:
		return ""
	case h.Age() >= holeRelapse && h.Last.SegmentsIn > h.First.SegmentsIn:
		return finding.Confirmed
	default:
		return finding.Suspected
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

// largeBefore tells whether segments as large as the missing ones had come in on this
// connection. What waits behind the hole may be one segment that is nearly full, and the
// largest so far: it says nothing of full ones. Nor do the pieces of a program that
// always writes somewhat less, where the hole is made of full segments.
func largeBefore(c *event.Connection) bool {
	switch {
	case c.ReceiveMSS == c.Queued:
		return false
	case c.ReceiveMSS < c.MSS && c.Hole%c.MSS == 0:
		return false
	default:
		return 10*c.ReceiveMSS >= 9*c.MSS
	}
}

// overwritten tells whether nobody knows how large the segments before the hole were.
// The kernel's guess follows the last two segments where they are alike, on 6.18 those
// behind the hole as well: a short tail that comes in twice (RFC 8985's probe is such a
// copy) leaves no trace of the full segments that came in before it.
func overwritten(c *event.Connection) bool {
	return c.ReceiveMSS == c.Queued && c.BytesReceived >= fullBefore*uint64(c.MSS)
}

// mismatched tells whether the path leads through a tunnel of this host that promises
// more than what is under it can carry.
func mismatched(path *flow.Path) bool {
	f := path.Facts
	return f != nil && f.Link.Overhead > 0 && f.Under.MTU > 0 && f.Link.MTU+f.Link.Overhead > f.Under.MTU
}
