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
	route   Route
	report  func(Report)
	queue   *queue
	filter  *Filter // only Write's goroutine touches it
	dropped atomic.Uint64
	// spared counts those of the dropped that were expendable.
	spared atomic.Uint64
	// written and failed count what the sink took and did not; down is the newest.
	written, failed atomic.Uint64
	down            atomic.Bool
	// done tells that run has returned; closeErr may be read then.
	done     chan struct{}
	closeErr error
	// unstarted is true where the sink could not start: there is nothing to close.
	unstarted bool
	// ready tells that the sink has started: only then it may be asked for its counts.
	ready atomic.Bool
	// running is the Fanout's: run was started.
	running bool
}

func newLane(route Route, report func(Report)) *lane {
	if route.Queue <= 0 {
		route.Queue = DefaultQueue
	}
	return &lane{
		route: route, report: report, queue: newQueue(route.Queue), filter: NewFilter(route.MinSeverity),
		done: make(chan struct{}),
	}
}

func (l *lane) name() string { return l.route.Sink.Name() }

// same tells whether the lane serves that route already. A route without a mark is
// never the same as another.
func (l *lane) same(r Route) bool {
	return r.Mark != "" && l.route.Mark == r.Mark && l.name() == r.Sink.Name()
}

func (l *lane) ended() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

func (l *lane) offer(r *finding.Record) {
	if r.Notice != nil && l.route.FindingsOnly || r.Notice == nil && !l.filter.Wants(r) {
		return
	}
	if lost := l.queue.add(r); lost != nil {
		l.lose(lost, ErrQueueFull)
	}
}

// run writes what is queued until the queue is closed and empty, once the lanes
// before it have ended.
func (l *lane) run(before []*lane) {
	defer close(l.done)
	for _, b := range before {
		<-b.done
	}
	broken := !l.start()
	l.ready.Store(!broken)
	for {
		r, ok := l.queue.take()
		if !ok {
			break
		}
		if broken {
			l.lose(r, ErrBroken)
			continue
		}
		err := l.route.Sink.Write(r)
		l.mark(err)
		if err != nil {
			l.lose(r, fmt.Errorf("write record to sink %s: %w", l.route.Sink.Name(), err))
			broken = Broken(err)
		}
	}
	if !l.unstarted {
		l.closeErr = l.route.Sink.Close()
	}
}

// mark counts an attempt.
func (l *lane) mark(err error) {
	l.down.Store(err != nil)
	if err != nil {
		l.failed.Add(1)
		return
	}
	l.written.Add(1)
}

// stand tells how the sink fares: by its own counts of what arrived, where it has any.
func (l *lane) stand() Stand {
	s := Stand{Sink: l.name(), Queued: l.queue.len()}
	if m, ok := l.route.Sink.(Measured); ok && l.ready.Load() {
		s.Stats = m.Stats()
	} else {
		s.Sent = l.written.Load()
	}
	s.Failures += l.failed.Load()
	spared := l.spared.Load() // before dropped, which it is never above
	s.Dropped += spared
	s.Lost += l.dropped.Load() - spared
	s.Down = s.Down || l.down.Load()
	return s
}

// start lets the sink take hold of what it needs, unless that is done already.
func (l *lane) start() bool {
	s, ok := l.route.Sink.(Starter)
	if !ok || l.route.Started {
		return true
	}
	if err := s.Start(); err != nil {
		l.unstarted = true
		l.down.Store(true)
		l.report(Report{Sink: l.name(), Err: err})
		return false
	}
	return true
}

// close lets nothing more in.
func (l *lane) close() {
	l.queue.close()
	if c, ok := l.route.Sink.(Closer); ok {
		c.Closing()
	}
}

func (l *lane) lose(r *finding.Record, err error) {
	dropped := l.dropped.Add(1)
	if r.Expendable() {
		l.spared.Add(1)
	}
	l.report(Report{Sink: l.name(), Lost: r, Dropped: dropped, Err: err})
}
