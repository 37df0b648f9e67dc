// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package asymmetric

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/trap/traptest"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// look is what one look at two equal default routes tells: by up0 via 10.0.0.1 and by
// up1 via 10.0.1.1.
type look struct{ e event.Uplinks }

func newLook(at event.Time) *look {
	way := func(n int) event.Way {
		return event.Way{
			Gateway: addr(fmt.Sprintf("10.0.%d.1", n)), Iface: fmt.Sprintf("up%d", n), Table: 254, Metric: 100, Neighbour: "reachable",
			Text: fmt.Sprintf("default via 10.0.%d.1 dev up%d metric 100", n, n),
		}
	}
	return &look{event.Uplinks{Header: event.Header{Time: at, Netns: ns}, Ways: []event.Way{way(0), way(1)}}}
}

func peer(n int) netip.AddrPort {
	return netip.AddrPortFrom(addr(fmt.Sprintf("198.51.100.%d", n)), 443)
}

// silent adds a SYN to a peer that waits, from a port; heard a peer that answered.
func (l *look) silent(way, to int, port uint16) *look {
	local := netip.AddrPortFrom(addr(fmt.Sprintf("10.0.%d.2", way)), port)
	l.e.Handshakes = append(l.e.Handshakes, event.Handshake{Local: local, Peer: peer(to), Way: way, Resent: 1})
	return l
}

func (l *look) heard(way, to int, ago time.Duration) *look {
	local := netip.AddrPortFrom(addr(fmt.Sprintf("10.0.%d.2", way)), 0)
	l.e.Handshakes = append(l.e.Handshakes, event.Handshake{Local: local, Peer: peer(to), Way: way, Answered: true, Ago: ago})
	return l
}

func (l *look) gone(way int) *look {
	l.e.Ways[way].Neighbour = "failed"
	return l
}

const moment = 100 * time.Millisecond

func TestFailingDefaultRouteIsToldByComparison(t *testing.T) {
	samePeer := func(at event.Time) *look {
		return newLook(at).silent(0, 1, 1).silent(0, 1, 2).silent(0, 1, 3).heard(1, 1, moment)
	}
	cases := map[string]struct {
		looks []*look
		want  finding.Status
	}{
		"the same peer answers by the other":   {[]*look{samePeer(9 * second)}, finding.Confirmed},
		"the gateway is gone":                  {[]*look{newLook(9*second).silent(0, 1, 1).gone(0), newLook(10*second).silent(0, 1, 1).gone(0)}, finding.Confirmed},
		"three hosts are silent by one":        {[]*look{newLook(9*second).silent(0, 1, 1).silent(0, 2, 2).silent(0, 3, 3)}, finding.Suspected},
		"one host is silent":                   {[]*look{newLook(9*second).silent(0, 1, 1).silent(0, 1, 2).silent(0, 1, 3).heard(1, 2, moment)}, ""},
		"it answered before the first failure": {[]*look{newLook(9*second).silent(0, 1, 1).silent(0, 1, 2).silent(0, 1, 3).heard(1, 1, 5*time.Second)}, ""},
		"it answers by both":                   {[]*look{samePeer(9*second).heard(0, 1, moment)}, ""},
		"it is silent by both":                 {[]*look{samePeer(9*second).silent(1, 1, 9)}, ""},
		"another answers by the way":           {[]*look{newLook(9*second).silent(0, 1, 1).silent(0, 2, 2).silent(0, 3, 3).heard(0, 4, moment)}, ""},
		"others are silent by the other":       {[]*look{newLook(9*second).silent(0, 1, 1).silent(0, 2, 2).silent(0, 3, 3).silent(1, 4, 4)}, ""},
		"both gateways are gone":               {[]*look{newLook(9*second).silent(0, 1, 1).gone(0).gone(1), newLook(10*second).silent(0, 1, 1).gone(0).gone(1)}, ""},
		"the gateway was gone for a moment":    {[]*look{newLook(9*second).silent(0, 1, 1).gone(0), newLook(10*second).silent(0, 1, 1)}, ""},
		"all answer":                           {[]*look{newLook(9*second).heard(0, 1, moment).heard(1, 2, moment)}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			desk := traptest.New(New())
			for _, l := range c.looks {
				desk.Feed(&l.e)
			}
			seen, _ := desk.Last(DefaultRoutes)
			if seen.Status != c.want {
				t.Errorf("status %q, want %q", seen.Status, c.want)
			}
			if c.want == "" {
				return
			}
			f := desk.Describe(seen.Key)
			if f.Egress != "up0" || !strings.HasSuffix(f.Fix[0].Shell(), "ip route del default via 10.0.0.1 dev up0 table 254 metric 100") {
				t.Errorf("egress %q, first fix %q", f.Egress, f.Fix[0].Shell())
			}
			if f.Confidence < 40 || seen.Since > 8*second {
				t.Errorf("confidence %d, since %d", f.Confidence, seen.Since)
			}
		})
	}
}

func TestOneHopOfARouteIsTakenOutByReplacingIt(t *testing.T) {
	desk := traptest.New(New())
	l := newLook(9*second).silent(0, 1, 1).silent(0, 1, 2).silent(0, 1, 3).heard(1, 1, moment)
	const text = "default proto static metric 100 nexthop via 10.0.0.1 dev up0 weight 3 nexthop via 10.0.1.1 dev up1 weight 1"
	for i := range l.e.Ways {
		l.e.Ways[i].Shared, l.e.Ways[i].Text = true, text
	}
	desk.Feed(&l.e)
	seen, _ := desk.Last(DefaultRoutes)
	f := desk.Describe(seen.Key)
	if got := f.Fix[0].Shell(); !strings.HasSuffix(got, "ip route replace default via 10.0.1.1 dev up1 proto static table 254 metric 100") {
		t.Errorf("first fix %q", got)
	}
	const back = "default proto static table 254 metric 100 nexthop via 10.0.0.1 dev up0 weight 3 nexthop via 10.0.1.1 dev up1 weight 1"
	if got := f.Undo[0].Shell(); !strings.HasSuffix(got, "ip route replace "+back) {
		t.Errorf("undo %q", got)
	}
}

func TestHopOfARouteThatNoOperationSaysIsForAPerson(t *testing.T) {
	desk := traptest.New(New())
	l := newLook(9*second).silent(0, 1, 1).silent(0, 1, 2).silent(0, 1, 3).heard(1, 1, moment)
	const text = "default nhid 7 metric 100 nexthop via 10.0.0.1 dev up0 weight 1 nexthop via 10.0.1.1 dev up1 weight 1"
	for i := range l.e.Ways {
		l.e.Ways[i].Shared, l.e.Ways[i].Text = true, text
	}
	desk.Feed(&l.e)
	seen, _ := desk.Last(DefaultRoutes)
	f := desk.Describe(seen.Key)
	if got := f.Fix[0].Shell(); !strings.HasSuffix(got, "ip route replace default table 254 metric 100 nexthop via 10.0.1.1 dev up1") {
		t.Errorf("first fix %q", got)
	}
	for _, step := range []finding.Step{f.Fix[0], f.Undo[0]} {
		if _, person := step.Op.(finding.Command); !person {
			t.Errorf("%q is not for a person", step.Shell())
		}
	}
}

func TestRemovedDefaultRouteComesBackWhereItStood(t *testing.T) {
	for way, verb := range []string{"prepend", "append"} {
		desk := traptest.New(New())
		l := newLook(9*second).silent(way, 1, 1).silent(way, 1, 2).silent(way, 1, 3).heard(1-way, 1, moment)
		desk.Feed(&l.e)
		seen, _ := desk.Last(DefaultRoutes)
		want := fmt.Sprintf("ip route %s default via 10.0.%d.1 dev up%d table 254 metric 100", verb, way, way)
		if got := desk.Describe(seen.Key).Undo[0].Shell(); !strings.HasSuffix(got, want) {
			t.Errorf("undo %q, want %q", got, want)
		}
	}
}

func TestFailingDefaultRouteIsMendedByItsRank(t *testing.T) {
	both := []event.Route{
		{Gateway: addr("10.0.0.1"), Iface: "up0", Table: 254, Metric: 100, Text: "default via 10.0.0.1 dev up0 metric 100"},
		{Gateway: addr("10.0.1.1"), Iface: "up1", Table: 254, Metric: 100, Text: "default via 10.0.1.1 dev up1 metric 100"},
	}
	ranked := []event.Route{both[0], both[1]}
	ranked[1].Metric = 200
	for name, c := range map[string]struct {
		routes []event.Route
		mended bool
	}{
		"equal still":   {both, false},
		"one is gone":   {both[1:], true},
		"one is behind": {ranked, true},
	} {
		t.Run(name, func(t *testing.T) {
			desk := traptest.New(New())
			l := newLook(9*second).silent(0, 1, 1).silent(0, 1, 2).silent(0, 1, 3).heard(1, 1, moment)
			desk.Feed(&l.e, &event.Routing{Header: event.Header{Time: 10 * second, Netns: ns}, Defaults: c.routes}, tick(10*second))
			if len(desk.Mended) != 0 {
				t.Errorf("mended at once: %v", desk.Mended)
			}
			desk.Feed(&event.Routing{Header: event.Header{Time: 12 * second, Netns: ns}, Defaults: c.routes}, tick(12*second))
			if got := len(desk.Mended) == 1; got != c.mended {
				t.Errorf("mended %v", desk.Mended)
			}
		})
	}
}

func TestHandshakesByAMendedGatewayCloseTheFinding(t *testing.T) {
	desk := traptest.New(New())
	l := newLook(9*second).silent(0, 1, 1).silent(0, 1, 2).silent(0, 1, 3).heard(1, 1, moment)
	desk.Feed(&l.e, &newLook(10*second).heard(0, 1, moment).e)
	if len(desk.Mended) != 0 {
		t.Fatalf("mended after a second: %v", desk.Mended)
	}
	desk.Feed(&newLook(13*second).heard(0, 1, moment).e)
	if len(desk.Mended) != 1 {
		t.Error("not mended although the peer answers by it")
	}
}

func TestEachNamespaceIsAskedOnceASecond(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(&event.Namespace{Header: event.Header{Netns: ns}})
	for i := range 8 { // two seconds
		desk.Feed(tick(second + event.Time(i)*second/4))
	}
	asked := 0
	for _, w := range desk.Wants {
		if w.Of == event.KindUplinks && w.Netns == ns {
			asked++
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times in two seconds", asked)
	}
}
