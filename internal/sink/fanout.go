// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"context"
	"errors"
	"fmt"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// DefaultQueue is how many records wait for a sink where its Route does not say.
// Findings are rare and updated every 10 s at most: this is minutes of many of them.
const DefaultQueue = 256

// Route is a sink with what it gets.
type Route struct {
	Sink Sink
	// MinSeverity keeps findings away that never reached it. One that did is told
	// until it is resolved, whatever its severity becomes.
	MinSeverity finding.Severity
	// Queue is how many records may wait, DefaultQueue where 0.
	Queue int
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
}

// Why a record was lost without an attempt to write it.
var (
	ErrQueueFull = errors.New("the queue is full: the sink is slower than the findings")
	ErrBroken    = errors.New("the sink broke earlier")
	ErrDeadline  = errors.New("the sink did not finish in time")
)

// Fanout hands every record to every sink that wants it. Write and Close are for one
// goroutine.
type Fanout struct {
	lanes []*lane
}

// NewFanout starts a goroutine for each route. They end with Close, which also
// closes the sinks.
//
// report hears of every loss and error. It is called from several goroutines, Write's
// caller among them, and must not block or call the Fanout.
func NewFanout(report func(Report), routes ...Route) *Fanout {
	f := new(Fanout)
	for _, route := range routes {
		l := newLane(route, report)
		f.lanes = append(f.lanes, l)
		go l.run()
	}
	return f
}

// Write queues a record and never blocks. The record must not change any more.
func (f *Fanout) Write(r *finding.Record) {
	for _, l := range f.lanes {
		l.offer(r)
	}
}

// Close takes no more records, lets the sinks write what waits, and closes them.
// Where ctx ends first, what still waits is lost, and told as such; a sink that hangs
// in a write is left behind, and the error names it.
func (f *Fanout) Close(ctx context.Context) error {
	for _, l := range f.lanes {
		l.queue.close()
	}
	var errs []error
	for _, l := range f.lanes {
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
