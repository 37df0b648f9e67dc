// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package spool keeps records on disk until a place that is reached by the network has
// taken them.
//
// Delivery is at least once and in order: a record stays until the remote has it, over
// restarts of the agent and kills in the middle of a write. What cannot be delivered for
// long is bounded by a limit in bytes: then the oldest updates go first, counted, and
// what opens, raises, confirms or resolves a finding waits in memory until there is
// room. Pages are left to the kernel to write back: a power cut may lose the last
// seconds, the end of the process nothing.
package spool

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// DefaultLimit is how many bytes a spool keeps: about 10,000 records.
const DefaultLimit sink.Size = 64 << 20

// MinLimit leaves a segment room for a record.
const MinLimit sink.Size = 256 << 10

const (
	// grace is how long Close lets a remote take what waits.
	grace = time.Second
	// again is how often a record that the disk has no room for is tried anew.
	again = time.Second
)

// Options say where a spool is and who hears of it.
type Options struct {
	// Dir is the folder, for this spool alone.
	Dir string
	// Limit is how many bytes may be kept; 0 means DefaultLimit.
	Limit sink.Size
	// Report hears of losses and of the remote's errors. It must not block.
	Report func(sink.Report)
}

// Sink is a sink.Sink and sink.Starter before a sink.Remote.
type Sink struct {
	remote  sink.Remote
	encoder sink.Encoder
	options Options
	queue   *queue
	courier *courier

	// direct hands an entry that the disk has no room for to the courier.
	direct chan sink.Entry
	stop   context.CancelFunc
	ended  chan struct{}
	lost   atomic.Uint64
}

// New gives a sink that is not started.
func New(remote sink.Remote, encoder sink.Encoder, o Options) *Sink {
	if o.Limit == 0 {
		o.Limit = DefaultLimit
	}
	return &Sink{remote: remote, encoder: encoder, options: o, direct: make(chan sink.Entry)}
}

// Name implements sink.Sink.
func (s *Sink) Name() string { return s.remote.Name() }

// Start implements sink.Starter: it takes hold of the folder and begins to deliver what
// an earlier run left.
func (s *Sink) Start() error {
	opened, err := openQueue(s.options.Dir, int64(s.options.Limit))
	if err != nil {
		return fmt.Errorf("open spool of sink %s: %w", s.Name(), err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.queue, s.stop, s.ended = opened, cancel, make(chan struct{})
	s.courier = newCourier(s)
	go func() {
		defer close(s.ended)
		s.courier.run(ctx)
	}()
	return nil
}

// Write implements sink.Sink. It returns when the record is on disk, or, where the disk
// has no room for one that must not be lost, when the remote has it.
func (s *Sink) Write(r *finding.Record) error {
	e, err := sink.EntryOf(r, s.encoder)
	if err != nil {
		return err
	}
	for {
		err := s.queue.add(e)
		if err == nil {
			s.courier.rouse()
			return nil
		}
		if e.Expendable() {
			return err
		}
		select {
		case s.direct <- e:
			return nil
		case <-s.courier.closing:
			return fmt.Errorf("keep record: %w", err)
		case <-time.After(again):
		}
	}
}

// Closing implements sink.Closer: a Write that waits for room gives up.
func (s *Sink) Closing() { s.courier.close() }

// Close implements sink.Sink. What the remote does not take in a second stays on disk.
func (s *Sink) Close() error {
	s.courier.close()
	select {
	case <-s.ended:
	case <-time.After(grace):
	}
	s.stop()
	<-s.ended
	s.queue.close()
	return s.remote.Close()
}

// Stats implements sink.Measured.
func (s *Sink) Stats() sink.Stats {
	stats := sink.Stats{
		Sent: s.courier.sent.Load(), Failures: s.courier.failures.Load(), Lost: s.lost.Load(), Down: s.courier.down.Load(),
	}
	stats.SpoolBytes, stats.Dropped = s.queue.stand()
	return stats
}

// lose tells that records will never be delivered.
func (s *Sink) lose(count uint64, err error) {
	s.options.Report(sink.Report{Sink: s.Name(), Dropped: s.lost.Add(count), Err: err})
}

var errDropped = errors.New("the spool is full: the oldest updates were dropped")
