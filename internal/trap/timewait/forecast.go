// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package timewait

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	// alarmShare is the share of the range from which on a lane is running out
	// whatever its rate; calmShare where it has room again. Between the two an
	// open finding stays as it is.
	alarmShare = 0.8
	calmShare  = 0.7
	// horizon is how near the end of the range must be for a forecast.
	horizon = 60 * time.Second
	// minSpan is how much history a slope needs before it is believed, minShare how
	// much of the range must be taken by then. Past halfShare two walks have to do.
	minSpan   = 1900 * time.Millisecond
	minShare  = 0.25
	shortSpan = 900 * time.Millisecond
	halfShare = 0.5
	// liveShare is how much of the range live connections must hold before their
	// growth is believed: a process that starts fills its pool at once and stops.
	liveShare = 0.65
)

// forecast warns before the first failure, and takes the warning back. It tells
// whether the lane is running out.
func (l *lane) forecast(now event.Time, desk trap.Desk) bool {
	known := desk.Facts().Namespace(l.key.netns)
	if known.Settings == nil || known.Use == nil || !l.key.destination.IsValid() {
		return false
	}
	if known.Use.Time != l.walked {
		l.use(known.Use.Time, event.PortUseRow{Source: l.key.source, Destination: l.key.destination})
	}
	p := l.project(known.Settings)
	key := l.cell(RunningOut)
	switch {
	case p.alarming() && l.cause != "" && desk.Open(l.cell(l.cause)):
		// what was forecast has come: the failure's finding tells it
	case p.alarming() && l.bound(desk):
		if desk.Open(key) {
			desk.Mend(key, now, "bind() takes this range from every destination, and finds it used up: that finding tells the rest")
		}
	case p.alarming():
		l.left = p.left
		desk.See(trap.Sighting{
			Key: key, At: known.Use.Time, New: 1,
			Status: p.status(), Severity: finding.Medium,
			Root: l.root(), Rank: rankForecast,
			Rests: []event.Kind{event.KindPortUse},
		})
	case p.calm() && desk.Open(key):
		desk.Mend(key, now, fmt.Sprintf("%.0f%% of the range is taken, and it is not filling", 100*p.share))
	}
	return p.alarming()
}

// bound tells whether the finding is open that bind() has used up the range of the
// lane's source: then its destinations are victims of one fault, and no port is left
// that could run out.
func (l *lane) bound(desk trap.Desk) bool {
	for _, from := range []netip.Addr{l.key.source, netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		pool := lane{key: laneKey{netns: l.key.netns, source: from}, op: event.PortBind}
		if desk.Open(pool.cell(BindPool)) {
			return true
		}
	}
	return false
}

// projection is where a lane stands and where it goes.
type projection struct {
	share float64 // of the range that is taken
	left  *time.Duration
}

// project computes the time until the range is full, nil where it never will be at
// this rate.
func (l *lane) project(settings *event.PortSettings) projection {
	size := float64(settings.Size())
	taken := float64(l.row.Live)
	slope := l.live.PerSecond()
	peak := taken + max(slope, 0)*horizon.Seconds()
	if !reusable(settings, l.key) {
		taken += float64(l.row.TimeWait)
		slope = l.taken.PerSecond()
		// TIME_WAITs level out at what a minute of closes leaves behind.
		peak += l.closeRate.PerSecond() * timeWaitLasts.Seconds()
	}
	p := projection{share: 1}
	if size > 0 {
		p.share = taken / size
	}
	if slope <= 0 || peak < size || !l.believable(p.share, slope) {
		return p
	}
	left := time.Duration(max(size-taken, 0) / slope * float64(time.Second))
	if left <= horizon {
		p.left = &left
	}
	return p
}

// believable tells whether there is history enough to trust the slope.
func (l *lane) believable(share, slope float64) bool {
	const mostly = 0.5
	if l.live.PerSecond() > mostly*slope {
		return share >= liveShare && l.live.Span() >= minSpan
	}
	if share >= halfShare {
		return l.taken.Span() >= shortSpan
	}
	return share >= minShare && l.taken.Span() >= minSpan
}

func (p projection) alarming() bool { return p.share >= alarmShare || p.left != nil }

func (p projection) calm() bool { return p.share < calmShare && p.left == nil }

// status: a range that is nearly full is a fact, a slope is a forecast.
func (p projection) status() finding.Status {
	if p.share >= alarmShare {
		return finding.Confirmed
	}
	return finding.Suspected
}

// reusable tells whether connect() may take over a lane's TIME_WAITs
// (tcp_twsk_unique): timestamps on, and tcp_tw_reuse on for this kind of lane.
func reusable(settings *event.PortSettings, key laneKey) bool {
	const (
		reuseAll      = 1
		reuseLoopback = 2
	)
	if settings.Timestamps == 0 {
		return false
	}
	loopback := key.source.IsLoopback() || key.destination.Addr().IsLoopback()
	return settings.TWReuse == reuseAll || settings.TWReuse == reuseLoopback && loopback
}
