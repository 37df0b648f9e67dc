// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// command is the agent's binary with other words: what a person calls beside the agent
// that runs.
func (r *run) command(ctx context.Context, words ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, r.Binary, words...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.Dir = "/"
	return c
}

// applied is what `fix --apply` says once it has done the step. It then waits for the
// finding to resolve.
const applied = "applied, undo with:"

// applyFix has `fix ID --apply` do the first step, and returns as soon as it is done.
func (r *run) applyFix(ctx context.Context, id string) error {
	c := r.command(ctx, "fix", id, "--apply", "--step", "1")
	var complaints bytes.Buffer
	c.Stderr = &complaints
	stdout, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	did := false
	lines := bufio.NewScanner(stdout)
	for !did && lines.Scan() {
		did = strings.HasPrefix(lines.Text(), applied)
	}
	r.waits, r.applied = make(chan error, 1), id
	ended := func() error {
		for lines.Scan() { // to its end, so that it never blocks
		}
		if err := c.Wait(); err != nil {
			return fmt.Errorf("%w: %s", err, bytes.TrimSpace(complaints.Bytes()))
		}
		return nil
	}
	if !did {
		r.waits = nil
		return errors.Join(errors.New("fix --apply did not apply it"), ended())
	}
	go func() { r.waits <- ended() }()
	return nil
}

// fixPatience is for how long `fix --apply` waits for the finding to resolve.
const fixPatience = 30 * time.Second

// proveUndo takes the fix back and waits until the fault is found again: once for each
// cause whose cure is a setting. What `verify` says before and after is held
// against what is true; where advice was followed there is nothing to undo.
func (r *run) proveUndo(ctx context.Context, id string) error {
	if r.result.last == nil {
		return nil
	}
	if r.waits == nil {
		if r.result.Followed && r.proves() {
			r.verify(ctx, id, "mended")
		}
		return nil
	}
	recovery, _ := r.result.Recovery()
	if err := <-r.waits; err != nil && recovery < fixPatience && !r.Relaxed {
		r.result.problem("fix --apply did not see the finding resolved: %v", err)
	}
	if !r.proves() {
		return nil
	}
	r.then = r.meter.read()
	r.verify(ctx, id, "mended")
	undone := time.Now() // a fault may be found before the command has ended
	if out, err := r.command(ctx, "fix", id, "--undo").CombinedOutput(); err != nil {
		r.result.problem("the fix cannot be undone: %v: %s", err, bytes.TrimSpace(out))
		return nil
	}
	r.result.Times.Undone = undone.Sub(r.begun)
	r.tell("fix undone")
	if r.stage.again != nil {
		r.stage.again()
	}
	again, err := r.awaitRecord(ctx, foundLimit, func(t telling) bool {
		return t.at.After(undone) && t.doc.Event.Action == finding.Opened && t.doc.Trapbpf.Cause == r.Scenario.Cause
	})
	if err != nil {
		return r.timedOut(ctx, err, "the fault was not found again after the undo")
	}
	r.result.Times.Again = again.at.Sub(r.begun)
	r.show(again)
	r.verify(ctx, id, "still-there")
	return nil
}

// proves tells whether this run is one that proves more than the fix. An emulated machine
// has enough to do.
func (r *run) proves() bool { return r.Scenario.provesUndo() && !r.Relaxed && !r.Scenario.pasted }

// takeBack undoes, once the agent is gone, a fix that is still in force, so that no trace of
// it is kept beyond the namespaces.
func (r *run) takeBack(ctx context.Context) {
	if r.waits == nil || r.result.Times.Undone != 0 {
		return
	}
	if out, err := r.command(ctx, "fix", r.applied, "--undo").CombinedOutput(); err != nil {
		r.result.problem("the fix cannot be undone at the end: %v: %s", err, bytes.TrimSpace(out))
	}
}

// verify has `verify ID` say what is so. That it cannot tell is no lie.
func (r *run) verify(ctx context.Context, id, truth string) {
	out, err := r.command(ctx, "verify", id, "--output", "columns").CombinedOutput()
	said, _, _ := strings.Cut(string(out), ":")
	r.result.Verified = append(r.result.Verified, said)
	r.tell("verify says %s", strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", "\n          "))
	code, want := exitCode(err), map[string]int{"mended": 0, "unverified": 1, "still-there": 3}
	if said != truth && said != "unverified" || code != want[said] {
		r.result.problem("verify says %q and exits %d, and the fault is %s", said, code, truth)
	}
}

func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	default:
		return -1
	}
}
