// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/trapbpf/trapbpf/internal/remedy"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// watchFault waits until the fault is found, has it mended, and waits until the
// agent has seen that.
func (r *run) watchFault(ctx context.Context) error {
	r.tell("traffic starts: %s", r.Scenario.Summary)
	found, err := r.awaitRecord(ctx, foundLimit, func(t telling) bool {
		return t.doc.Trapbpf.Trap == r.Scenario.Trap && t.doc.Trapbpf.Cause == r.Scenario.Cause
	})
	if err != nil {
		r.result.Verdict = Missed
		return r.timedOut(ctx, err, "the fault was not found")
	}
	r.result.Verdict = Found
	r.result.Times.Found = found.at.Sub(r.begun)
	if r.Relaxed && !r.Scenario.cut {
		found = r.settled(ctx, found)
	}
	r.result.first, r.result.then, r.result.after = found.doc, r.meter.read(), time.Since(r.begun)
	r.show(found)
	if r.Scenario.cut {
		return nil
	}
	sure, err := r.awaitSure(ctx, found)
	if err != nil || sure == nil {
		return err
	}
	if !r.Scenario.ends {
		if err := r.mend(ctx, sure); err != nil {
			return err
		}
	}
	if err := r.awaitResolved(ctx, found.doc.Trapbpf.Finding.ID); err != nil {
		return err
	}
	return r.proveUndo(ctx, found.doc.Trapbpf.Finding.ID)
}

// settleLimit is how long a machine of no promises may take to confirm what it
// suspects.
const settleLimit = 5 * time.Second

// settled gives the record that confirms a suspicion and offers a fix, or the first one
// where none comes: on a slow machine that is written before the host's own answers are
// in.
func (r *run) settled(ctx context.Context, found telling) telling {
	settled := func(t telling) bool {
		return t.doc.Trapbpf.Status == finding.Confirmed && len(t.doc.Trapbpf.Fix) > 0
	}
	if settled(found) {
		return found
	}
	confirmed, err := r.awaitRecord(ctx, settleLimit, func(t telling) bool {
		return t.doc.Trapbpf.Finding.ID == found.doc.Trapbpf.Finding.ID && settled(t)
	})
	if err != nil { // it stays suspected, or the run has ended: both show later
		return found
	}
	return confirmed
}

// awaitSure waits until the finding is confirmed, where that was promised, and gives
// the record that says so; nil where it never came.
func (r *run) awaitSure(ctx context.Context, found telling) (*finding.Document, error) {
	id := found.doc.Trapbpf.Finding.ID
	sure := found
	if r.Scenario.sure != 0 {
		var err error
		sure, err = r.awaitRecord(ctx, foundLimit, func(t telling) bool {
			return t.doc.Trapbpf.Finding.ID == id && t.doc.Trapbpf.Status == finding.Confirmed
		})
		if err != nil {
			return nil, r.timedOut(ctx, err, "the finding was not confirmed")
		}
		r.result.Times.Confirmed = sure.at.Sub(r.begun)
		if sure.at != found.at {
			r.show(sure)
		}
	}
	r.result.sure = sure.doc
	return sure.doc, nil
}

// pasteTime is how long even a quick person needs from a finding to its fix. Faults
// that go on meanwhile show themselves as they would.
const pasteTime = time.Second

// mend has the agent's own command apply the finding's first fix, or has it followed
// where it is advice.
func (r *run) mend(ctx context.Context, doc *finding.Document) error {
	fixes := doc.Trapbpf.Fix
	if len(fixes) == 0 {
		r.result.problem("the finding offers no fix")
		return nil
	}
	r.result.Fix = fixes[0]
	wait(ctx, pasteTime)
	if err := r.run(ctx, doc.Trapbpf.Finding.ID, fixes[0]); err != nil {
		r.result.problem("the first fix cannot be run: %v", err)
		return nil
	}
	fixed := time.Now()
	r.result.Times.Fixed = fixed.Sub(r.begun)
	r.tell("%s: %s", map[bool]string{false: "fix applied", true: "advice followed"}[r.result.Followed], fixes[0])
	if !r.stage.heals {
		return nil
	}
	return r.awaitHealed(ctx, fixed)
}

// run does what a fix says: by `fix --apply` where that is a setting, by the scenario's
// own program where it is advice, without either where it is to be pasted.
func (r *run) run(ctx context.Context, id, fix string) error {
	step, err := finding.ParseStep(fix)
	if err != nil {
		return err
	}
	switch {
	case remedy.Native(step) && r.Scenario.pasted:
		return remedy.Apply(ctx, step)
	case remedy.Native(step):
		return r.applyFix(ctx, id)
	case r.stage.obey == nil:
		return fmt.Errorf("it is advice, and nobody here follows it: %s", fix)
	default:
		if r.proves() {
			r.verify(ctx, id, "still-there")
		}
		r.stage.obey()
		r.result.Followed = true
		return nil
	}
}

// awaitHealed waits for a try that went well after the fix: the second witness,
// who knows nothing of the agent.
func (r *run) awaitHealed(ctx context.Context, fixed time.Time) error {
	limit, cancel := r.limit(ctx, healLimit)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if last := r.meter.read().Succeeded; last.After(fixed) {
			r.result.Times.Healed = last.Sub(r.begun)
			r.tell("the traffic works")
			return nil
		}
		select {
		case <-limit.Done():
			return r.timedOut(ctx, limit.Err(), "the fix did not make the traffic work")
		case <-tick.C:
		}
	}
}

func (r *run) awaitResolved(ctx context.Context, id string) error {
	resolved, err := r.awaitRecord(ctx, resolveLimit, func(t telling) bool {
		return t.doc.Trapbpf.Finding.ID == id && t.doc.Event.Action == finding.Closed
	})
	if err != nil {
		return r.timedOut(ctx, err, "the finding was not resolved")
	}
	r.result.Times.Resolved = resolved.at.Sub(r.begun)
	r.result.last = resolved.doc
	r.show(resolved)
	return nil
}

func (r *run) awaitRecord(ctx context.Context, d time.Duration, match func(telling) bool) (telling, error) {
	limit, cancel := r.limit(ctx, d)
	defer cancel()
	return r.agent.await(limit, match)
}

// timedOut makes a problem of a deadline and of an agent that died; the end of the
// run's own ctx is an error.
func (r *run) timedOut(ctx context.Context, err error, what string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("lab run ended early: %w", context.Cause(ctx))
	}
	if errors.Is(err, context.DeadlineExceeded) {
		r.result.problem("%s (traffic: %s)", what, r.meter.read())
	} else {
		r.result.problem("%s: %v", what, err)
	}
	return nil
}

func (r *run) show(t telling) {
	if r.Progress != nil {
		r.Progress(Event{Elapsed: t.at.Sub(r.started), Text: t.doc.Message, Record: t.raw})
	}
}
