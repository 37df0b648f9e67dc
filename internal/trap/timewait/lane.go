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

// lane is one (namespace, source, destination, port): what a local port must be
// free for. A bind's lane has no destination.
type lane struct {
	key laneKey
	// failures, those not told yet, and when the last one was.
	failures    uint64
	unseen      uint64 // not yet told to the desk
	lastFailed  event.Time
	pendingFrom event.Time
	op          event.PortOp
	owner       event.Owner

	opens     uint64
	opened    event.Time // when opens last grew
	openRate  flow.Rate
	closeRate flow.Rate

	row      event.PortUseRow
	walked   event.Time
	taken    flow.Rate
	live     flow.Rate
	cause    finding.Cause // what the failures were explained by
	openedAt uint64        // opens at the last failure
	left     *time.Duration
}

func (l *lane) fail(e *event.PortFailure, fresh uint64) {
	if l.unseen == 0 {
		l.pendingFrom = e.Time
	}
	l.failures += fresh
	l.unseen += fresh
	l.lastFailed = max(l.lastFailed, e.Time)
	l.op, l.owner = e.Op, e.Owner
	l.openedAt = l.opens
}

func (l *lane) press(e *event.PortPressure) {
	if e.Opens > l.opens {
		l.opened = e.Time
	}
	l.opens = e.Opens
	l.openRate.Add(e.Time, float64(e.Opens))
	l.closeRate.Add(e.Time, float64(e.TimeWaits))
	if l.owner.PID == 0 || l.failures == 0 {
		l.owner = e.Owner
	}
}

func (l *lane) use(at event.Time, row event.PortUseRow) {
	l.row, l.walked = row, at
	l.taken.Add(at, float64(row.TimeWait+row.Live))
	l.live.Add(at, float64(row.Live))
}

// recentOpens estimates the connects of the last minute: all that were counted, as
// long as that is fewer than the rate makes of a minute.
func (l *lane) recentOpens() float64 {
	rate := l.openRate.PerSecond() * timeWaitLasts.Seconds()
	if l.openRate.Span() == 0 {
		return float64(l.opens)
	}
	return min(rate, float64(l.opens))
}

func (l *lane) cell(cause finding.Cause) trap.Key {
	return trap.Key{Cause: cause, Netns: l.key.netns, Subject: l.subject()}
}

func (l *lane) subject() string {
	if l.op == event.PortBind && !l.key.destination.IsValid() {
		return l.key.source.String()
	}
	return l.key.source.String() + " " + l.key.destination.String()
}

// root is the fault behind a lane's findings: the range towards one destination.
func (l *lane) root() string { return "ports " + l.subject() }
