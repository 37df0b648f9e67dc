// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package blackhole

import (
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/trap/traptest"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// probed is an exact probe that found 1400 bytes to pass and more to vanish.
func probed(at event.Time, change func(*event.PathProbe)) *event.PathProbe {
	p := &event.PathProbe{
		Header: head(at), Peer: addr("10.0.1.2"), From: addr("10.0.0.2"), Method: "echo",
		Passed: 1400, Lost: 1401, Exact: true, Silent: true, Packets: 28,
		LastHop: 1, LastHopAddr: addr("10.0.0.1"), NextHop: 2, NextHopAddr: addr("10.0.1.2"),
	}
	if change != nil {
		change(p)
	}
	return p
}

func underWay(at event.Time) *event.PathProbe {
	return &event.PathProbe{Header: head(at), Peer: addr("10.0.1.2"), UnderWay: true}
}

func status(t *testing.T, desk *traptest.Desk, want finding.Status) finding.Finding {
	t.Helper()
	seen, ok := desk.Last(DropsLarge)
	if !ok || seen.Status != want {
		t.Fatalf("saw %+v, want it %s", desk.Sightings, want)
	}
	return desk.Describe(seen.Key)
}

func TestProbeThatLosesLargePacketsConfirmsWithTheExactMTU(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(path(second, nil), resend(2*second, 2, nil))
	status(t, desk, finding.Suspected)
	desk.Feed(probed(3*second, nil))
	f := status(t, desk, finding.Confirmed)
	if *f.MTU != (finding.MTU{Path: 1400, LargestPassed: 1400, SmallestLost: 1401, Interface: 1500}) {
		t.Errorf("sizes %+v", f.MTU)
	}
	if got := f.Fix[0].Op.Shell(); got != "ip route replace 10.0.1.2/32 via 10.0.0.1 dev eth0 mtu 1400" {
		t.Errorf("first fix %q", got)
	}
	if text := strings.Join(f.Evidence, "\n"); !strings.Contains(text, "1400 bytes arrive, 1401 vanish without a word; the last that gets them is 10.0.0.1 (hop 1)") {
		t.Errorf("evidence %s", text)
	}
}

func TestProbeThatPassesLargePacketsLeavesItSuspected(t *testing.T) {
	desk := traptest.New(New())
	clear := probed(2*second+1, func(p *event.PathProbe) { p.Passed, p.Lost, p.Silent, p.LastHop, p.NextHop = 1500, 0, false, 0, 0 })
	desk.Feed(path(second, nil), resend(2*second, 2, nil), swept(2*second, stuck(nil)), clear,
		swept(3*second, stuck(nil), handshake()), resend(3*second+1, 3, nil))
	f := status(t, desk, finding.Suspected)
	if text := strings.Join(f.Against, "\n"); !strings.Contains(text, "1500 bytes arrive, and nothing larger was tried: as large as the segments that hang") {
		t.Errorf("against: %s", text)
	}
	if f.MTU.Path != 0 || f.MTU.SmallestLost != 1500 {
		t.Errorf("sizes %+v", f.MTU)
	}
}

func TestConfirmationWaitsForAProbeThatIsUnderWay(t *testing.T) {
	begin := func() *traptest.Desk {
		desk := traptest.New(New())
		desk.Feed(path(second, nil), resend(2*second, 2, nil), underWay(2*second+1), swept(2*second+2, stuck(nil)),
			swept(3*second, stuck(nil), handshake()), resend(3*second+1, 3, nil), swept(3*second+second/2, stuck(nil), handshake()), tick(4*second))
		status(t, desk, finding.Suspected)
		return desk
	}
	answered := begin()
	answered.Feed(probed(4*second+1, nil))
	if f := status(t, answered, finding.Confirmed); f.MTU.Path != 1400 {
		t.Errorf("sizes %+v", f.MTU)
	}
	overdue := begin()
	overdue.Feed(tick(2*second + 2 + event.Time(probeWait)))
	if f := status(t, overdue, finding.Confirmed); f.MTU.Path != 0 {
		t.Errorf("sizes %+v", f.MTU)
	}
}

func TestProbesThatTellNothing(t *testing.T) {
	for name, probe := range map[string]*event.PathProbe{
		"of an earlier time":   probed(second/2, nil),
		"without an answer":    {Header: head(3 * second), Peer: addr("10.0.1.2"), Error: "no answer"},
		"that is not exact":    probed(3*second, func(p *event.PathProbe) { p.Exact = false }),
		"that was answered":    probed(3*second, func(p *event.PathProbe) { p.Silent, p.Told, p.ToldBy = false, 1400, addr("10.0.0.1") }),
		"about larger packets": probed(3*second, func(p *event.PathProbe) { p.Passed, p.Lost = 1600, 1601 }),
		"about somebody else":  probed(3*second, func(p *event.PathProbe) { p.Peer = addr("10.0.1.3") }),
	} {
		desk := traptest.New(New())
		desk.Feed(path(second, nil), resend(2*second, 2, nil), probe, tick(4*second))
		if seen, ok := desk.Last(DropsLarge); !ok || seen.Status != finding.Suspected {
			t.Errorf("a probe %s: %+v", name, desk.Sightings)
		}
	}
}

func TestProbeIsAskedForOnceOnSuspicion(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(path(second, nil), resend(2*second, 2, nil), resend(3*second, 3, nil), tick(4*second), resend(9*second, 4, nil))
	var asked []event.Want
	for _, w := range desk.Wants {
		if w.Of == event.KindPathProbe {
			asked = append(asked, w)
		}
	}
	want := event.Want{Of: event.KindPathProbe, Netns: ns, To: addr("10.0.1.2"), From: addr("10.0.0.2"), Port: 443}
	if len(asked) != 1 || asked[0] != want {
		t.Errorf("asked %+v", asked)
	}
	desk.Feed(resend(2*second+event.Time(time.Minute), 8, nil))
	if last := desk.Wants[len(desk.Wants)-1]; last.Of != event.KindPathProbe {
		t.Errorf("a minute later it asked %+v", last)
	}
	silent := traptest.New(New())
	silent.Feed(path(second, nil), resend(2*second, 1, nil))
	for _, w := range silent.Wants {
		if w.Of == event.KindPathProbe {
			t.Error("asked without a suspicion")
		}
	}
}
