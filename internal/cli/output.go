// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/internal/sink/cef"
	"github.com/trapbpf/trapbpf/internal/sink/columns"
	"github.com/trapbpf/trapbpf/internal/sink/ecs"
	"github.com/trapbpf/trapbpf/internal/sink/ocsf"
	"github.com/trapbpf/trapbpf/internal/sink/stream"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// output takes records to stdout, and for people counts them for a summary.
type output struct {
	env     Environment
	log     *zap.Logger
	stop    func()
	sink    sink.Sink
	filter  *sink.Filter
	fanout  *sink.Fanout
	people  *columns.Encoder // nil where stdout is for machines
	started time.Time

	mu     sync.Mutex
	tally  *columns.Tally
	losses map[string]uint64
	broken error
}

// newOutput gives the output that the settings ask for. stop is called when nobody
// reads stdout any more.
func newOutput(env Environment, set settings, stop func(), log *zap.Logger) *output {
	o := &output{
		env: env, log: log, stop: stop, started: time.Now(),
		filter: sink.NewFilter(set.severity),
		tally:  columns.NewTally(), losses: map[string]uint64{},
	}
	o.sink = stream.New("stdout", env.Stdout, o.encoder(set))
	o.fanout = sink.NewFanout(o.report, sink.Route{Sink: o.sink})
	return o
}

func (o *output) encoder(set settings) sink.Encoder {
	switch set.format {
	case "columns":
		o.people = &columns.Encoder{Options: columns.Options{
			Color: set.color, Width: o.env.StdoutWidth, Location: time.Local,
		}}
		return o.people
	case "ocsf":
		return ocsf.Encoder{}
	case "cef":
		return cef.Encoder{}
	default:
		return ecs.Encoder{}
	}
}

// report hears what went wrong on the way out.
func (o *output) report(r sink.Report) {
	if sink.Broken(r.Err) {
		o.mu.Lock()
		o.broken = r.Err
		o.mu.Unlock()
		o.stop()
		return
	}
	o.log.Warn("record lost", zap.String("sink", r.Sink), zap.Uint64("dropped", r.Dropped), zap.Error(r.Err))
}

// write queues a record: a reader that is slow holds up nobody.
func (o *output) write(r *finding.Record) {
	if o.take(r) {
		o.fanout.Write(r)
	}
}

// writeNow writes a record before it returns: a replay waits for its reader.
func (o *output) writeNow(r *finding.Record) {
	if !o.take(r) {
		return
	}
	if err := o.sink.Write(r); err != nil {
		o.report(sink.Report{Sink: o.sink.Name(), Err: err})
	}
}

// take counts a record, and tells whether it is severe enough to be written.
func (o *output) take(r *finding.Record) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.filter.Wants(r) {
		return false
	}
	o.tally.Add(r)
	return true
}

// lose keeps what was lost, for the summary.
func (o *output) lose(l *event.Loss) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.losses[string(l.Of)+" events ("+l.Stage+")"] = l.Count
}

// close writes what waits, then the summary.
func (o *output) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), flushWithin)
	defer cancel()
	if err := o.fanout.Close(ctx); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broken != nil || o.people == nil {
		return o.broken
	}
	_, err := o.env.Stdout.Write(o.people.AppendSummary(nil, o.tally, time.Since(o.started), o.lost()))
	return err
}

func (o *output) lost() []columns.Loss {
	var lost []columns.Loss
	for what, count := range o.losses {
		lost = append(lost, columns.Loss{What: what, Count: count})
	}
	slices.SortFunc(lost, func(a, b columns.Loss) int { return cmp.Compare(a.What, b.What) })
	return lost
}
