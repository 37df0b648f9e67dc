// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"net/netip"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
)

const pathNS event.Netns = 4026532000

func end(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// bulk is a connection that sends full segments of 1448 bytes in packets of 1500.
func bulk(port string, change func(*event.Connection)) event.Connection {
	c := event.Connection{
		Local: end("10.0.0.2:" + port), Peer: end("10.0.1.2:443"), State: event.TCPEstablished,
		Unacked: 1000, Next: 15480, Window: 65535, MSS: 1448, Overhead: 52, PathMTU: 1500,
		BytesAcked: 1, Delivered: 1, SegmentsIn: 1,
	}
	if change != nil {
		change(&c)
	}
	return c
}

func resend(at event.Time, timeouts uint32, c event.Connection) *event.Retransmit {
	return &event.Retransmit{
		Header: event.Header{Time: at, Netns: pathNS}, Connection: c,
		Since: second, Size: c.FullSize(), Timeouts: timeouts,
	}
}

func swept(at event.Time, rows ...event.Connection) *event.Connections {
	return &event.Connections{
		Header: event.Header{Time: at, Netns: pathNS}, Peer: netip.MustParseAddr("10.0.1.2"), Rows: rows,
	}
}

func pathOf(t *testing.T, events ...event.Event) *Path {
	t.Helper()
	p := NewPaths()
	for _, e := range events {
		p.Take(e)
	}
	path := p.Path(PathKey{pathNS, netip.MustParseAddr("10.0.1.2")})
	if path == nil {
		t.Fatal("the path is not known")
	}
	return path
}

func TestPassedIsWhatCountsProve(t *testing.T) {
	for name, test := range map[string]struct {
		change         func(*event.Connection)
		passed, likely uint32
	}{
		"handshake only":                {nil, 53, 53},
		"a bulk transfer is near full":  {func(c *event.Connection) { c.BytesAcked, c.Delivered = 144801, 101 }, 1485, 1500},
		"short messages are short":      {func(c *event.Connection) { c.BytesAcked, c.Delivered = 20001, 101 }, 250, 250},
		"full segments were SACKed":     {func(c *event.Connection) { c.Sacked, c.SackedBytes = 3, 3*1448 }, 1500, 1500},
		"full ones and a tail":          {func(c *event.Connection) { c.Sacked, c.SackedBytes = 12, 11*1448+301 }, 1500, 1500},
		"a short one was SACKed":        {func(c *event.Connection) { c.Sacked, c.SackedBytes = 1, 300 }, 352, 352},
		"pieces of 1316 bytes are less": {func(c *event.Connection) { c.Sacked, c.SackedBytes = 3, 3*1316 }, 1368, 1500},
	} {
		path := pathOf(t, resend(2*second, 2, bulk("40000", test.change)))
		if path.Passed != test.passed || path.Likely != test.likely {
			t.Errorf("%s: %d, likely %d, want %d and %d", name, path.Passed, path.Likely, test.passed, test.likely)
		}
	}
}

func TestPiecesThatPassDoNotClearFullSegments(t *testing.T) {
	pieces := func(n uint64) event.Connection {
		return bulk("50000", func(c *event.Connection) { c.BytesAcked, c.Delivered = 1+n*1316, uint32(1+n) })
	}
	mixed := bulk("50000", func(c *event.Connection) { c.BytesAcked, c.Delivered = 1+19*1448+77, 21 })
	for name, test := range map[string]struct {
		row  event.Connection
		want bool
	}{
		"pieces of one size":           {pieces(30), false},
		"full segments and their tail": {mixed, true},
	} {
		stalled := bulk("40000", nil)
		path := pathOf(t, resend(2*second, 2, stalled), swept(2*second, stalled, pieces(0)), swept(3*second, stalled, test.row))
		if s, _ := path.Stalls.Get(Tuple{stalled.Local, stalled.Peer}); s.Large != test.want {
			t.Errorf("%s: large %v", name, s.Large)
		}
	}
}

func TestWhatAnotherConnectionHasSACKedGotThrough(t *testing.T) {
	row := func(sacked, bytes uint32) event.Connection {
		return bulk("50000", func(c *event.Connection) {
			c.Sacked, c.SackedBytes, c.BytesAcked, c.Delivered = sacked, bytes, 18, 2+sacked
		})
	}
	for name, test := range map[string]struct {
		before, after event.Connection
		want          bool
	}{
		"full segments":             {row(0, 0), row(4, 4*1448), true},
		"a short one":               {row(0, 0), row(1, 300), false},
		"full ones, but long since": {row(4, 4*1448), row(4, 4*1448), false},
	} {
		stalled := bulk("40000", nil)
		path := pathOf(t, resend(2*second, 2, stalled), swept(2*second, stalled, test.before), swept(3*second, stalled, test.after))
		if s, _ := path.Stalls.Get(Tuple{stalled.Local, stalled.Peer}); s.Large != test.want {
			t.Errorf("%s: large %v", name, s.Large)
		}
	}
}

func TestResendIsMissedOnlyAfterSmallPacketsPassed(t *testing.T) {
	stalled, other := bulk("40000", nil), bulk("50001", nil)
	again := func(at event.Time, timeouts uint32) *event.Retransmit { return resend(at, timeouts, stalled) }
	began := []event.Event{again(2*second, 2), swept(2*second, stalled), again(4*second, 3), swept(5*second, stalled, other)}
	for name, test := range map[string]struct {
		then []event.Event
		want int
	}{
		"none was sent since":           {[]event.Event{swept(7*second, stalled, other)}, 0},
		"one was, a moment ago":         {[]event.Event{again(8*second, 4), swept(8*second+1, stalled, other)}, 0},
		"one was, and a round trip ago": {[]event.Event{again(8*second, 4), swept(9*second, stalled, other), swept(10*second, stalled, other)}, 1},
		"two were":                      {[]event.Event{again(8*second, 4), again(16*second, 5), swept(20*second, stalled, other)}, 2},
	} {
		path := pathOf(t, append(began, test.then...)...)
		if s, _ := path.Stalls.Get(Tuple{stalled.Local, stalled.Peer}); s.Missed != test.want {
			t.Errorf("%s: %d, want %d", name, s.Missed, test.want)
		}
	}
}

func TestSmallSegmentThatTimesOutIsDeafness(t *testing.T) {
	small := resend(2*second, 2, bulk("40000", nil))
	small.Size = 120
	if path := pathOf(t, small); path.Deaf.At != 2*second {
		t.Errorf("deaf at %d", path.Deaf.At)
	}
}

func TestStallEndsAtTheSizeThatGotThrough(t *testing.T) {
	moved := func(c *event.Connection) { c.Unacked += 1228; c.MSS = 1228 }
	path := pathOf(t, resend(2*second, 2, bulk("40000", nil)), swept(3*second, bulk("40000", moved)))
	s, _ := path.Stalls.Get(Tuple{end("10.0.0.2:40000"), end("10.0.1.2:443")})
	if s.Ended != 3*second || s.EndSize != 1280 || s.Large {
		t.Errorf("ended %d at size %d, large %v", s.Ended, s.EndSize, s.Large)
	}
}

func TestStallOfAGoneConnectionProvesNothing(t *testing.T) {
	path := pathOf(t, resend(2*second, 2, bulk("40000", nil)), swept(3*second))
	s, _ := path.Stalls.Get(Tuple{end("10.0.0.2:40000"), end("10.0.1.2:443")})
	if s.Ended == 0 || s.EndSize != 0 || path.Passed != 53 {
		t.Errorf("ended %d at %d, passed %d", s.Ended, s.EndSize, path.Passed)
	}
}

func TestSmallPassesAreNoticedOnOtherConnections(t *testing.T) {
	acked := func(c *event.Connection) { c.BytesAcked, c.Delivered = 201, 3 }
	began := []event.Event{resend(2*second, 2, bulk("40000", nil)), swept(2*second, bulk("40000", nil), bulk("50000", nil))}
	for name, test := range map[string]struct {
		row  event.Connection
		want bool
	}{
		"the same as before": {bulk("50000", nil), false},
		"progress":           {bulk("50000", acked), true},
		"a new handshake":    {bulk("50001", nil), true},
		"only a SYN":         {bulk("50001", func(c *event.Connection) { c.State = event.TCPSynSent }), false},
	} {
		path := pathOf(t, append(began, swept(3*second, bulk("40000", nil), test.row))...)
		if got := path.Small.At != 0; got != test.want {
			t.Errorf("%s: %v (%s)", name, got, path.Small.What)
		}
	}
}

func TestSYNWithoutAnswerIsDeafness(t *testing.T) {
	unanswered := bulk("50001", func(c *event.Connection) { c.State, c.Retransmits = event.TCPSynSent, 2 })
	path := pathOf(t, resend(2*second, 2, bulk("40000", nil)), swept(3*second, bulk("40000", nil), unanswered))
	if path.Deaf.At != 3*second {
		t.Errorf("deaf at %d", path.Deaf.At)
	}
}

func TestPeerTalksOnlyIfItGoesOnTalking(t *testing.T) {
	received := func(n uint64) event.Connection {
		return bulk("40000", func(c *event.Connection) { c.BytesReceived = n })
	}
	path := pathOf(t, resend(2*second, 2, received(0)), resend(3*second, 3, received(500)))
	s, _ := path.Stalls.Get(Tuple{end("10.0.0.2:40000"), end("10.0.1.2:443")})
	if s.Talks {
		t.Error("data that was on its way counts as talk")
	}
	again := resend(4*second, 4, received(900))
	again.Since = second
	path = pathOf(t, resend(2*second, 2, received(0)), resend(3*second, 3, received(500)), again)
	if s, _ := path.Stalls.Get(Tuple{end("10.0.0.2:40000"), end("10.0.1.2:443")}); !s.Talks {
		t.Error("new data a second later is no talk")
	}
}

func TestPathsAreBounded(t *testing.T) {
	p := NewPaths()
	for i := range maxPaths + 10 {
		e := resend(second, 2, bulk("40000", nil))
		e.Netns = event.Netns(i)
		p.Take(e)
	}
	if p.Evicted() != 10 {
		t.Errorf("evicted %d", p.Evicted())
	}
}

func TestHoleLastsUntilTheSweepMissesIt(t *testing.T) {
	waits := bulk("40000", func(c *event.Connection) { c.Hole, c.Queued, c.ReceiveNext = 2896, 600, 7 })
	p := NewPaths()
	holes := func() (open, ended int) {
		for h := range p.Holes {
			if h.Ended == 0 {
				open++
			} else {
				ended++
			}
		}
		return open, ended
	}
	p.Take(swept(second, waits))
	p.Take(swept(3*second, waits))
	for h := range p.Holes {
		if h.Age() != 2*time.Second || h.Sweeps != 2 {
			t.Errorf("age %s, %d sweeps", h.Age(), h.Sweeps)
		}
	}
	p.Take(swept(4 * second))
	if open, ended := holes(); open != 0 || ended != 1 {
		t.Errorf("%d open, %d ended", open, ended)
	}
	p.Take(swept(5 * second))
	if open, ended := holes(); open+ended != 0 {
		t.Errorf("%d open, %d ended: none is left", open, ended)
	}
}
