// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"fmt"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// Stall is one connection whose first unacknowledged segment times out repeatedly.
type Stall struct {
	Tuple Tuple
	// First and Last are its first and newest time-out that were told.
	First, Last event.Retransmit
	// Size is what the segment measured when the stall began.
	Size uint32
	// Large tells that packets of that size were seen to get through meanwhile.
	Large bool
	// Ended is when it was seen to be over, 0 while it lasts; EndSize the size of the
	// packets that got through then, 0 where the connection is gone.
	Ended   event.Time
	EndSize uint32
	// Talks tells that the peer goes on sending new data, for which it needs our
	// acknowledgements: small packets pass both ways.
	Talks bool
	// Proof is the first sign that small packets pass while it lasts, and Missed counts
	// its resends since that are known to be lost. Without such a resend, small packets
	// may pass because an outage is over, which the next resend would show.
	Proof  Sign
	Missed int

	received uint64
	grew     event.Time
	before   event.Time // the resend before the last
	counted  event.Time // the resend that was last judged
}

// talkFor is for how long new data must come in, so that it cannot be what the peer
// had already sent without waiting for an acknowledgement.
const talkFor = 800 * time.Millisecond

// freshFor is for how long a passage hides smaller ones.
const freshFor = 5 * time.Second

// fullShare is the share of the MSS that a mean segment must reach for full ones to be
// likely among them: a bulk transfer's mean is pulled down by its few short segments.
const fullShare = 0.9

// smallSize bounds the packets whose loss has nothing to do with sizes: what any IPv4
// host takes (RFC 791).
const smallSize = 576

func (p *Paths) takeRetransmit(e *event.Retransmit) {
	c := &e.Connection
	path := p.path(PathKey{e.Netns, c.Peer.Addr()}, c.Local.Addr())
	s, known := path.Stalls.Get(tupleOf(c))
	if known && s.First.Connection.Unacked != c.Unacked {
		path.end(s, e.Time, s.Last.Size)
		known = false
	}
	if !known || s.Ended != 0 {
		s = &Stall{Tuple: tupleOf(c), First: *e, Size: e.Size, received: c.BytesReceived, before: e.Since}
	} else {
		s.miss()
		s.before = s.Last.Time
	}
	s.Last = *e
	path.Stalls.Put(s.Tuple, s)
	path.learn(c, e.Time)
	path.pass(e.Passed, 0)
	s.follow(c, e.Time)
	if e.Size <= smallSize {
		path.Deaf = Sign{e.Time, fmt.Sprintf("a segment of %d bytes to %s is not acknowledged either", e.Size, c.Peer)}
	}
}

// rto is the connection's time-out before it began to double (RFC 6298, 5.5), which is
// never less than a round trip.
func (s *Stall) rto() time.Duration {
	return s.Last.Time.Sub(s.before) >> (max(s.Last.Timeouts, 1) - 1)
}

// Waited is for how long the segment has waited since it was sent first.
func (s *Stall) Waited() time.Duration { return s.Last.Time.Sub(s.First.Since) + s.rto() }

// miss notes that the last resend is lost.
func (s *Stall) miss() {
	if s.Last.Time == s.counted {
		return
	}
	s.counted = s.Last.Time
	if s.Proof.At != 0 && s.Proof.At <= s.Last.Time {
		s.Missed++
	}
}

// prove keeps the first sign that small packets pass.
func (s *Stall) prove(at event.Time, what string) {
	if s.Proof.At == 0 && s.Ended == 0 && at > s.First.Since {
		s.Proof = Sign{at, what}
	}
}

// follow looks for signs of life on the stalled connection itself.
func (s *Stall) follow(c *event.Connection, at event.Time) {
	if c.BytesReceived == s.received {
		return
	}
	s.received = c.BytesReceived
	if s.grew == 0 {
		s.grew = at
	}
	if at.Sub(s.grew) >= talkFor {
		s.Talks = true
		s.prove(at, "the peer goes on sending new data on the same connection, so our acknowledgements reach it")
	}
}

// end notes that a stall is over. Bytes acknowledged at some size prove that this
// size gets through.
func (p *Path) end(s *Stall, at event.Time, size uint32) {
	if s.Ended != 0 {
		return
	}
	s.Ended, s.EndSize = at, size
	p.pass(size, at)
}

// pass learns a size that got through. Where at is not 0 it did so then, which
// clears the stalls of that size.
func (p *Path) pass(size uint32, at event.Time) {
	p.Passed, p.Likely = max(p.Passed, size), max(p.Likely, size)
	if at == 0 || size == 0 {
		return
	}
	if size >= p.Fresh.Size || at.Sub(p.Fresh.At) > freshFor {
		p.Fresh = Passage{size, at}
	}
	for s := range p.Stalls.All {
		if s.Ended == 0 && at >= s.First.Since && size >= s.Size {
			s.Large = true
		}
	}
}

// learn takes from a connection's counts which size must have got through: of so
// many bytes in so many segments at least one is as large as the mean. Segments
// that are SACKed did so in the flight that is stuck.
func (p *Path) learn(c *event.Connection, at event.Time) {
	if c.Delivered > 0 && c.BytesAcked > 0 {
		mean := meanOf(c.BytesAcked, c.Delivered)
		p.guess(c, mean)
		p.pass(min(mean, c.MSS)+c.Overhead, 0)
	}
	if c.Sacked > 0 && c.SackedBytes > 0 {
		p.pass(p.sizeOf(c, uint64(c.SackedBytes), c.Sacked), at)
	}
}

func meanOf(bytes uint64, segments uint32) uint32 { return uint32(bytes / uint64(segments)) }

// nearlyFull tells whether a mean is so near to a full segment that full ones are likely.
func nearlyFull(mean, mss uint32) bool { return float64(mean) >= fullShare*float64(mss) }

func (p *Path) guess(c *event.Connection, mean uint32) {
	if nearlyFull(mean, c.MSS) {
		p.Likely = max(p.Likely, c.FullSize())
	}
}

// sizeOf gives the wire size of a mean segment of a short while, or the full one where
// the mean is so near to it that full ones must be among them. Programs that write
// pieces of one size, somewhat less than full, give themselves away: their bytes are a
// multiple of their segments (7 MPEG-TS packets of 188 bytes, say).
func (p *Path) sizeOf(c *event.Connection, bytes uint64, segments uint32) uint32 {
	mean := meanOf(bytes, segments)
	p.guess(c, mean)
	alike := bytes%uint64(segments) == 0 && mean < c.MSS
	if nearlyFull(mean, c.MSS) && !alike {
		return c.FullSize()
	}
	return min(mean, c.MSS) + c.Overhead
}

// sizeSinceSYN is sizeOf for a whole connection, without its SYN, which counts as a
// segment and, at the side that sent it first, as a byte.
func (p *Path) sizeSinceSYN(c *event.Connection) uint32 {
	bytes, segments := c.BytesAcked, c.Delivered-1
	if segments == 0 {
		return uint32(min(bytes, uint64(c.MSS))) + c.Overhead
	}
	if (bytes-1)%uint64(segments) == 0 {
		bytes--
	}
	return p.sizeOf(c, bytes, segments)
}

func (p *Paths) takeConnections(e *event.Connections) {
	p.takeHoles(e)
	if !e.Peer.IsValid() {
		return
	}
	path := p.Path(PathKey{e.Netns, e.Peer})
	if path == nil {
		return
	}
	present := map[Tuple]bool{}
	for i := range e.Rows {
		c := &e.Rows[i]
		if c.Peer.Addr() == e.Peer {
			present[tupleOf(c)] = true
			path.takeConnection(c, e.Time)
		}
	}
	for s := range path.Stalls.All {
		if !present[s.Tuple] && e.Untold == 0 {
			path.end(s, e.Time, 0)
		}
	}
	path.swept = true
}

func (p *Path) takeConnection(c *event.Connection, at event.Time) {
	key := tupleOf(c)
	before, known := p.seen.Get(key)
	p.seen.Put(key, *c)
	p.receive(c, &before, at)
	if s, ok := p.Stalls.Get(key); ok && s.Ended == 0 && c.State != event.TCPTimeWait {
		if c.Unacked != s.First.Connection.Unacked {
			p.end(s, at, min(s.Last.Size, c.FullSize()))
			return
		}
		p.learn(c, at)
		if at.Sub(s.Last.Time) >= s.rto() {
			s.miss()
		}
		s.follow(c, at)
		return
	}
	if known {
		p.sacked(c, &before, at)
	}
	switch {
	case c.State == event.TCPSynSent:
		if c.Retransmits > 0 {
			p.Deaf = Sign{at, fmt.Sprintf("a new connection to %s gets no answer either", c.Peer)}
		}
	case !known && p.swept && c.State != event.TCPSynReceived:
		p.small(at, fmt.Sprintf("another connection with %s did its handshake since", p.Key.Peer))
		if c.Delivered > 0 && c.BytesAcked > 0 {
			p.pass(p.sizeSinceSYN(c), at)
		}
	case known && c.BytesAcked > before.BytesAcked && c.Delivered > before.Delivered:
		p.moved(c, &before, at)
	}
}

// fullSegments is how many full segments' worth of bytes must have come in before
// the kernel's guess at their size is trusted.
const fullSegments = 2

// receive notes that full-size segments came in since the sweep before, on a
// connection that waits for nothing.
func (p *Path) receive(c, before *event.Connection, at event.Time) {
	fresh := c.BytesReceived - before.BytesReceived
	if !p.swept || c.Hole > 0 || c.MSS == 0 || fresh < fullSegments*uint64(c.MSS) {
		return
	}
	if float64(c.ReceiveMSS) >= fullShare*float64(c.MSS) {
		p.Inward = Sign{at, fmt.Sprintf("segments of %d bytes come in from %s", c.ReceiveMSS+c.Overhead, p.Key.Peer)}
	}
}

// sacked learns from what was SACKed between two sweeps on a connection that does not
// time out: its segments got through then, although the bytes do not count as
// acknowledged before the hole is filled.
func (p *Path) sacked(c, before *event.Connection, at event.Time) {
	if c.Sacked > before.Sacked && c.SackedBytes > before.SackedBytes {
		p.pass(p.sizeOf(c, uint64(c.SackedBytes-before.SackedBytes), c.Sacked-before.Sacked), at)
	}
}

// moved learns from a connection that made progress between two sweeps.
func (p *Path) moved(c, before *event.Connection, at event.Time) {
	bytes, segments := c.BytesAcked-before.BytesAcked, c.Delivered-before.Delivered
	p.pass(p.sizeOf(c, bytes, segments), at)
	p.small(at, fmt.Sprintf("another connection got %d bytes in %d segments through to %s since", bytes, segments, p.Key.Peer))
}

// small notes that small packets go there and back.
func (p *Path) small(at event.Time, what string) {
	p.Small = Sign{at, what}
	for s := range p.Stalls.All {
		s.prove(at, what)
	}
}
