// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package timewait

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

var (
	client = netip.MustParseAddr("10.0.0.1")
	server = netip.MustParseAddrPort("10.0.0.2:443")
)

func head(at event.Time) event.Header { return event.Header{Time: at, Netns: ns} }

func tick(at event.Time) *event.Tick { return &event.Tick{Header: event.Header{Time: at}} }

// settings has a range of 1000 ports.
func settings(at event.Time) *event.PortSettings {
	return &event.PortSettings{Header: head(at), Low: 20000, High: 20999, TWReuse: 2, Timestamps: 1, MaxTWBuckets: 100000}
}

func use(at event.Time, timeWait, live uint32) *event.PortUse {
	return &event.PortUse{
		Header: head(at), TimeWait: timeWait, Live: live, AllTimeWait: timeWait,
		Rows: []event.PortUseRow{{Source: client, Destination: server, TimeWait: timeWait, Live: live}},
	}
}

func failure(at event.Time, op event.PortOp, count uint64) *event.PortFailure {
	f := &event.PortFailure{Header: head(at), Op: op, Source: client, Owner: event.Owner{PID: 42, Comm: "app"}, Count: count}
	if op == event.PortConnect {
		f.Destination = server
	}
	return f
}

func pressure(at event.Time, opens, timeWaits uint64) *event.PortPressure {
	return &event.PortPressure{Header: head(at), Source: client, Destination: server, Opens: opens, TimeWaits: timeWaits}
}

func TestFailureIsExplainedByWhoHoldsThePorts(t *testing.T) {
	bound := use(second+1, 900, 50)
	bound.Rows = nil // elsewhere: no destination of its own has many
	cases := map[string]struct {
		op     event.PortOp
		use    *event.PortUse
		cause  finding.Cause
		status finding.Status
	}{
		"time wait":          {event.PortConnect, use(second+1, 950, 40), Exhausted, finding.Confirmed},
		"live connections":   {event.PortConnect, use(second+1, 40, 950), HeldByLive, finding.Confirmed},
		"other destinations": {event.PortConnect, bound, BindPool, finding.Confirmed},
		"nobody":             {event.PortConnect, use(second+1, 30, 3), Exhausted, finding.Suspected},
		"bind":               {event.PortBind, use(second+1, 10, 990), BindPool, finding.Confirmed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			desk := traptest.New(New())
			desk.Feed(failure(second, c.op, 3), settings(second+1), c.use)
			seen, ok := desk.Last(c.cause)
			if !ok || seen.Status != c.status || seen.New != 3 {
				t.Fatalf("saw %+v", desk.Sightings)
			}
		})
	}
}

func TestFailureIsToldWithoutAWalkWhenNoneComes(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(failure(second, event.PortConnect, 1))
	if len(desk.Sightings) != 0 {
		t.Fatal("a verdict before the walk was due")
	}
	desk.Feed(tick(second + second/4))
	if seen, ok := desk.Last(Exhausted); !ok || seen.Status != finding.Suspected {
		t.Errorf("saw %+v", desk.Sightings)
	}
}

func TestFailureAsksForTheWalkAtOnce(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(settings(1), pressure(second-second/5, 900, 900), failure(second, event.PortConnect, 1))
	walks := 0
	for _, w := range desk.Wants {
		if w.Of == event.KindPortUse {
			walks++
		}
	}
	if walks != 2 {
		t.Errorf("%d walks wanted, want one for the pressure and one for the failure", walks)
	}
}

func TestCauseStaysWhileTheFindingIsOpen(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(failure(second, event.PortConnect, 3), settings(second+1), use(second+1, 950, 40))
	desk.Feed(use(2*second, 400, 590), failure(2*second, event.PortConnect, 5), use(2*second+1, 400, 590))
	if got := desk.Causes(); len(got) != 1 || got[0] != Exhausted {
		t.Errorf("causes %v", got)
	}
}

// grow feeds a second of steady growth after another: opens that close at once.
func grow(desk *traptest.Desk, perSecond, seconds int) {
	for i := 1; i <= seconds; i++ {
		at, n := event.Time(i)*second, uint32(i*perSecond)
		desk.Feed(pressure(at, uint64(n), uint64(n)), settings(at), use(at, n, 1), tick(at))
	}
}

func TestSteadyGrowthIsForecastBeforeTheFirstFailure(t *testing.T) {
	desk := traptest.New(New())
	grow(desk, 100, 4)
	seen, ok := desk.Last(RunningOut)
	if !ok || seen.Status != finding.Suspected {
		t.Fatalf("saw %+v", desk.Sightings)
	}
	f := desk.Describe(seen.Key)
	if f.Ports.SecondsLeft == nil || *f.Ports.SecondsLeft < 5 || *f.Ports.SecondsLeft > 7 {
		t.Errorf("forecast %v, want about 6 s", f.Ports.SecondsLeft)
	}
	if got := f.Fix[0].Shell(); !strings.HasSuffix(got, "sysctl -w net.ipv4.tcp_tw_reuse=1") {
		t.Errorf("first fix %q", got)
	}
}

func TestExhaustedBindPoolTakesTheForecastsPlace(t *testing.T) {
	for name, from := range map[string]netip.Addr{"its address": client, "any address": netip.IPv4Unspecified()} {
		t.Run(name, func(t *testing.T) {
			desk := traptest.New(New())
			grow(desk, 100, 4)
			bind := failure(4*second+second/2, event.PortBind, 3)
			bind.Source = from
			desk.Feed(bind)
			forecasts := len(desk.Sightings)
			desk.Feed(pressure(5*second, 500, 500), settings(5*second), use(5*second, 500, 1))
			connects := lane{key: laneKey{ns, client, server}}
			if _, mended := desk.Mended[connects.cell(RunningOut)]; !mended {
				t.Errorf("mended %v", desk.Mended)
			}
			if len(desk.Sightings) != forecasts {
				t.Errorf("saw more: %+v", desk.Sightings[forecasts:])
			}
		})
	}
}

func TestInnocentUseStaysSilent(t *testing.T) {
	cases := map[string]func(*traptest.Desk){
		"a rate that levels out": func(d *traptest.Desk) { grow(d, 12, 50) },
		"few ports":              func(d *traptest.Desk) { grow(d, 40, 5) },
		"a pool that fills at once": func(d *traptest.Desk) {
			for i, live := range []uint32{0, 200, 500, 500, 500} {
				at := event.Time(i+1) * second
				d.Feed(pressure(at, uint64(live), 0), settings(at), use(at, 0, live), tick(at))
			}
		},
		"time waits that may be taken over": func(d *traptest.Desk) {
			for i := range 5 {
				at := event.Time(i+1) * second
				s := settings(at)
				s.TWReuse = 1
				d.Feed(pressure(at, 1000, 1000), s, use(at, uint32(700+70*i), 5), tick(at))
			}
		},
		"a busy port": func(d *traptest.Desk) { d.Feed(settings(second), use(second, 0, 100), tick(2*second)) },
	}
	for name, feed := range cases {
		t.Run(name, func(t *testing.T) {
			desk := traptest.New(New())
			feed(desk)
			if len(desk.Sightings) != 0 {
				t.Errorf("saw %+v", desk.Sightings[0])
			}
		})
	}
}

func TestNearlyFullRangeIsConfirmedWhateverTheRate(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(settings(second), use(second, 0, 850))
	if seen, ok := desk.Last(RunningOut); !ok || seen.Status != finding.Confirmed {
		t.Errorf("saw %+v", desk.Sightings)
	}
}

func TestForecastIsTakenBackWhenTheRateFalls(t *testing.T) {
	desk := traptest.New(New())
	grow(desk, 100, 4)
	for i := 5; i <= 14; i++ {
		at := event.Time(i) * second
		desk.Feed(settings(at), use(at, 400, 1), tick(at))
	}
	if len(desk.Mended) != 1 {
		t.Errorf("mended %v", desk.Mended)
	}
}

func TestConnectsThatSucceedAgainMendTheFinding(t *testing.T) {
	desk := traptest.New(New())
	desk.Feed(pressure(second, 1000, 990), failure(second, event.PortConnect, 3), settings(second+1), use(second+1, 950, 40))
	desk.Feed(pressure(2*second, 1100, 1000), tick(5*second))
	if len(desk.Mended) != 0 {
		t.Fatal("mended too early")
	}
	desk.Feed(tick(6 * second))
	if len(desk.Mended) != 1 {
		t.Error("not mended")
	}
}

func TestOverflowCountsFromWhenTheAgentCame(t *testing.T) {
	desk := traptest.New(New())
	walk := func(at event.Time, overflows uint64) *event.PortUse {
		u := use(at, 10, 0)
		u.Overflows = overflows
		return u
	}
	desk.Feed(settings(second), walk(second, 500))
	if len(desk.Sightings) != 0 {
		t.Fatal("old overflows made a finding")
	}
	desk.Feed(walk(2*second, 507))
	seen, ok := desk.Last(BucketsFull)
	if !ok || seen.New != 7 {
		t.Fatalf("saw %+v", desk.Sightings)
	}
	roomy := settings(3 * second)
	roomy.MaxTWBuckets *= 4
	desk.Feed(roomy, walk(8*second, 507))
	if len(desk.Mended) != 1 {
		t.Error("a raised limit did not mend it")
	}
}

func TestFixesFitTheCause(t *testing.T) {
	cases := map[string]struct {
		op    event.PortOp
		use   *event.PortUse
		first string
	}{
		"time wait": {event.PortConnect, use(second+1, 950, 40), "sysctl -w net.ipv4.tcp_tw_reuse=1"},
		"live":      {event.PortConnect, use(second+1, 40, 950), "sysctl -w 'net.ipv4.ip_local_port_range=10240 65535'"},
		"bind":      {event.PortBind, use(second+1, 10, 990), "sysctl -w 'net.ipv4.ip_local_port_range=10240 65535'"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			desk := traptest.New(New())
			c.use.Listening = []uint16{80, 8080, 12345, 20001, 40000}
			desk.Feed(failure(second, c.op, 3), settings(second+1), c.use)
			f := desk.Describe(desk.Sightings[0].Key)
			if got := f.Fix[0].Shell(); !strings.HasSuffix(got, c.first) {
				t.Errorf("first fix %q", got)
			}
			var all strings.Builder
			for _, step := range f.Fix {
				all.WriteString(step.Shell() + "\n")
			}
			if !strings.Contains(all.String(), "ip_local_reserved_ports=12345,40000") {
				t.Errorf("listeners of the new part are not reserved:\n%s", all.String())
			}
			if strings.Contains(all.String(), "tcp_tw_recycle=") {
				t.Error("tcp_tw_recycle is offered")
			}
		})
	}
}

func TestReuseAppliesAsTheKernelAppliesIt(t *testing.T) {
	far := laneKey{source: client, destination: server}
	loop := laneKey{source: netip.MustParseAddr("127.0.0.1"), destination: netip.MustParseAddrPort("127.0.0.1:80")}
	cases := []struct {
		reuse, timestamps int
		key               laneKey
		want              bool
	}{
		{0, 1, far, false}, {1, 1, far, true}, {2, 1, far, false},
		{2, 1, loop, true}, {1, 0, far, false}, {2, 0, loop, false},
	}
	for _, c := range cases {
		s := &event.PortSettings{TWReuse: c.reuse, Timestamps: c.timestamps}
		if got := reusable(s, c.key); got != c.want {
			t.Errorf("tw_reuse %d, timestamps %d, %v: %v", c.reuse, c.timestamps, c.key, got)
		}
	}
}
