// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"fmt"
	"sync/atomic"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// lane is the way to one sink.
type lane struct {
	route  Route
	report func(Report)
	queue  *queue
	// told are the findings that passed the severity filter and are not resolved:
	// no more than the engine has open. Only Write's goroutine touches it.
	told    map[string]bool
	dropped atomic.Uint64
	// done tells that run has returned; closeErr may be read then.
	done     chan struct{}
	closeErr error
}

func newLane(route Route, report func(Report)) *lane {
	if route.Queue <= 0 {
		route.Queue = DefaultQueue
	}
	return &lane{
		route: route, report: report, queue: newQueue(route.Queue), told: map[string]bool{},
		done: make(chan struct{}),
	}
}

func (l *lane) offer(r *finding.Record) {
	if !l.wants(r) {
		return
	}
	if lost := l.queue.add(r); lost != nil {
		l.lose(lost, ErrQueueFull)
	}
}

// wants applies the severity filter to findings, not to records: who heard of an
// opened finding must hear that it is resolved.
func (l *lane) wants(r *finding.Record) bool {
	id := r.Finding.ID
	wanted := l.told[id] || r.Severity >= l.route.MinSeverity
	switch {
	case r.Action == finding.Closed:
		delete(l.told, id)
	case wanted:
		l.told[id] = true
	}
	return wanted
}

func (l *lane) run() {
	defer close(l.done)
	broken := false
	for {
		r, ok := l.queue.take()
		if !ok {
			l.closeErr = l.route.Sink.Close()
			return
		}
		if broken {
			l.lose(r, ErrBroken)
			continue
		}
		if err := l.route.Sink.Write(r); err != nil {
			l.lose(r, fmt.Errorf("write record to sink %s: %w", l.route.Sink.Name(), err))
			broken = Broken(err)
		}
	}
}

func (l *lane) lose(r *finding.Record, err error) {
	l.report(Report{Sink: l.route.Sink.Name(), Lost: r, Dropped: l.dropped.Add(1), Err: err})
}
