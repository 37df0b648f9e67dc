// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package asymmetric

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
	eth1               = 3
	second             = event.Time(time.Second)
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// drop is a packet from 10.10.3.2 that came in by eth1 although eth0 leads back.
func drop(at event.Time, count uint64) *event.Drop {
	return &event.Drop{
		Header: event.Header{Time: at, Netns: ns},
		Packet: event.Packet{
			Source:      netip.AddrPortFrom(addr("10.10.3.2"), 80),
			Destination: netip.AddrPortFrom(addr("10.10.1.2"), 40000),
			Protocol:    event.ProtocolTCP, TCPFlags: event.TCPSyn | event.TCPAck,
		},
		Reverse: event.Lookup{Source: addr("10.10.1.2"), Destination: addr("10.10.3.2"), Ifindex: 2, Iface: "eth0"},
		Reason:  "IP_RPFILTER", Ifindex: eth1, Iface: "eth1", EtherType: 0x0800,
		Count: count, Sampled: true,
	}
}

func routing(at event.Time, all, own int) *event.Routing {
	return &event.Routing{
		Header:      event.Header{Time: at, Netns: ns},
		RPFilterAll: all,
		Interfaces: []event.Interface{
			{Index: 2, Name: "eth0", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.10.1.2/24")}},
			{Index: eth1, Name: "eth1", RPFilter: own, Effective: max(all, own),
				Prefixes: []netip.Prefix{netip.MustParsePrefix("10.10.2.2/24")}},
		},
		Defaults: []event.Route{
			{Gateway: addr("10.10.1.1"), Iface: "eth0", Text: "default via 10.10.1.1 dev eth0"},
			{Gateway: addr("10.10.2.1"), Iface: "eth1", Metric: 100, Text: "default via 10.10.2.1 dev eth1 metric 100"},
		},
	}
}

func back(at event.Time, iface string) *event.RouteBack {
	return &event.RouteBack{
		Header: event.Header{Time: at, Netns: ns}, To: addr("10.10.3.2"), From: addr("10.10.1.2"),
		Found: iface != "", Route: event.Route{Iface: iface, Text: "default via gateway dev " + iface},
	}
}

func tick(at event.Time) *event.Tick { return &event.Tick{Header: event.Header{Time: at}} }

func TestStrictFilterIsConfirmedByTheDropWithItsLookup(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(drop(second, 1), routing(second+1, 1, 0))
	seen, ok := desk.Last(RPFilterStrict)
	if !ok || seen.Status != finding.Confirmed || seen.Severity != finding.High {
		t.Fatalf("saw %+v", seen)
	}
	f := desk.Describe(seen.Key)
	if f.Route.Ingress != "eth1" || f.Route.Expected != "eth0" || f.Route.RPFilter != 1 {
		t.Errorf("route %+v", f.Route)
	}
	if got := f.Fix[0].Shell(); !strings.HasSuffix(got, "sysctl -w net.ipv4.conf.eth1.rp_filter=2") {
		t.Errorf("first fix %q", got)
	}
	if len(f.Fix) != 3 || !strings.Contains(f.Fix[1].Shell(), "ip route replace default via 10.10.2.1 dev eth1 table 1003") ||
		!strings.Contains(f.Fix[2].Shell(), "ip rule add from 10.10.1.2/32 table 1003") {
		t.Errorf("fixes %v", f.Fix)
	}
}

func TestVerdictWaitsForFactsAndThenGoesWithoutThem(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(drop(second, 1), tick(second+second/4))
	if len(desk.Sightings) != 0 {
		t.Fatal("a verdict before the facts were due")
	}
	desk.Feed(tick(second + second/2))
	seen, ok := desk.Last(RPFilterStrict)
	if !ok || seen.Status != finding.Suspected {
		t.Errorf("saw %+v", seen)
	}
	desk.Feed(routing(2*second, 1, 0))
	if seen, _ = desk.Last(RPFilterStrict); seen.Status != finding.Confirmed || seen.New != 0 {
		t.Errorf("facts that came late did not confirm: %+v", seen)
	}
}

func TestWithoutTheKernelsLookupTheRouteIsAsked(t *testing.T) {
	desk := traptest.New(New())
	d := drop(second, 1)
	d.Reverse = event.Lookup{}
	desk.Feed(d, routing(second+1, 1, 0))
	if len(desk.Sightings) != 0 {
		t.Fatal("a verdict without any route back")
	}
	desk.Feed(back(second+2, "eth0"))
	seen, _ := desk.Last(RPFilterStrict)
	if seen.Status != finding.Confirmed {
		t.Fatalf("saw %+v", seen)
	}
	with := traptest.New(New())
	with.Feed(drop(second, 1), routing(second+1, 1, 0))
	if weak, strong := desk.Describe(seen.Key).Confidence, with.Describe(seen.Key).Confidence; weak >= strong {
		t.Errorf("confidence %d without the kernel's lookup, %d with it", weak, strong)
	}
}

func TestCountsAreExactAlthoughNotEveryDropIsAnEvent(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(drop(second, 1), routing(second+1, 1, 0), drop(2*second, 900))
	late := drop(2*second, 400) // a sample that arrives after a newer count
	total := drop(3*second, 1000)
	total.Sampled = false
	desk.Feed(late, total)
	var sum uint64
	for _, s := range desk.Sightings {
		sum += s.New
	}
	if sum != 1000 {
		t.Errorf("counted %d of 1000", sum)
	}
}

func TestMartianNeedsMoreThanAStray(t *testing.T) {
	desk := traptest.New(New())
	martian := func(at event.Time, count uint64) *event.Drop {
		d := drop(at, count)
		d.Reason, d.Reverse = "IP_LOCAL_SOURCE", event.Lookup{}
		d.Packet.Source = netip.AddrPortFrom(addr("10.10.1.2"), 0)
		return d
	}
	desk.Feed(martian(second, 1), routing(second+1, 0, 0), tick(2*second))
	if len(desk.Sightings) != 0 {
		t.Fatal("one stray martian made a finding")
	}
	desk.Feed(martian(3*second, 3))
	seen, ok := desk.Last(MartianSource)
	if !ok || seen.Status != finding.Confirmed {
		t.Fatalf("saw %+v", seen)
	}
	if f := desk.Describe(seen.Key); !strings.Contains(f.Message, "Martian source") || !strings.Contains(strings.Join(f.Evidence, " "), "on eth0") {
		t.Errorf("said %q, %q", f.Message, f.Evidence)
	}
}

func TestInnocentDropsStaySilent(t *testing.T) {
	cases := map[string]func(*event.Drop){
		"another reason":      func(d *event.Drop) { d.Reason = "NO_SOCKET" },
		"arp":                 func(d *event.Drop) { d.EtherType = etherTypeARP },
		"broadcast frame":     func(d *event.Drop) { d.Type = event.PacketBroadcast },
		"multicast frame":     func(d *event.Drop) { d.Type = event.PacketMulticast },
		"multicast target":    func(d *event.Drop) { d.Packet.Destination = netip.AddrPortFrom(addr("224.0.0.251"), 5353) },
		"multicast source":    func(d *event.Drop) { d.Packet.Source = netip.AddrPortFrom(addr("224.0.0.1"), 0) },
		"limited broadcast":   func(d *event.Drop) { d.Packet.Destination = netip.AddrPortFrom(addr("255.255.255.255"), 67) },
		"directed broadcast":  func(d *event.Drop) { d.Packet.Destination = netip.AddrPortFrom(addr("10.10.2.255"), 138) },
		"count of the unseen": func(d *event.Drop) { d.Sampled = false },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			desk := traptest.New(New())
			d := drop(second, 10)
			change(d)
			desk.Feed(routing(1, 1, 1), d, routing(second+1, 1, 1), tick(3*second))
			if len(desk.Sightings) != 0 {
				t.Errorf("saw %+v", desk.Sightings)
			}
		})
	}
}

func TestFindingIsMendedOnlyBySettingsThatPass(t *testing.T) {
	cases := map[string]struct {
		facts  []event.Event
		mended bool
	}{
		"loose with a route":    {[]event.Event{routing(2*second, 1, 2), back(2*second, "eth0")}, true},
		"off":                   {[]event.Event{routing(2*second, 0, 0)}, true},
		"symmetric route":       {[]event.Event{routing(2*second, 1, 1), back(2*second, "eth1")}, true},
		"loose without a route": {[]event.Event{routing(2*second, 1, 2), back(2*second, "")}, false},
		"still strict":          {[]event.Event{routing(2*second, 1, 1), back(2*second, "eth0")}, false},
		"facts from before":     {[]event.Event{routing(second-1, 0, 0)}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			desk := traptest.New(New())
			desk.Feed(drop(second, 1), routing(second+1, 1, 1))
			desk.Feed(c.facts...)
			desk.Feed(tick(4 * second))
			if got := len(desk.Mended) == 1; got != c.mended {
				t.Errorf("mended %v: %v", got, desk.Mended)
			}
		})
	}
}

func TestDropAfterTheMendingKeepsTheFindingOpen(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(drop(second, 1), routing(second+1, 1, 1), routing(2*second, 0, 0), drop(3*second, 2), tick(4*second))
	if len(desk.Mended) != 0 {
		t.Errorf("mended %v", desk.Mended)
	}
}

func TestWithoutARouteBackARouteIsOfferedInEitherMode(t *testing.T) {
	for _, mode := range []int{modeStrict, modeLoose} {
		desk := traptest.New(New())
		d := drop(second, 1)
		d.Reverse = event.Lookup{Source: addr("10.10.1.2"), Destination: addr("10.10.3.2"), Error: -101}
		desk.Feed(d, routing(second+1, mode, 0))
		seen, ok := desk.Last(RPFilterStrict)
		if !ok {
			t.Fatal("nothing seen")
		}
		if got := desk.Describe(seen.Key).Fix[0].Shell(); !strings.Contains(got, "ip route replace 10.10.3.2/32 dev eth1") {
			t.Errorf("mode %d: first fix %q", mode, got)
		}
	}
}

// The kernel's row keeps the name that the interface had at its first drop.
func TestRenamedInterfaceIsCalledByItsNewName(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(drop(second, 1), routing(second+1, 1, 1))
	renamed := routing(2*second, 1, 1)
	renamed.Interfaces[1].Name = "wan9"
	desk.Feed(renamed, drop(3*second, 9))
	seen, _ := desk.Last(RPFilterStrict)
	if got := desk.Describe(seen.Key).Fix[0].Shell(); !strings.HasSuffix(got, "sysctl -w net.ipv4.conf.wan9.rp_filter=2") {
		t.Errorf("first fix %q", got)
	}
	if len(desk.Sightings) != 2 || desk.Sightings[0].Key != seen.Key {
		t.Errorf("not one finding: %v", desk.Sightings)
	}
}

func TestMarksAreToldOfWhereTheReverseLookupDoesNotHeedThem(t *testing.T) {
	for _, heeded := range []bool{false, true} {
		desk := traptest.New(New())
		known := routing(second+1, 1, 1)
		known.Rules = []string{"1000:	from all fwmark 0x7 lookup 102"}
		known.Interfaces[1].SrcValidMark = heeded
		desk.Feed(drop(second, 1), known)
		seen, _ := desk.Last(RPFilterStrict)
		f := desk.Describe(seen.Key)
		if told := strings.Contains(f.Fix[len(f.Fix)-1].Shell(), "src_valid_mark=1"); told == heeded {
			t.Errorf("heeded %v: fixes %v", heeded, f.Fix)
		}
	}
}
