// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trapbpf/trapbpf/internal/sink"
)

const (
	// batch is how many entries a remote gets at once.
	batch = 32
	// soonest and latest bound the wait after a failure; it doubles each time, and is
	// drawn from its upper half so that a fleet does not come back at one moment.
	soonest = 500 * time.Millisecond
	latest  = time.Minute
	// longestAfter bounds what a remote may ask for.
	longestAfter = 10 * time.Minute
)

// courier carries entries from the spool to the remote, one goroutine.
type courier struct {
	spool *Sink
	// wake has room for one token: there is something to carry.
	wake    chan struct{}
	closing chan struct{}
	once    sync.Once

	sent, failures atomic.Uint64
	dropped        uint64 // as told last
	wait           time.Duration
	down           atomic.Bool // told that the remote does not take anything
}

func newCourier(s *Sink) *courier {
	return &courier{spool: s, wake: make(chan struct{}, 1), closing: make(chan struct{})}
}

func (c *courier) rouse() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *courier) close() { c.once.Do(func() { close(c.closing) }) }

// run carries until ctx ends, or until it is closing and nothing waits.
func (c *courier) run(ctx context.Context) {
	for ctx.Err() == nil {
		c.tellDropped()
		waiting, err := c.spool.queue.peek(batch)
		switch {
		case err != nil:
			c.fail(ctx, err)
		case len(waiting) > 0:
			c.carry(ctx, waiting)
		case !c.idle(ctx):
			return
		}
	}
}

// idle waits for something to do; it is false where nothing will come any more.
func (c *courier) idle(ctx context.Context) bool {
	select {
	case <-c.wake:
		return true
	case e := <-c.spool.direct:
		c.hand(ctx, e)
		return true
	case <-c.closing:
		return len(c.wake) > 0
	case <-ctx.Done():
		return false
	}
}

// carry sends what waits and remembers what arrived.
func (c *courier) carry(ctx context.Context, waiting []stored) {
	entries := make([]sink.Entry, len(waiting))
	for i, w := range waiting {
		entries[i] = w.entry
	}
	sent, err := c.spool.remote.Send(ctx, entries)
	c.sent.Add(uint64(sent))
	var refused *sink.Refusal
	if errors.As(err, &refused) {
		c.spool.lose(max(refused.Count, 1), err)
		if refused.Count == 0 {
			sent++
		}
		err = nil
	}
	if sent > 0 {
		c.recover()
		if e := c.spool.queue.ack(waiting[sent-1].order); e != nil {
			err = errors.Join(err, e)
		}
	}
	if err != nil {
		c.fail(ctx, err)
	}
}

// hand sends one entry that is not on disk, until it is taken or the spool is closed.
func (c *courier) hand(ctx context.Context, e sink.Entry) {
	for ctx.Err() == nil {
		sent, err := c.spool.remote.Send(ctx, []sink.Entry{e})
		var refused *sink.Refusal
		switch {
		case sent == 1:
			c.sent.Add(1)
			c.recover()
			return
		case errors.As(err, &refused):
			c.spool.lose(1, err)
			return
		}
		c.fail(ctx, err)
	}
	c.spool.lose(1, ctx.Err())
}

// fail tells of an error, once until the remote is back, and waits.
func (c *courier) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // Close ended it
	}
	c.failures.Add(1)
	if !c.down.Swap(true) {
		c.spool.options.Report(sink.Report{Sink: c.spool.Name(), Err: err})
	}
	c.wait = min(max(2*c.wait, soonest), latest)
	wait := c.wait/2 + rand.N(c.wait/2) //nolint:gosec // jitter, no secret
	if after := min(sink.AfterOf(err), longestAfter); after > wait {
		wait = after
	}
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
}

func (c *courier) recover() {
	c.wait = 0
	if c.down.Swap(false) {
		c.spool.options.Report(sink.Report{Sink: c.spool.Name(), Recovered: true})
	}
}

// tellDropped tells of updates that had to go for want of room.
func (c *courier) tellDropped() {
	if _, dropped := c.spool.queue.stand(); dropped > c.dropped {
		c.dropped = dropped
		c.spool.options.Report(sink.Report{Sink: c.spool.Name(), Dropped: dropped, Updates: true, Err: errDropped})
	}
}
