// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf/ringbuf"

	"github.com/trapbpf/trapbpf/pkg/event"
)

const (
	// pollEvery is how often the counts behind the samples are looked at: the
	// sampling interval's default, so that counts are as fresh as samples.
	pollEvery = 250 * time.Millisecond
	// pressureEvery is the contract of event.PortPressure: once a second.
	pressureEvery = time.Second
	// clockEvery is after how many samples a busy reader looks at the clock.
	clockEvery = 256
	// patience is how long the last read goes on while programs still write.
	patience = 500 * time.Millisecond
)

// Run hands every event to emit, one at a time, until ctx ends; then it empties
// the ring, tells the last counts, and gives nil. An event and its parts are
// valid during the call of emit only.
func (k *Kernel) Run(ctx context.Context, emit func(event.Event)) error {
	reader, err := ringbuf.NewReader(k.maps.maps[mapEvents])
	if err != nil {
		return fmt.Errorf("open the ring buffer: %w", err)
	}
	defer func() { _ = reader.Close() }()
	defer context.AfterFunc(ctx, func() { _ = reader.Flush() })()
	s := &stream{reader: reader, teller: newTeller(k, emit), alive: k.alive}
	if s.alive == nil {
		s.alive = func() {}
	}
	return s.run(ctx)
}

// stream reads the ring and polls the counts, in one goroutine.
type stream struct {
	reader *ringbuf.Reader
	record ringbuf.Record
	teller *teller
	alive  func()
}

func (s *stream) run(ctx context.Context) error {
	pressureDue := time.Now().Add(pressureEvery)
	for ctx.Err() == nil {
		s.alive()
		until := time.Now().Add(pollEvery)
		if err := s.pump(until, until); err != nil {
			return err
		}
		now := time.Now()
		due := now.After(pressureDue)
		if due {
			pressureDue = now.Add(pressureEvery)
		}
		if err := s.teller.poll(due); err != nil {
			return err
		}
	}
	now := time.Now()
	if err := s.pump(now, now.Add(patience)); err != nil {
		return err
	}
	return s.teller.poll(true)
}

// pump tells samples until the ring has been empty at the moment idle, or until the
// moment end although it never was.
func (s *stream) pump(idle, end time.Time) error {
	s.reader.SetDeadline(idle)
	for n := 1; ; n++ {
		err := s.reader.ReadInto(&s.record)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, ringbuf.ErrFlushed):
			return nil
		case err != nil:
			return fmt.Errorf("read the ring buffer: %w", err)
		}
		s.teller.sample(s.record.RawSample)
		if n%clockEvery == 0 && time.Now().After(end) {
			return nil
		}
	}
}
