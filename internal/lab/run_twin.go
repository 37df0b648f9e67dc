// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"time"
)

// watchTwin looks on for the twin's window. The first record ends it: nothing that
// comes later can make it good.
func (r *run) watchTwin(ctx context.Context) error {
	window := r.Scenario.window
	if window == 0 {
		window = twinWindow
	}
	r.tell("traffic starts, for %s: %s", window, r.Scenario.Summary)
	r.result.Verdict = Silent
	watched, cancel := context.WithTimeout(ctx, window)
	defer cancel()
	alarm, err := r.agent.await(watched, func(telling) bool { return true })
	if err == nil {
		r.result.Verdict = FalseAlarm
		r.result.Times.Found = alarm.at.Sub(r.begun)
		r.show(alarm)
		return nil
	}
	if watched.Err() == context.DeadlineExceeded && ctx.Err() == nil {
		r.tell("silent for %s", time.Since(r.begun).Round(time.Millisecond))
		return nil
	}
	return r.timedOut(ctx, err, "the twin was not watched to its end")
}
