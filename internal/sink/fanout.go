// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// DefaultQueue is how many records wait for a sink where its Route does not say: an
// update of each finding that can be open, since what began at once is told at once.
const DefaultQueue = 1024

// Route is a sink with what it gets.
type Route struct {
	Sink Sink
	// MinSeverity keeps findings away that never reached it. One that did is told
	// until it is resolved, whatever its severity becomes.
	MinSeverity finding.Severity
	// FindingsOnly keeps away what tells of the agent's own state, which else has no
	// severity too low.
	FindingsOnly bool
	// Queue is how many records may wait, DefaultQueue where 0.
	Queue int
	// Started tells that the caller has started the sink, where it is a Starter.
	Started bool
	// Mark tells two routes to a sink of one name apart: Replace leaves a route alone
	// whose mark has not changed.
	Mark string
}

// Report is what Fanout has to say of a sink: a record was lost, or an error came up.
type Report struct {
	// Sink is its name.
	Sink string
	// Lost is a record that the sink never gets, nil where none was lost.
	Lost *finding.Record
	// Dropped is how many records the sink has lost so far.
	Dropped uint64
	// Err is why: what the sink's Write or Close gave, or ErrQueueFull, ErrBroken,
	// ErrDeadline.
	Err error
	// Updates tells that only updates were lost, where Lost does not name one.
	Updates bool
	// Recovered tells that a sink which had errors takes records again.
	Recovered bool
}

// Why a record was lost without an attempt to write it.
var (
	ErrQueueFull = errors.New("the queue is full: the sink is slower than the findings")
	ErrBroken    = errors.New("the sink broke earlier")
	ErrDeadline  = errors.New("the sink did not finish in time")
)

// Fanout hands every record to every sink that wants it. Its methods may be called
// from several goroutines, but none after Close.
type Fanout struct {
	report func(Report)

	mu    sync.Mutex
	lanes []*lane
	// leaving are lanes that take nothing more and still write what waits.
	leaving []*lane
}

// NewFanout starts a goroutine for each route. They end with Close, which also
// closes the sinks.
//
// report hears of every loss and error. It is called from several goroutines, Write's
// caller among them, and must not block or call the Fanout.
func NewFanout(report func(Report), routes ...Route) *Fanout {
	f := &Fanout{report: report}
	f.Replace(routes...)
	return f
}

// Replace makes these the routes. What waits for a sink that is not among them any
// more is still written, then that sink is closed; a new one of the same name begins
// after that, since both may hold the same file. It never blocks.
func (f *Fanout) Replace(routes ...Route) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.lanes
	f.lanes = nil
	for _, route := range routes {
		if i := slices.IndexFunc(old, func(l *lane) bool { return l.same(route) }); i >= 0 {
			f.lanes = append(f.lanes, old[i])
			old = slices.Delete(slices.Clone(old), i, i+1)
			continue
		}
		f.lanes = append(f.lanes, newLane(route, f.report))
	}
	for _, l := range old {
		l.close()
	}
	f.leaving = append(slices.DeleteFunc(f.leaving, (*lane).ended), old...)
	f.begin()
}

// begin starts the lanes that do not run yet.
func (f *Fanout) begin() {
	for _, l := range f.lanes {
		if l.running {
			continue
		}
		l.running = true
		var before []*lane
		for _, leaver := range f.leaving {
			if leaver.name() == l.name() {
				before = append(before, leaver)
			}
		}
		go l.run(before)
	}
}

// Reopen asks the sinks that hold files to open them anew.
func (f *Fanout) Reopen() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.lanes {
		if r, ok := l.route.Sink.(Reopener); ok {
			r.Reopen()
		}
	}
}

// Write queues a record and never blocks. The record must not change any more.
func (f *Fanout) Write(r *finding.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.lanes {
		l.offer(r)
	}
}

// Idle tells whether every sink has written all that Write was given, or given it up.
func (f *Fanout) Idle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range slices.Concat(f.leaving, f.lanes) {
		if !l.ended() && !l.queue.idle() {
			return false
		}
	}
	return true
}

// Stand is how one sink fares.
type Stand struct {
	// Sink is its name, Queued how many records wait in memory.
	Sink   string
	Queued int
	Stats
}

// Stand tells how each sink fares that is not about to leave.
func (f *Fanout) Stand() []Stand {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]Stand, 0, len(f.lanes))
	for _, l := range f.lanes {
		all = append(all, l.stand())
	}
	return all
}

// Close takes no more records, lets the sinks write what waits, and closes them.
// Where ctx ends first, what still waits is lost, and told as such; a sink that hangs
// in a write is left behind, and the error names it.
func (f *Fanout) Close(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.lanes {
		l.close()
	}
	var errs []error
	for _, l := range slices.Concat(f.leaving, f.lanes) {
		errs = append(errs, l.finish(ctx))
	}
	return errors.Join(errs...)
}

func (l *lane) finish(ctx context.Context) error {
	select {
	case <-l.done:
	case <-ctx.Done():
		for _, r := range l.queue.drain() {
			l.lose(r, ErrDeadline)
		}
		// It may have ended at the same moment.
		select {
		case <-l.done:
		default:
			return fmt.Errorf("close sink %s: %w", l.route.Sink.Name(), ErrDeadline)
		}
	}
	if l.closeErr != nil {
		return fmt.Errorf("close sink %s: %w", l.route.Sink.Name(), l.closeErr)
	}
	return nil
}
