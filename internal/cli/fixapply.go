// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/trapbpf/trapbpf/internal/remedy"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	// healWithin is how long a finding may take to resolve after its fix.
	healWithin = 30 * time.Second
	// lookAgain is how often the ledger is read meanwhile.
	lookAgain = 200 * time.Millisecond
)

// mender applies steps of findings and takes them back. How to take a step back is
// kept before the step is done: a runtime step doesn't outlive the host, and neither
// does that.
type mender struct {
	env   Environment
	from  ledgers
	shelf remedy.Shelf
	// patience bounds the wait for the finding to resolve, 0 for healWithin.
	patience time.Duration
}

// apply does one step of a finding, 0 for the first that can be done, and waits until
// the agent sees it resolved.
func (m mender) apply(ctx context.Context, r *finding.Record, step int, rollback bool) error {
	id := r.Finding.ID
	if r.Action == finding.Closed {
		return usagef("finding %s is resolved: nothing to apply", id)
	}
	if _, err := m.shelf.Get(id); !errors.Is(err, fs.ErrNotExist) {
		return usagef("a step of finding %s is applied already: take it back with `trapbpf fix %s --undo`", id, id)
	}
	change, err := remedy.Plan(ctx, &r.Finding, step)
	if err != nil {
		return fmt.Errorf("apply the fix of finding %s: %w", id, err)
	}
	if err := m.shelf.Keep(id, change); err != nil {
		return err
	}
	fmt.Fprintf(m.env.Stdout, "\napplying: %s\n", change.Step.Shell())
	if err := change.Do(ctx); err != nil {
		return errors.Join(fmt.Errorf("apply fix: %w", err), m.shelf.Forget(id))
	}
	if err := m.shelf.Keep(id, change); err != nil {
		return errors.Join(err, change.TakeBack(ctx))
	}
	fmt.Fprintf(m.env.Stdout, "applied, undo with: trapbpf fix %s --undo\n", id)
	err = m.awaitResolved(ctx, id)
	if err != nil && rollback {
		return errors.Join(err, m.undo(context.WithoutCancel(ctx), id))
	}
	return err
}

// undo takes the step of a finding back.
func (m mender) undo(ctx context.Context, id string) error {
	change, err := m.shelf.Get(id)
	if errors.Is(err, fs.ErrNotExist) {
		return usagef("no step of a finding %q is applied: nothing to undo; without its agent a finding goes by its whole id", id)
	}
	if err != nil {
		return privileged(err)
	}
	fmt.Fprintf(m.env.Stdout, "undoing: %s\n", change.Undo.Shell())
	if err := change.TakeBack(ctx); err != nil {
		return fmt.Errorf("undo the fix of finding %s: %w", id, err)
	}
	return m.shelf.Forget(id)
}

// awaitResolved waits until the ledger says that the finding is resolved.
func (m mender) awaitResolved(ctx context.Context, id string) error {
	limit := m.patience
	if limit == 0 {
		limit = healWithin
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	begun := time.Now()
	for {
		r, err := m.from.find(id)
		if err != nil {
			m.progress("")
			return fmt.Errorf("the fix is applied, and whether it helped is unknown: %w", err)
		}
		if r.Action == finding.Closed {
			m.progress("")
			_, err := fmt.Fprintf(m.env.Stdout, "resolved: %s\n", r.Reason)
			return err
		}
		m.progress(fmt.Sprintf("waiting for the finding to resolve, %.0f of %.0f s", time.Since(begun).Seconds(), limit.Seconds()))
		select {
		case <-again.C:
		case <-ctx.Done():
			m.progress("")
			return m.unresolved(ctx, r, limit)
		}
	}
}

// unresolved says what to do where the wait was in vain, or was broken off.
func (m mender) unresolved(ctx context.Context, r *finding.Record, limit time.Duration) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("interrupted: the fix of finding %s is applied, and it is not resolved yet", r.Finding.ID)
	}
	return fmt.Errorf("finding %s is not resolved %v after its fix: look with `trapbpf verify %s`, take it back with `trapbpf fix %s --undo`, or see `trapbpf explain %s`",
		r.Finding.ID, limit, r.Finding.ID, r.Finding.ID, r.Trap)
}

// progress shows a line on a terminal in the last one's place, "" to take it away.
func (m mender) progress(text string) {
	if m.env.StderrTerminal {
		fmt.Fprint(m.env.Stderr, wipeLine+text)
	}
}
