// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package timewait

import (
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	// factsWait bounds how long a failure waits for the walk before it is told
	// without it: the record is to be out within 200 ms.
	factsWait = 150 * time.Millisecond
	// walkFresh is how old a walk may be and still explain a failure.
	walkFresh = 1500 * time.Millisecond
	// explained is the share of the range that must be taken before the holders
	// of ports explain a failure. Below one, since sockets come and go between
	// the failure and the walk.
	explained = 0.7
)

// Ranks among a lane's findings: what happened explains more than what was to come.
const (
	rankForecast = 1
	rankFailure  = 2
)

// judge explains the failures that were not told yet.
func (l *lane) judge(now event.Time, desk trap.Desk) {
	if l.unseen == 0 {
		return
	}
	known := desk.Facts().Namespace(l.key.netns)
	cause, status := l.explain(known)
	if !l.informed(known, status) && now.Sub(l.pendingFrom) < factsWait {
		return
	}
	if l.cause != "" && desk.Open(l.cell(l.cause)) {
		cause = l.cause
	}
	l.cause = cause
	desk.See(trap.Sighting{
		Key:      l.cell(cause),
		At:       l.lastFailed,
		Since:    l.pendingFrom,
		New:      l.unseen,
		Status:   status,
		Severity: finding.High,
		Root:     l.root(),
		Rank:     rankFailure,
		Rests:    []event.Kind{event.KindPortFailure, event.KindPortUse},
	})
	l.unseen = 0
}

// informed tells whether a verdict need not wait: the walk was made after the
// failure, or shortly before it and explains it all the same.
func (l *lane) informed(known *flow.Namespace, status finding.Status) bool {
	if known.Settings == nil || known.Use == nil {
		return false
	}
	if known.Use.Time >= l.pendingFrom {
		return true
	}
	return status == finding.Confirmed && l.pendingFrom.Sub(known.Use.Time) < walkFresh
}

// explain names who holds the ports. bind() before connect() takes a port from
// every destination at once; where a connect() fails although its own lane has
// room, it was such binds that took the range.
func (l *lane) explain(known *flow.Namespace) (finding.Cause, finding.Status) {
	if l.op == event.PortBind {
		return BindPool, finding.Confirmed
	}
	if known.Settings == nil || known.Use == nil {
		return Exhausted, finding.Suspected
	}
	size := float64(known.Settings.Size())
	row := rowOf(known.Use, l.key)
	switch {
	case float64(row.TimeWait+row.Live) >= explained*size:
		return byHolder(row.TimeWait, row.Live), finding.Confirmed
	case float64(known.Use.TimeWait+known.Use.Live) >= explained*size:
		return BindPool, finding.Confirmed
	default:
		return byHolder(row.TimeWait, row.Live), finding.Suspected
	}
}

func byHolder(timeWait, live uint32) finding.Cause {
	if live > timeWait {
		return HeldByLive
	}
	return Exhausted
}

func rowOf(use *event.PortUse, key laneKey) event.PortUseRow {
	for _, row := range use.Rows {
		if row.Source == key.source && row.Destination == key.destination {
			return row
		}
	}
	return event.PortUseRow{Source: key.source, Destination: key.destination}
}

// healthyFor is how long connects must succeed, and none fail, before a fault
// counts as mended without waiting for the quiet period.
const healthyFor = 5 * time.Second

// mend closes what is over: connects succeed again and none fails.
func (l *lane) mend(now event.Time, desk trap.Desk) {
	if l.failures > 0 && l.unseen == 0 && l.opened > l.lastFailed &&
		l.opens > l.openedAt && now.Sub(l.lastFailed) >= healthyFor {
		desk.Mend(l.cell(l.cause), now, "connects succeed again, none failed for "+healthyFor.String())
	}
}
