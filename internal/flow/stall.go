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

	received uint64
	grew     event.Time
}

// talkFor is for how long new data must come in, so that it cannot be what the peer
// had already sent without waiting for an acknowledgement.
const talkFor = 800 * time.Millisecond

// freshFor is for how long a passage hides smaller ones.
const freshFor = 5 * time.Second

// fullShare is the share of the MSS that a mean segment must reach to count as full:
// a bulk transfer's mean is pulled down by its few short segments.
const fullShare = 0.9

func (p *Paths) takeRetransmit(e *event.Retransmit) {
	c := &e.Connection
	path := p.path(PathKey{e.Netns, c.Peer.Addr()}, c.Local.Addr())
	s, known := path.Stalls.Get(tupleOf(c))
	if known && s.First.Connection.Unacked != c.Unacked {
		path.end(s, e.Time, s.Last.Size)
		known = false
	}
	if !known || s.Ended != 0 {
		s = &Stall{Tuple: tupleOf(c), First: *e, Size: e.Size, received: c.BytesReceived}
	}
	s.Last = *e
	path.Stalls.Put(s.Tuple, s)
	path.learn(c, e.Time)
	path.pass(e.Passed, 0)
	s.follow(c, e.Time)
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
	s.Talks = s.Talks || at.Sub(s.grew) >= talkFor
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
	p.Passed = max(p.Passed, size)
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
		p.pass(sizeOf(c, c.BytesAcked, c.Delivered), 0)
	}
	if c.Sacked > 0 && c.SackedBytes > 0 {
		p.pass(sizeOf(c, uint64(c.SackedBytes), c.Sacked), at)
	}
}

// sizeOf gives the wire size of a mean segment, or the full one where the mean is
// so near to it that full ones must be among them.
func sizeOf(c *event.Connection, bytes uint64, segments uint32) uint32 {
	mean := uint32(bytes / uint64(segments))
	if float64(mean) >= fullShare*float64(c.MSS) {
		return c.FullSize()
	}
	return mean + c.Overhead
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
		s.follow(c, at)
		return
	}
	switch {
	case c.State == event.TCPSynSent:
		if c.Retransmits > 0 {
			p.Deaf = Sign{at, fmt.Sprintf("a new connection to %s gets no answer either", c.Peer)}
		}
	case !known && p.swept && c.State != event.TCPSynReceived:
		p.Small = Sign{at, fmt.Sprintf("another connection with %s did its handshake since", p.Key.Peer)}
		if c.Delivered > 0 && c.BytesAcked > 0 {
			p.pass(sizeOf(c, c.BytesAcked, c.Delivered), at)
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

// moved learns from a connection that made progress between two sweeps.
func (p *Path) moved(c, before *event.Connection, at event.Time) {
	bytes, segments := c.BytesAcked-before.BytesAcked, c.Delivered-before.Delivered
	size := sizeOf(c, bytes, segments)
	p.pass(size, at)
	p.Small = Sign{at, fmt.Sprintf("another connection got %d bytes in %d segments through to %s since", bytes, segments, p.Key.Peer)}
}
