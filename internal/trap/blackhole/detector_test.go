// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package blackhole

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/trap/traptest"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	ns     event.Netns = 4026532000
	second             = event.Time(time.Second)
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func end(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func head(at event.Time) event.Header { return event.Header{Time: at, Netns: ns} }

func tick(at event.Time) *event.Tick { return &event.Tick{Header: event.Header{Time: at}} }

// stuck is a connection whose first full segment is not acknowledged.
func stuck(change func(*event.Connection)) event.Connection {
	c := event.Connection{
		Local: end("10.0.0.2:40000"), Peer: end("10.0.1.2:443"), State: event.TCPEstablished,
		Unacked: 1000, Next: 15480, Window: 65535, MSS: 1448, Overhead: 52, PathMTU: 1500,
		BytesAcked: 201, Delivered: 3, SegmentsIn: 3, Out: 10, Lost: 10,
	}
	if change != nil {
		change(&c)
	}
	return c
}

// resend is a time-out of the stuck segment: the first came a second after boot.
func resend(at event.Time, timeouts uint32, change func(*event.Connection)) *event.Retransmit {
	c := stuck(change)
	return &event.Retransmit{
		Header: head(at), Connection: c, Owner: event.Owner{PID: 7, Comm: "curl"},
		Since: second, Size: c.FullSize(), Timeouts: timeouts,
	}
}

func swept(at event.Time, rows ...event.Connection) *event.Connections {
	return &event.Connections{Header: head(at), Peer: addr("10.0.1.2"), Rows: rows}
}

func path(at event.Time, change func(*event.Path)) *event.Path {
	p := &event.Path{
		Header: head(at), Peer: addr("10.0.1.2"),
		Route: event.Route{Gateway: addr("10.0.0.1"), Iface: "eth0", Table: 254, Text: "default via 10.0.0.1 dev eth0"},
		Link:  event.Link{Index: 2, Name: "eth0", Type: "device", MTU: 1500},
	}
	if change != nil {
		change(p)
	}
	return p
}

// handshake is another connection with the peer, made since.
func handshake() event.Connection {
	return stuck(func(c *event.Connection) { c.Local, c.Out, c.Lost = end("10.0.0.2:40001"), 0, 0 })
}

func TestBlackholeIsSuspectedThenConfirmedByASmallExchange(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(path(second, nil), resend(2*second, 2, nil))
	seen, ok := desk.Last(DropsLarge)
	if !ok || seen.Status != finding.Suspected || seen.Severity != finding.Medium {
		t.Fatalf("saw %+v", seen)
	}
	desk.Feed(swept(2*second, stuck(nil)), swept(3*second, stuck(nil), handshake()), resend(3*second+1, 3, nil))
	if seen, _ = desk.Last(DropsLarge); seen.Status != finding.Suspected {
		t.Fatalf("the resend since may get through yet: %+v", seen)
	}
	desk.Feed(swept(4*second, stuck(nil), handshake()))
	seen, _ = desk.Last(DropsLarge)
	if seen.Status != finding.Confirmed || seen.Severity != finding.High {
		t.Fatalf("saw %+v", seen)
	}
	f := desk.Describe(seen.Key)
	if *f.MTU != (finding.MTU{LargestPassed: 152, SmallestLost: 1500, Interface: 1500}) {
		t.Errorf("sizes %+v", f.MTU)
	}
	if got := f.Fix[0].Op.Shell(); got != "ip route replace 10.0.1.2/32 via 10.0.0.1 dev eth0 mtu 1280" {
		t.Errorf("first fix %q", got)
	}
	if got := f.Undo[0].Op.Shell(); got != "ip route del 10.0.1.2/32 dev eth0" {
		t.Errorf("first undo %q", got)
	}
	if f.Process.Name != "curl" || f.Flow.SourcePort != 40000 {
		t.Errorf("told of %+v, %+v", f.Process, f.Flow)
	}
}

func TestProofsThatSmallPacketsPass(t *testing.T) {
	talking := func(c *event.Connection) { c.BytesReceived = 900 }
	for name, more := range map[string][]event.Event{
		"a smaller segment was SACKed": {resend(3*second, 3, func(c *event.Connection) { c.Sacked, c.SackedBytes = 1, 400 })},
		"the peer goes on talking":     {resend(3*second, 3, talking), swept(4*second, stuck(talking))},
	} {
		desk := traptest.New(New())
		talk := resend(2*second, 2, func(c *event.Connection) { c.BytesReceived = 400 })
		desk.Feed(path(second, nil), resend(second, 2, nil), talk)
		desk.Feed(more...)
		if seen, _ := desk.Last(DropsLarge); seen.Status != finding.Confirmed {
			t.Errorf("%s: %+v", name, seen)
		}
	}
}

func TestBlackholeIgnores(t *testing.T) {
	zero := func(c *event.Connection) { c.Window = 0 }
	sacked := func(c *event.Connection) { c.Sacked, c.SackedBytes = 4, 4*1448 }
	doubled := func(c *event.Connection) { c.DSACKs = 1 }
	bulk := func(c *event.Connection) { c.BytesAcked, c.Delivered = 1448001, 1001 }
	little := func(c *event.Connection) { c.MSS = 400 }
	told := &event.TooBig{
		Header: head(second + second/2), Way: event.TooBigAccepted, MTU: 1400,
		Inner: event.Packet{Source: end("10.0.0.2:40000"), Destination: end("10.0.1.2:443"), Length: 1500},
	}
	unanswered := stuck(func(c *event.Connection) {
		c.Local, c.State, c.Retransmits = end("10.0.0.2:40009"), event.TCPSynSent, 1
	})
	for name, events := range map[string][]event.Event{
		"a closed window":              {resend(2*second, 2, zero), resend(3*second, 3, zero)},
		"full segments that get there": {resend(2*second, 2, sacked), resend(3*second, 4, sacked)},
		"segments that came twice":     {resend(2*second, 1, nil), resend(3*second, 2, doubled)},
		"a peer that died mid-way":     {resend(2*second, 2, bulk), resend(3*second, 3, bulk), resend(9*second, 9, bulk)},
		"loss of small segments":       {resend(2*second, 2, little), resend(3*second, 3, little)},
		"an error that came in":        {told, resend(2*second, 2, nil), resend(3*second, 3, nil)},
		"a peer deaf to small ones":    {swept(second, unanswered), resend(second, 1, nil), swept(2*second, stuck(nil), unanswered), resend(3*second, 3, nil)},
	} {
		desk := traptest.New(New())
		desk.Feed(path(second, nil))
		desk.Feed(events...)
		desk.Feed(tick(20 * second))
		if len(desk.Sightings) > 0 {
			t.Errorf("%s: %+v", name, desk.Sightings)
		}
	}
}

func TestSizeThatPassedBeforeNeedsMoreProof(t *testing.T) {
	before := func(c *event.Connection) { c.BytesAcked, c.Delivered, c.Out, c.Next = 1448001, 1001, 1, 2448 }
	rows := []event.Connection{stuck(before), handshake()}
	desk := traptest.New(New())
	desk.Feed(path(second, nil), resend(2*second, 2, before), swept(2*second, stuck(before)), swept(3*second, rows...),
		resend(4*second, 4, before), swept(6*second, rows...))
	if len(desk.Sightings) > 0 {
		t.Fatalf("saw %+v", desk.Sightings)
	}
	desk.Feed(resend(8*second, 5, before))
	if seen, _ := desk.Last(DropsLarge); seen.Status != finding.Confirmed {
		t.Errorf("saw %+v", seen)
	}
}

// A route changes in the middle of a transfer: a whole flight is lost.
func TestPathThatBecomesNarrowerShowsInTheFlightThatIsLost(t *testing.T) {
	before := func(c *event.Connection) { c.BytesAcked, c.Delivered = 1448001, 1001 }
	rows := []event.Connection{stuck(before), handshake()}
	desk := traptest.New(New())
	desk.Feed(path(second, nil), resend(2*second, 2, before), swept(2*second, stuck(before)), swept(3*second, rows...),
		resend(4*second, 3, before), swept(5*second, rows...))
	seen, _ := desk.Last(DropsLarge)
	if seen.Status != finding.Suspected {
		t.Fatalf("saw %+v", seen)
	}
	if sizes := desk.Describe(seen.Key).MTU; sizes.LargestPassed != 0 {
		t.Errorf("what passed before the change is told as %d", sizes.LargestPassed)
	}
	desk.Feed(resend(8*second, 4, before), swept(10*second, rows...))
	if seen, _ = desk.Last(DropsLarge); seen.Status != finding.Confirmed {
		t.Errorf("saw %+v", seen)
	}
}

func TestOutageThatIsOverIsNotConfirmed(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(path(second, nil), resend(2*second, 2, nil), swept(2*second, stuck(nil)), resend(4*second, 3, nil), resend(8*second, 4, nil),
		swept(9*second, stuck(nil), handshake()), tick(9*second+1), swept(11*second, stuck(nil), handshake()), tick(11*second+1))
	seen, _ := desk.Last(DropsLarge)
	if seen.Status != finding.Suspected {
		t.Fatalf("saw %+v", seen)
	}
	desk.Feed(swept(16*second, stuck(func(c *event.Connection) { c.Unacked += 1448 })), tick(16*second+1))
	if got := desk.Mended[seen.Key]; !strings.Contains(got, "packets of 1500 bytes get through") {
		t.Errorf("mended for %q", got)
	}
}

func TestSuspicionIsTakenBackWhereSmallSegmentsHangToo(t *testing.T) {
	small := resend(3*second, 2, func(c *event.Connection) { c.Local, c.MSS = end("10.0.0.2:40007"), 100 })
	desk := traptest.New(New())
	desk.Feed(path(second, nil), resend(2*second, 2, nil), small, tick(3*second+1))
	seen, ok := desk.Last(DropsLarge)
	if got := desk.Mended[seen.Key]; !ok || !strings.Contains(got, "152 bytes") {
		t.Errorf("saw %+v, mended for %q", seen, got)
	}
}

func TestShortOutageIsNotSuspected(t *testing.T) {
	quick := resend(second+second/5, 2, nil)
	desk := traptest.New(New())
	desk.Feed(path(second, nil), quick, tick(second+second/2))
	if len(desk.Sightings) > 0 {
		t.Errorf("two time-outs within 0.3 s and no proof: %+v", desk.Sightings)
	}
}

func TestFindingEndsWhenStuckBytesGetThrough(t *testing.T) {
	for name, test := range map[string]struct {
		moved  func(*event.Connection)
		reason string
	}{
		"at full size": {func(c *event.Connection) { c.Unacked += 1448 }, "packets of 1500 bytes get through"},
		"shrunk":       {func(c *event.Connection) { c.Unacked += 1228; c.MSS = 1228 }, "shrank from 1500 to 1280"},
	} {
		desk := traptest.New(New())
		desk.Feed(path(second, nil), resend(2*second, 2, nil), tick(2*second+1), swept(4*second, stuck(test.moved)), tick(4*second+1))
		seen, _ := desk.Last(DropsLarge)
		if got := desk.Mended[seen.Key]; !strings.Contains(got, test.reason) {
			t.Errorf("%s: mended for %q", name, got)
		}
	}
}

func TestClosedConnectionAloneMendsNothing(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(path(second, nil), resend(2*second, 2, nil), tick(2*second+1), swept(4*second), tick(5*second))
	if len(desk.Mended) > 0 {
		t.Errorf("mended %v", desk.Mended)
	}
}

func TestLaterConnectionProvesThatThePathIsMended(t *testing.T) {
	narrow := path(6*second, func(p *event.Path) { p.Route.MTU = 1280 })
	begun := stuck(func(c *event.Connection) {
		c.Local, c.MSS, c.BytesAcked, c.Delivered, c.Out, c.Lost = end("10.0.0.2:40002"), 1228, 122801, 101, 0, 0
	})
	desk := traptest.New(New())
	desk.Feed(path(second, nil), resend(2*second, 2, nil), tick(2*second+1), swept(4*second), narrow, swept(7*second, begun), tick(7*second+1))
	seen, _ := desk.Last(DropsLarge)
	if got := desk.Mended[seen.Key]; !strings.Contains(got, "held to 1280 bytes") {
		t.Errorf("mended for %q", got)
	}
}

func TestKernelThatProbesByItselfIsOnlyANote(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(path(second, func(p *event.Path) { p.MTUProbing = 1 }), resend(2*second, 2, nil))
	if seen, ok := desk.Last(DropsLarge); !ok || seen.Severity != finding.Low {
		t.Errorf("saw %+v", seen)
	}
}

func TestVerdictWaitsForFactsAndThenGoesWithoutThem(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(resend(2*second, 2, nil))
	if len(desk.Sightings) > 0 {
		t.Fatal("a verdict before the facts were due")
	}
	desk.Feed(tick(3 * second))
	if len(desk.Sightings) > 0 {
		t.Fatal("a suspicion that may be a tunnel's for all that is known")
	}
	desk.Feed(tick(5 * second))
	if _, ok := desk.Last(DropsLarge); !ok {
		t.Error("no verdict although the facts are overdue")
	}
}

func TestFactsThatComeLateStillNameTheTunnel(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(resend(2*second, 2, nil), tick(3*second), tick(4*second), path(4*second+1, func(p *event.Path) {
		p.Link = event.Link{Index: 9, Name: "vx0", Type: "vxlan", MTU: 1500, Overhead: 50}
		p.Under = event.Link{Index: 2, Name: "eth0", MTU: 1500}
	}))
	for _, seen := range desk.Sightings {
		if seen.Key.Cause != OverlayMismatch {
			t.Errorf("saw %+v", seen)
		}
	}
	if len(desk.Sightings) == 0 {
		t.Error("saw nothing once the facts were there")
	}
}

func TestTunnelThatPromisesTooMuchIsNamed(t *testing.T) {
	over := func(p *event.Path) {
		p.Link = event.Link{Index: 9, Name: "vx0", Type: "vxlan", MTU: 1500, Overhead: 50}
		p.Under = event.Link{Index: 2, Name: "eth0", MTU: 1500}
	}
	desk := traptest.New(New())
	desk.Feed(path(second, over), resend(2*second, 2, nil))
	seen, ok := desk.Last(OverlayMismatch)
	if !ok || seen.Rank <= rankPath {
		t.Fatalf("saw %+v", desk.Sightings)
	}
	f := desk.Describe(seen.Key)
	if got := f.Fix[0].Op; got != (finding.LinkOp{Dev: "vx0", MTU: 1450}) || f.MTU.Path != 1450 {
		t.Errorf("first fix %v, sizes %+v", got, f.MTU)
	}
	fits := traptest.New(New())
	fits.Feed(path(second, func(p *event.Path) { over(p); p.Link.MTU = 1450 }), resend(2*second, 2, nil))
	if _, ok := fits.Last(OverlayMismatch); ok {
		t.Error("a tunnel that fits was blamed")
	}
}
