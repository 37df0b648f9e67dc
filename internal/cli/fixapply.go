// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
// kept in a file before the step is done: a runtime step doesn't outlive the host, and
// neither does that.
type mender struct {
	env    Environment
	from   ledgers
	folder string
}

func (m mender) path(id string) string { return filepath.Join(m.folder, filepath.Base(id)+".json") }

// apply does one step of a finding and waits until the agent sees it resolved.
func (m mender) apply(ctx context.Context, r *finding.Record, rollback bool) error {
	id := r.Finding.ID
	if r.Action == finding.Closed {
		return usagef("finding %s is resolved: nothing to apply", id)
	}
	step, undo, err := applicable(ctx, r)
	if err != nil {
		return err
	}
	if err := m.keep(id, undo); err != nil {
		return err
	}
	fmt.Fprintf(m.env.Stdout, "\napplying: %s\nundo with: trapbpf fix %s --undo\n", step.Shell(), id)
	if err := remedy.Apply(ctx, step); err != nil {
		return errors.Join(fmt.Errorf("apply fix: %w", err), os.Remove(m.path(id)))
	}
	err = m.awaitResolved(ctx, id)
	if err != nil && rollback {
		return errors.Join(err, m.undo(context.WithoutCancel(ctx), id))
	}
	return err
}

// applicable gives the first step that can be done natively, and what takes it back.
// It refuses where the state to come back to isn't the one that the finding speaks of.
func applicable(ctx context.Context, r *finding.Record) (step, undo finding.Step, err error) {
	for _, step := range r.Fix {
		undo, err := remedy.Current(ctx, step)
		var shell *remedy.NotNativeError
		if errors.As(err, &shell) {
			continue
		}
		if err != nil {
			return step, undo, fmt.Errorf("look at the host before the fix: %w", err)
		}
		told := func(s finding.Step) bool { return s.Shell() == undo.Shell() }
		if !slices.ContainsFunc(r.Undo, told) {
			return step, undo, fmt.Errorf("the host changed since finding %s was told, `%s` would be its undo now: look again, then paste the step", r.Finding.ID, undo.Shell())
		}
		return step, undo, nil
	}
	return step, undo, fmt.Errorf("no step of finding %s can be applied from here: paste those printed above", r.Finding.ID)
}

// keep writes how to take a step back. One that is there was not taken back yet.
func (m mender) keep(id string, undo finding.Step) error {
	text, err := json.Marshal(undo)
	if err != nil {
		return fmt.Errorf("keep undo: %w", err)
	}
	if err := os.MkdirAll(m.folder, 0o700); err != nil {
		return fmt.Errorf("keep undo: %w", err)
	}
	file, err := os.OpenFile(m.path(id), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return usagef("the fix of finding %s is applied already: take it back with --undo", id)
	}
	if err != nil {
		return fmt.Errorf("keep undo: %w", err)
	}
	_, err = file.Write(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return errors.Join(fmt.Errorf("keep undo: %w", err), os.Remove(m.path(id)))
	}
	return nil
}

// undo takes the step of a finding back.
func (m mender) undo(ctx context.Context, id string) error {
	text, err := os.ReadFile(m.path(id))
	if errors.Is(err, os.ErrNotExist) {
		return usagef("no fix of finding %s is applied: nothing to undo", id)
	}
	if err != nil {
		return fmt.Errorf("read undo: %w", err)
	}
	var step finding.Step
	if err := json.Unmarshal(text, &step); err != nil {
		return fmt.Errorf("read undo: %w", err)
	}
	fmt.Fprintf(m.env.Stdout, "undoing: %s\n", step.Shell())
	if err := remedy.Apply(ctx, step); err != nil {
		return fmt.Errorf("undo fix: %w", err)
	}
	return os.Remove(m.path(id))
}

// awaitResolved waits until the ledger says that the finding is resolved.
func (m mender) awaitResolved(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, healWithin)
	defer cancel()
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		r, err := m.from.find(id)
		if err != nil {
			return fmt.Errorf("the fix is applied, and whether it helped is unknown: %w", err)
		}
		if r.Action == finding.Closed {
			_, err := fmt.Fprintf(m.env.Stdout, "resolved: %s\n", r.Reason)
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("finding %s is not resolved %v after its fix: see `trapbpf explain %s`, take it back with --undo", id, healWithin, r.Trap)
		}
	}
}
