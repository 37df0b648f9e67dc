// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bytes"
	"context"
	"errors"
	"os"
	"sync"
	"time"
)

// job is one part of a scenario's traffic: it runs until ctx ends and returns soon
// after. An error other than the end of ctx means that the lab itself is broken.
type job func(ctx context.Context, m *meter) error

// together runs jobs side by side; the first that breaks ends all.
func together(jobs ...job) job {
	return func(ctx context.Context, m *meter) error {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		var group sync.WaitGroup
		for _, run := range jobs {
			group.Go(func() {
				if err := run(ctx, m); err != nil {
					cancel(err)
				}
			})
		}
		group.Wait()
		if err := context.Cause(ctx); err != nil && !errors.Is(err, ctx.Err()) {
			return err
		}
		return nil
	}
}

// inside makes a job of f, run on a thread of its own in a namespace. The thread is
// called name meanwhile, as a program's process would be.
func inside(s *space, name string, f job) job {
	return func(ctx context.Context, m *meter) error {
		return s.do(func() error {
			defer rename(name)()
			return f(ctx, m)
		})
	}
}

// rename gives the calling thread a name; what it returns takes that back. A name
// that cannot be set is no reason to stop.
func rename(name string) func() {
	const comm = "/proc/thread-self/comm"
	old, err := os.ReadFile(comm)
	if err != nil || os.WriteFile(comm, []byte(name), 0) != nil {
		return func() {}
	}
	return func() { _ = os.WriteFile(comm, bytes.TrimSpace(old), 0) }
}

// pace calls f rate times a second until ctx ends, at most limit times. A call that
// takes longer delays the next.
func pace(ctx context.Context, rate, limit int, f func()) {
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for range limit {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f()
		}
	}
	<-ctx.Done()
}
