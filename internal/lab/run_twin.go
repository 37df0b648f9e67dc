// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"time"
)

// watchTwin looks on for the twin's window, and on a slow machine until its traffic
// has been enough to prove something. The first record ends it: nothing that comes
// later can make it good.
func (r *run) watchTwin(ctx context.Context) error {
	window := r.Scenario.window
	if window == 0 {
		window = twinWindow
	}
	r.tell("traffic starts, for %s: %s", window, r.Scenario.Summary)
	r.result.Verdict = Silent
	watched, cancel := r.proven(ctx, window)
	defer cancel()
	alarm, err := r.agent.await(watched, func(telling) bool { return true })
	if err == nil {
		r.result.Verdict = FalseAlarm
		r.result.Times.Found = alarm.at.Sub(r.begun)
		r.show(alarm)
		return nil
	}
	if watched.Err() != nil && ctx.Err() == nil {
		r.tell("silent for %s", time.Since(r.begun).Round(time.Millisecond))
		return nil
	}
	return r.timedOut(ctx, err, "the twin was not watched to its end")
}

// proven gives a context that ends once the window is over and the scenario has
// proved itself, or cannot any more.
func (r *run) proven(ctx context.Context, window time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	limit, done := r.limit(ctx, window+proofLimit)
	go func() {
		defer done()
		defer cancel()
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for time.Since(r.begun) < window || r.stage.proof(r.meter.read()) != nil {
			select {
			case <-limit.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return ctx, cancel
}
