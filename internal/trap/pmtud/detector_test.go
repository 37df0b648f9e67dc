// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package pmtud

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/internal/trap/traptest"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	ns     event.Netns = 4026532000
	second             = event.Time(time.Second)
	soon               = event.Time(700 * time.Millisecond)
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func end(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func head(at event.Time) event.Header { return event.Header{Time: at, Netns: ns} }

func tick(at event.Time) *event.Tick { return &event.Tick{Header: event.Header{Time: at}} }

func standing() []event.Event {
	return []event.Event{&event.Hook{Name: "icmp_send", Rung: "tp_btf"}, &event.Hook{Name: "icmp6_send", Rung: "tp_btf"}}
}

// large is the packet that does not fit.
func large() event.Packet {
	return event.Packet{
		Source: end("10.0.0.2:40000"), Destination: end("10.0.1.2:443"), Protocol: event.ProtocolTCP, Length: 1500, Sequence: 77,
	}
}

// fault is the error about it.
func fault() event.Packet {
	return event.Packet{
		Source: end("10.0.0.1:0"), Destination: end("10.0.0.2:0"), Protocol: event.ProtocolICMP, Length: 576,
		ICMPType: 3, ICMPCode: 4, ICMPMTU: 1400,
	}
}

func told(at event.Time, way event.TooBigWay, mtu, count uint32) *event.TooBig {
	return &event.TooBig{Header: head(at), Way: way, Packet: fault(), Inner: large(), MTU: mtu, Count: uint64(count), Iface: "eth0"}
}

func dropped(at event.Time, count uint64) *event.Drop {
	return &event.Drop{
		Header: head(at), Packet: large(), Reason: "PKT_TOO_BIG", Symbol: "ip_forward", Ifindex: 2, Iface: "eth0", DeviceMTU: 1500,
		OutIfindex: 3, OutIface: "eth1", OutMTU: 1400, Count: count, Sampled: true,
	}
}

func killed(at event.Time, count uint64) *event.Drop {
	return &event.Drop{
		Header: head(at), Packet: fault(), Inner: large(), Reason: "NETFILTER_DROP", Symbol: "nft_do_chain",
		Ifindex: 2, Iface: "eth0", Count: count, Sampled: true,
	}
}

func resend(at event.Time, timeouts, size uint32) *event.Retransmit {
	c := event.Connection{
		Local: end("10.0.0.2:40000"), Peer: end("10.0.1.2:443"), State: event.TCPEstablished,
		Unacked: 77, Next: 15480, Window: 65535, MSS: size - 52, Overhead: 52, BytesAcked: 1, Delivered: 1,
	}
	return &event.Retransmit{Header: head(at), Connection: c, Since: second, Size: size, Timeouts: timeouts}
}

func path(at event.Time, change func(*event.Path)) *event.Path {
	p := &event.Path{
		Header: head(at), Peer: addr("10.0.1.2"), MinPMTU: 552,
		Route: event.Route{Gateway: addr("10.0.0.1"), Iface: "eth0", Table: 254, Text: "default via 10.0.0.1 dev eth0"},
		Link:  event.Link{Index: 2, Name: "eth0", MTU: 1500},
	}
	if change != nil {
		change(p)
	}
	return p
}

func filtered(at event.Time, hook string) *event.Path {
	return path(at, func(p *event.Path) {
		p.Filters = []event.Filter{
			{Family: "inet", Table: "other", Chain: "pre", Hook: hook, Policy: true},
			{Family: "inet", Table: "fw", Chain: "main", Hook: hook, ICMP: true},
		}
	})
}

func TestFirewallThatDropsTheErrorIsConfirmedByTheDrop(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(told(second, event.TooBigArrived, 1400, 1), killed(second, 1), tick(second+1), filtered(second+2, "input"), tick(second+soon))
	seen, ok := desk.Last(DroppedInbound)
	if !ok || seen.Status != finding.Confirmed || seen.Root != trap.PathRoot(addr("10.0.0.2"), addr("10.0.1.2")) {
		t.Fatalf("saw %+v", desk.Sightings)
	}
	f := desk.Describe(seen.Key)
	if *f.MTU != (finding.MTU{Path: 1400, SmallestLost: 1500, Interface: 1500, Told: 1400}) {
		t.Errorf("sizes %+v", f.MTU)
	}
	want := "nft 'insert rule inet fw main icmp type destination-unreachable icmp code frag-needed accept comment trapbpf'"
	if got := f.Fix[0].Op.Shell(); got != want {
		t.Errorf("first fix %s", got)
	}
	if got := f.Fix[1].Op.Shell(); got != "ip route replace 10.0.1.2/32 via 10.0.0.1 dev eth0 mtu 1400" {
		t.Errorf("second fix %s", got)
	}
}

func TestOwnErrorIsNotTakenForOneThatCameIn(t *testing.T) {
	desk := traptest.New(New())
	own := &event.Routing{Header: head(second + 1), Interfaces: []event.Interface{
		{Name: "eth0", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}},
	}}
	desk.Feed(killed(second, 1), own, tick(second+soon), tick(3*second))
	if seen, ok := desk.Last(DroppedInbound); ok {
		t.Errorf("saw %+v", seen)
	}
}

// A firewall that lets one error a second pass drops the rest of a flight's.
func TestLimitOnErrorsIsInnocentWhereTheSenderWasTold(t *testing.T) {
	later := func(at event.Time, sequence uint32) *event.Drop {
		d := killed(at, 1)
		d.Inner.Sequence = sequence
		return d
	}
	own := &event.Routing{Header: head(second + 1), Interfaces: []event.Interface{{Name: "eth0"}}}
	learned := path(second+3, func(p *event.Path) { p.Learned = 1400 })
	for name, events := range map[string][]event.Event{
		"at the sender, by what came in":           {told(second, event.TooBigArrived, 1400, 1), later(second+1, 1525), filtered(second+2, "input")},
		"at the sender, by what was handed up":     {told(second, event.TooBigAccepted, 1400, 1), killed(second+1, 1), filtered(second+2, "input")},
		"at the sender, by what the kernel learnt": {killed(second+1, 1), learned},
		"at the router":                            {told(second, event.TooBigSent, 1400, 1), later(second+1, 1525), dropped(second+2, 1), filtered(second+3, "output")},
	} {
		desk := traptest.New(New())
		desk.Feed(standing()...)
		desk.Feed(events...)
		desk.Feed(own, tick(second+soon), tick(4*second))
		if len(desk.Sightings) > 0 {
			t.Errorf("%s: %+v", name, desk.Sightings)
		}
		if name == "at the router" {
			desk.Feed(dropped(4*second+second/2, 2))
		}
		desk.Feed(later(4*second+second/2, 77), tick(5*second+second/2))
		if len(desk.Sightings) == 0 {
			t.Errorf("%s: a sender that came again was told of nothing", name)
		}
	}
}

func TestSenderThatShrankForGoodClosesTheFinding(t *testing.T) {
	desk := traptest.New(New())
	learned := path(5*second, func(p *event.Path) { p.Learned = 1400 })
	desk.Feed(killed(second, 1), tick(second+1), filtered(second+2, "input"), tick(second+soon),
		told(second+soon, event.TooBigAccepted, 1400, 1), learned, tick(5*second))
	seen, _ := desk.Last(DroppedInbound)
	if got := desk.Mended[seen.Key]; !strings.Contains(got, "held to 1400 bytes") {
		t.Errorf("mended for %q", got)
	}
}

func TestErrorLetInClosesTheFinding(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(killed(second, 1), tick(second+1), filtered(second+2, "input"), tick(second+soon),
		told(4*second, event.TooBigAccepted, 1400, 1), tick(5*second))
	seen, _ := desk.Last(DroppedInbound)
	if got := desk.Mended[seen.Key]; !strings.Contains(got, "let in now") {
		t.Errorf("mended for %q", got)
	}
}

func TestRoutersOwnErrorIsSortedWhicheverEventComesFirst(t *testing.T) {
	for name, events := range map[string][]event.Event{
		"the error was seen to be sent":  {told(second, event.TooBigSent, 1400, 1), killed(second+1, 1), dropped(second+2, 1)},
		"only the packet's drop follows": {killed(second, 1), dropped(second+1, 1)},
	} {
		desk := traptest.New(New())
		desk.Feed(standing()...)
		desk.Feed(events...)
		desk.Feed(filtered(second+3, "output"), tick(second+soon), tick(2*second))
		seen, ok := desk.Last(DroppedOutbound)
		if !ok || seen.Status != finding.Confirmed || len(desk.Causes()) != 1 {
			t.Errorf("%s: %+v", name, desk.Sightings)
			continue
		}
		f := desk.Describe(seen.Key)
		if !strings.HasPrefix(f.Fix[0].Op.Shell(), "nft 'insert rule inet fw main icmp") || f.Egress != "eth1" || f.MTU.Path != 1400 {
			t.Errorf("%s: fix %s, egress %s, sizes %+v", name, f.Fix[0].Op.Shell(), f.Egress, f.MTU)
		}
	}
}

func TestErrorThatIsNotSentTakesThreeFlights(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(standing()...)
	desk.Feed(dropped(second, 10), tick(second+soon))
	if len(desk.Sightings) > 0 {
		t.Fatal("one flight made a finding")
	}
	desk.Feed(dropped(second+2*soon, 11), path(second+2*soon+1, nil), tick(second+3*soon))
	if seen, _ := desk.Last(NotSent); seen.Status != finding.Suspected {
		t.Fatalf("saw %+v", seen)
	}
	desk.Feed(dropped(second+6*soon, 12), tick(second+7*soon))
	if seen, _ := desk.Last(NotSent); seen.Status != finding.Confirmed || seen.Key.Subject != "eth1" {
		t.Errorf("saw %+v", seen)
	}
}

// On some rungs only the kernel's intent to send is seen: then it takes that there is no
// way back, too, and the finding ends with one.
func TestErrorThatWasAskedForIsNotSentWhereThereIsNoWayBack(t *testing.T) {
	back := func(at event.Time, found bool) *event.RouteBack {
		return &event.RouteBack{Header: head(at), To: large().Source.Addr(), Found: found}
	}
	for _, found := range []bool{true, false} {
		desk := traptest.New(New())
		desk.Feed(standing()...)
		desk.Feed(told(second, event.TooBigAsked, 1400, 1), dropped(second, 1),
			dropped(second+2*soon, 2), path(second+2*soon+1, nil), back(second+2*soon+1, found),
			told(2*second, event.TooBigAsked, 1400, 2), dropped(2*second, 3), tick(2*second+soon))
		seen, ok := desk.Last(NotSent)
		if ok == found {
			t.Errorf("way back %v: saw %+v", found, seen)
		}
		if found {
			continue
		}
		desk.Feed(tick(5 * second))
		if why := desk.Mended[seen.Key]; why != "" {
			t.Errorf("mended for %q without a way back", why)
		}
		desk.Feed(back(6*second, true), tick(7*second))
		if why := desk.Mended[seen.Key]; !strings.Contains(why, "way back") {
			t.Errorf("mended for %q", why)
		}
	}
}

func TestHealthIsSilent(t *testing.T) {
	for name, events := range map[string][]event.Event{
		"a router that tells":        {told(second, event.TooBigSent, 1400, 1), dropped(second, 1), dropped(2*second, 2), dropped(3*second, 3)},
		"an error that was obeyed":   {told(second, event.TooBigAccepted, 1400, 1), path(second+1, nil), resend(2*second, 2, 1400)},
		"one that passes through":    {told(second, event.TooBigArrived, 0, 1), path(second+1, nil)},
		"a sight that does not tell": {&event.Hook{Name: "icmp_send", Blind: "refused"}, dropped(second, 1), dropped(2*second, 2), dropped(3*second, 3)},
	} {
		desk := traptest.New(New())
		if name != "a sight that does not tell" {
			desk.Feed(standing()...)
		}
		desk.Feed(events...)
		desk.Feed(tick(4*second), tick(5*second))
		if len(desk.Sightings) > 0 {
			t.Errorf("%s: %+v", name, desk.Sightings)
		}
	}
}

func TestIgnoredErrorIsConfirmedByItsReason(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*event.Path)
		fix    string
	}{
		"locked":   {func(p *event.Path) { p.RouteLocked, p.Route.Text = true, "default mtu lock 1500" }, "ip route replace 10.0.1.2/32 via 10.0.0.1 dev eth0 mtu 1400"},
		"disabled": {func(p *event.Path) { p.NoPMTUDisc = 2 }, "sysctl -w net.ipv4.ip_no_pmtu_disc=0"},
		"too low":  {func(p *event.Path) { p.MinPMTU = 1450 }, "sysctl -w net.ipv4.route.min_pmtu=1400"},
	} {
		desk := traptest.New(New())
		desk.Feed(told(second, event.TooBigAccepted, 1400, 1), resend(2*second, 2, 1500), tick(2*second+1), path(2*second+2, test.change))
		seen, ok := desk.Last(Ignored)
		if !ok || seen.Status != finding.Confirmed {
			t.Errorf("%s: saw %+v", name, desk.Sightings)
			continue
		}
		if got := desk.Describe(seen.Key).Fix[0].Op.Shell(); got != test.fix {
			t.Errorf("%s: first fix %s", name, got)
		}
	}
}

func TestIgnoredErrorWithoutAReasonTakesLonger(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(told(second, event.TooBigAccepted, 1400, 1), resend(2*second, 2, 1500), tick(2*second+1), path(2*second+2, nil))
	if seen, _ := desk.Last(Ignored); seen.Status != finding.Suspected {
		t.Fatalf("saw %+v", seen)
	}
	desk.Feed(resend(5*second, 4, 1500))
	if seen, _ := desk.Last(Ignored); seen.Status != finding.Confirmed {
		t.Errorf("saw %+v", seen)
	}
}

func TestUselessMTUIsConfirmedByTheErrorItself(t *testing.T) {
	for _, mtu := range []uint32{0, 60, 1500, 9000} {
		desk := traptest.New(New())
		desk.Feed(told(second, event.TooBigAccepted, mtu, 1), tick(second+1), path(second+2, nil), tick(second+soon))
		seen, ok := desk.Last(BogusMTU)
		if !ok || seen.Status != finding.Confirmed || seen.Severity != finding.Low {
			t.Errorf("MTU %d: saw %+v", mtu, desk.Sightings)
		} else if got := desk.Describe(seen.Key).Fix[0].Op.Shell(); got != "ip route replace 10.0.1.2/32 via 10.0.0.1 dev eth0 mtu 1280" {
			t.Errorf("MTU %d: first fix %s", mtu, got)
		}
	}
	desk := traptest.New(New())
	desk.Feed(told(second, event.TooBigArrived, 0, 1), resend(second+1, 2, 1500), tick(second+1), path(second+2, nil), tick(second+soon))
	if seen, _ := desk.Last(BogusMTU); seen.Severity != finding.High {
		t.Errorf("a connection hangs for it, and it is %+v", seen)
	}
}

func TestDataThatFlowsClosesTheFinding(t *testing.T) {
	moved := resend(0, 0, 1400).Connection
	moved.Unacked += 1348
	desk := traptest.New(New())
	desk.Feed(killed(second, 1), resend(second+1, 2, 1500), tick(second+2), filtered(second+3, "input"), tick(second+soon),
		&event.Connections{Header: head(3 * second), Peer: addr("10.0.1.2"), Rows: []event.Connection{moved}}, tick(3*second+1))
	seen, _ := desk.Last(DroppedInbound)
	if got := desk.Mended[seen.Key]; !strings.Contains(got, "shrank from 1500 to 1400") {
		t.Errorf("mended for %q", got)
	}
}

func TestUselessMTUIsMendedByTheRouteAlone(t *testing.T) {
	learned := path(5*second, func(p *event.Path) { p.Learned = 552 })
	set := path(9*second, func(p *event.Path) { p.Route.MTU = 1280 })
	desk := traptest.New(New())
	desk.Feed(told(second, event.TooBigAccepted, 0, 1), tick(second+1), path(second+2, nil), tick(second+soon), learned, tick(5*second+1))
	seen, _ := desk.Last(BogusMTU)
	if got := desk.Mended[seen.Key]; got != "" {
		t.Errorf("what was learned of a useless error mends it: %q", got)
	}
	desk.Feed(set, tick(9*second+1))
	if got := desk.Mended[seen.Key]; !strings.Contains(got, "MTU of 1280") {
		t.Errorf("mended for %q", got)
	}
}

func TestOneErrorThatLeavesClosesTheFinding(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(standing()...)
	desk.Feed(told(second, event.TooBigSent, 1400, 1), killed(second+1, 1), dropped(second+2, 1), filtered(second+3, "output"), tick(second+soon))
	seen, ok := desk.Last(DroppedOutbound)
	desk.Feed(told(2*second, event.TooBigSent, 1400, 2), killed(2*second+1, 2), tick(5*second))
	if got := desk.Mended[seen.Key]; !ok || got != "" {
		t.Fatalf("saw %v, mended for %q", ok, got)
	}
	soonAfter := 2*second + event.Time(50*time.Millisecond)
	desk.Feed(told(soonAfter, event.TooBigSent, 1400, 3), tick(5*second))
	if got := desk.Mended[seen.Key]; !strings.Contains(got, "leaves for 10.0.0.2 again") {
		t.Errorf("mended for %q", got)
	}
}

// The drop of the packet is the last of the three events, and may be told for the first
// time with the very error that leaves.
func TestErrorThatLeavesClosesTheFindingWhereTheFirstDropIsToldAfterIt(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(standing()...)
	desk.Feed(told(second, event.TooBigSent, 1400, 1), killed(second+1, 1), filtered(second+3, "output"), tick(second+soon))
	seen, ok := desk.Last(DroppedOutbound)
	desk.Feed(told(2*second, event.TooBigSent, 1400, 2), dropped(2*second+1, 1), tick(5*second))
	if got := desk.Mended[seen.Key]; !ok || !strings.Contains(got, "leaves for 10.0.0.2 again") {
		t.Errorf("saw %v, mended for %q", ok, got)
	}
}
