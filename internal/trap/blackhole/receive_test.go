// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package blackhole

import (
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/trap/traptest"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// waits is a client whose server's full segments do not arrive.
func waits(change func(*event.Connection)) event.Connection {
	return stuck(func(c *event.Connection) {
		c.Unacked, c.Next, c.Out, c.Lost = 1, 1, 0, 0
		c.ReceiveNext, c.Hole, c.Queued, c.ReceiveMSS, c.SegmentsIn = 500, 2896, 700, 536, 4
		if change != nil {
			change(c)
		}
	})
}

func holes(at event.Time, rows ...event.Connection) *event.Connections {
	return &event.Connections{Header: head(at), Rows: rows}
}

func TestReceiverIsSuspectedThenConfirmedByTime(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(path(second, nil), holes(2*second, waits(nil)))
	if len(desk.Sightings) > 0 {
		t.Fatal("a hole that was seen once is everyday")
	}
	desk.Feed(holes(3*second, waits(nil)))
	if seen, _ := desk.Last(DropsLargeInbound); seen.Status != finding.Suspected {
		t.Fatalf("saw %+v", seen)
	}
	desk.Feed(holes(5*second, waits(nil)))
	seen, _ := desk.Last(DropsLargeInbound)
	if seen.Status != finding.Confirmed {
		t.Fatalf("saw %+v", seen)
	}
	f := desk.Describe(seen.Key)
	if f.Flow.Source != addr("10.0.1.2") || f.Flow.Direction != "ingress" || f.Ingress != "eth0" || f.MTU.SmallestLost != 1500 {
		t.Errorf("told of %+v by %q, sizes %+v", f.Flow, f.Ingress, f.MTU)
	}
}

func TestReceiverIgnores(t *testing.T) {
	for name, c := range map[string]event.Connection{
		"a hole of one small segment":    waits(func(c *event.Connection) { c.Hole = 300 }),
		"large segments behind the hole": waits(func(c *event.Connection) { c.Queued = 5000 }),
		"large segments before the hole": waits(func(c *event.Connection) { c.ReceiveMSS = 1448 }),
	} {
		desk := traptest.New(New())
		desk.Feed(path(second, nil), holes(2*second, c), holes(3*second, c), holes(6*second, c), holes(9*second, c))
		if len(desk.Sightings) > 0 {
			t.Errorf("%s: %+v", name, desk.Sightings)
		}
	}
}

func TestNearlyFullSegmentBehindTheHoleProvesNothing(t *testing.T) {
	c := waits(func(c *event.Connection) { c.Queued, c.ReceiveMSS = 1320, 1320 })
	desk := traptest.New(New())
	desk.Feed(path(second, nil), holes(2*second, c), holes(3*second, c))
	seen, ok := desk.Last(DropsLargeInbound)
	if !ok {
		t.Fatal("saw nothing")
	}
	if got := desk.Describe(seen.Key).MTU.LargestPassed; got != 1372 {
		t.Errorf("the largest that passed is told as %d", got)
	}
}

func TestTailThatCameInTwiceSaysNothingOfWhatCameBefore(t *testing.T) {
	tail := waits(func(c *event.Connection) {
		c.BytesReceived, c.Queued, c.ReceiveMSS = 18*1448, 1048, 1048
	})
	desk := traptest.New(New())
	desk.Feed(path(second, nil), holes(2*second, tail), holes(3*second, tail), holes(4*second, tail))
	if len(desk.Sightings) > 0 {
		t.Errorf("loss of the last full segments is taken for a black hole: %+v", desk.Sightings)
	}
	desk.Feed(holes(5*second, tail))
	if seen, ok := desk.Last(DropsLargeInbound); !ok || seen.Status != finding.Suspected {
		t.Errorf("a hole that stays for 3 s is seen as %+v", seen)
	}
}

func TestPiecesBeforeTheHoleDoNotHideFullSegmentsInIt(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*event.Connection)
		want   int
	}{
		"the hole is full segments": {func(c *event.Connection) { c.Hole, c.ReceiveMSS = 2*1448, 1316 }, 1},
		"the hole is more pieces":   {func(c *event.Connection) { c.Hole, c.ReceiveMSS = 2*1316, 1316 }, 0},
	} {
		desk := traptest.New(New())
		desk.Feed(path(second, nil), holes(2*second, waits(test.change)), holes(3*second, waits(test.change)))
		if len(desk.Sightings) != test.want {
			t.Errorf("%s: %+v", name, desk.Sightings)
		}
	}
}

func TestHoleThatIsFilledInTimeIsLoss(t *testing.T) {
	filled := waits(func(c *event.Connection) { c.ReceiveNext, c.Hole, c.Queued = 9000, 2896, 700 })
	desk := traptest.New(New())
	desk.Feed(path(second, nil), holes(2*second, waits(nil)), holes(3*second, filled), holes(4*second))
	if len(desk.Sightings) > 0 {
		t.Errorf("saw %+v", desk.Sightings)
	}
}

func TestReceiverIsMendedByFullSegmentsFromThePeer(t *testing.T) {
	fresh := stuck(func(c *event.Connection) {
		c.Local, c.MSS, c.ReceiveMSS, c.BytesReceived = end("10.0.0.2:40003"), 1228, 1228, 8000
	})
	desk := traptest.New(New())
	desk.Feed(path(second, nil), holes(2*second, waits(nil)), holes(5*second, waits(nil)), tick(5*second+1), swept(6*second, waits(nil)),
		swept(7*second, waits(nil), fresh), tick(7*second+1))
	seen, _ := desk.Last(DropsLargeInbound)
	if got := desk.Mended[seen.Key]; !strings.Contains(got, "1280 bytes come in") {
		t.Errorf("mended for %q", got)
	}
	before := len(desk.Sightings)
	desk.Feed(holes(9*second, waits(nil)), tick(9*second+1))
	if len(desk.Sightings) != before {
		t.Error("a connection that is left over opened the finding again")
	}
}

func oversized(at event.Time, count uint64, change func(*event.Drop)) *event.Drop {
	d := &event.Drop{
		Header: head(at), Reason: "NOT_SPECIFIED", Symbol: "br_dev_queue_push_xmit", Ifindex: 3, Iface: "port1", DeviceMTU: 1400,
		Packet: event.Packet{Source: end("10.0.0.2:40000"), Destination: end("10.0.1.2:443"), Protocol: event.ProtocolTCP, Length: 1500},
		Count:  count, Sampled: true,
	}
	if change != nil {
		change(d)
	}
	return d
}

func TestOversizeDropIsConfirmedByTheSecond(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(oversized(second, 1, nil))
	if seen, _ := desk.Last(LinkDropsOversize); seen.Status != finding.Suspected {
		t.Fatalf("saw %+v", seen)
	}
	desk.Feed(oversized(2*second, 5, nil))
	seen, _ := desk.Last(LinkDropsOversize)
	if seen.Status != finding.Confirmed || seen.New != 4 {
		t.Fatalf("saw %+v", seen)
	}
	f := desk.Describe(seen.Key)
	if f.Fix[0].Op != (finding.LinkOp{Dev: "port1", MTU: 1500}) || f.Undo[0].Op != (finding.LinkOp{Dev: "port1", MTU: 1400}) {
		t.Errorf("fix %v, undo %v", f.Fix[0].Op, f.Undo[0].Op)
	}
}

func TestOversizeDropsOfOtherKindsAreIgnored(t *testing.T) {
	for name, change := range map[string]func(*event.Drop){
		"a packet that fits":         func(d *event.Drop) { d.Packet.Length = 1400 },
		"a super-packet":             func(d *event.Drop) { d.Packet.Length, d.Packet.SegmentSize = 60000, 1348 },
		"code that forwards nothing": func(d *event.Drop) { d.Symbol = "tcp_v4_rcv" },
		"another reason":             func(d *event.Drop) { d.Reason = "IP_RPFILTER" },
	} {
		desk := traptest.New(New())
		desk.Feed(oversized(second, 1, change), oversized(2*second, 9, change))
		if len(desk.Sightings) > 0 {
			t.Errorf("%s: %+v", name, desk.Sightings)
		}
	}
}

func TestBridgeWithNetfilterIsSeenToDropIPv6(t *testing.T) {
	cut := func(d *event.Drop) { d.Symbol, d.OutIfindex, d.OutIface, d.OutMTU = "ip6_fragment", 4, "br0", 1400 }
	own := func(d *event.Drop) { d.Symbol, d.OutIfindex, d.OutIface, d.OutMTU = "ip6_fragment", 3, "port1", 1400 }
	desk := traptest.New(New())
	desk.Feed(oversized(second, 1, own))
	if len(desk.Sightings) > 0 {
		t.Errorf("what this host itself could not send: %+v", desk.Sightings)
	}
	desk.Feed(oversized(2*second, 2, cut))
	if _, ok := desk.Last(LinkDropsOversize); !ok {
		t.Error("nothing was seen")
	}
}

func TestFarEndOfACableIsBlamedForWhatItRefuses(t *testing.T) {
	far := func(d *event.Drop) {
		d.Symbol, d.DeviceMTU, d.OutIfindex, d.OutIface, d.OutMTU = "__dev_forward_skb2", 1500, 2, "eth0", 1400
	}
	desk := traptest.New(New())
	desk.Feed(oversized(second, 1, far), oversized(2*second, 2, far))
	seen, ok := desk.Last(LinkDropsOversize)
	if !ok {
		t.Fatal("nothing was seen")
	}
	f := desk.Describe(seen.Key)
	if f.Fix[0].Op != (finding.LinkOp{Dev: "port1", MTU: 1400}) || f.MTU.Path != 1400 || f.MTU.Interface != 1500 {
		t.Errorf("fix %v, sizes %+v", f.Fix[0].Op, f.MTU)
	}
}

func TestMendedDeviceClosesTheFinding(t *testing.T) {
	taken := &event.Routing{Header: head(5 * second), Interfaces: []event.Interface{{Index: 3, Name: "port1", MTU: 1500}}}
	desk := traptest.New(New())
	desk.Feed(oversized(second, 1, nil), oversized(2*second, 2, nil), taken, tick(5*second))
	seen, _ := desk.Last(LinkDropsOversize)
	if !strings.Contains(desk.Mended[seen.Key], "takes these packets") {
		t.Errorf("mended for %q", desk.Mended[seen.Key])
	}
}

func TestEveryNamespaceIsSweptForHoles(t *testing.T) {
	desk := traptest.New(New())
	for id := range event.Netns(40) {
		desk.Feed(&event.Namespace{Header: event.Header{Netns: ns + id}})
	}
	desk.Feed(tick(second), tick(second+second/4), tick(second+second/2))
	asked := map[event.Netns]bool{}
	for _, w := range desk.Wants {
		asked[w.Netns] = true
	}
	if len(asked) != 40 {
		t.Errorf("%d of 40 namespaces were swept in three ticks", len(asked))
	}
}

func TestHeldToLessIsMended(t *testing.T) {
	smaller := path(9*second, func(p *event.Path) { p.Route.MTU = 1280 })
	early := path(5*second+1, func(p *event.Path) { p.Route.MTU = 1280 })
	for name, test := range map[string]struct {
		cause  finding.Cause
		events []event.Event
		facts  *event.Path
		want   string
	}{
		"a sender whose short connections no sweep meets": {
			DropsLarge, []event.Event{resend(2*second, 2, nil), swept(3*second, stuck(nil)), swept(5 * second)}, smaller, "held to 1280",
		},
		"a receiver that told a smaller segment size": {
			DropsLargeInbound, []event.Event{holes(2*second, waits(nil)), holes(3*second, waits(nil)), holes(5 * second)}, smaller, "held to 1280",
		},
		"but not before there was time to get stuck again": {
			DropsLarge, []event.Event{resend(2*second, 2, nil), swept(3*second, stuck(nil)), swept(5 * second)}, early, "",
		},
	} {
		desk := traptest.New(New())
		desk.Feed(path(second, nil))
		desk.Feed(test.events...)
		desk.Feed(test.facts, tick(test.facts.Time+1))
		seen, ok := desk.Last(test.cause)
		if !ok {
			t.Errorf("%s: saw nothing", name)
		}
		if got := desk.Mended[seen.Key]; test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s: mended for %q", name, got)
		}
	}
}

func TestStallInATunnelIsLeftToTheErrorsAboutItsOuterPackets(t *testing.T) {
	inside := path(second, func(p *event.Path) {
		p.Link = event.Link{Index: 9, Name: "vxlan0", Type: "vxlan", MTU: 1450, Overhead: 50, Remote: addr("192.0.2.9")}
	})
	killed := &event.Drop{
		Header: head(second), Reason: "NETFILTER_DROP", Iface: "eth0", Count: 1, Sampled: true,
		Packet: event.Packet{
			Source: end("192.0.2.1:0"), Destination: end("192.0.2.5:0"), Protocol: event.ProtocolICMP,
			ICMPType: 3, ICMPCode: 4, ICMPMTU: 1400,
		},
		Inner: event.Packet{Source: end("192.0.2.5:4789"), Destination: end("192.0.2.9:4789"), Protocol: event.ProtocolUDP, Length: 1500},
	}
	desk := traptest.New(New())
	desk.Feed(inside, killed, resend(2*second, 2, nil), resend(3*second, 3, nil))
	if len(desk.Sightings) > 0 {
		t.Errorf("saw %+v", desk.Sightings)
	}
	itself := &event.TooBig{Header: head(second), Way: event.TooBigArrived, Packet: killed.Packet, Inner: killed.Inner, MTU: 1500, Iface: "lo"}
	itself.Packet.Source = itself.Inner.Source
	desk = traptest.New(New())
	desk.Feed(inside, itself, resend(2*second, 2, nil), resend(3*second, 3, nil))
	if len(desk.Sightings) == 0 {
		t.Error("what the host told itself about the tunnel's packets hid the stall")
	}
}
