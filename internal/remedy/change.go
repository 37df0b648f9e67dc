// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Change is a step of a finding that is, or is to be, in force, and what takes it back.
type Change struct {
	// Step was carried out, Undo takes it back.
	Step finding.Step `json:"step"`
	Undo finding.Step `json:"undo"`
	// Left is what would take Undo back: it says how the host was right after Step. It is
	// nil where that is not known, since the process ended in the middle.
	Left *finding.Step `json:"left,omitempty"`
	// Netns is the inode of the namespace that it is in.
	Netns uint32 `json:"netns"`
}

// ErrChanged is wrapped where the host is not as a finding, or a fix, has left it.
var ErrChanged = errors.New("the host changed since")

// ErrNoStep is wrapped where a finding has no step that Plan could take.
var ErrNoStep = errors.New("no step to apply")

// Plan looks a step of a finding up: the one of that number, counted from 1 as Fix lists
// them, or for 0 the first that can be carried out here. It changes nothing, and refuses
// where the state to come back to isn't the one that the finding speaks of.
func Plan(ctx context.Context, f *finding.Finding, number int) (*Change, error) {
	if number < 0 || number > len(f.Fix) {
		return nil, fmt.Errorf("%w: there is no step %d, the fix has %d", ErrNoStep, number, len(f.Fix))
	}
	if number > 0 {
		return plan(ctx, f, f.Fix[number-1])
	}
	for _, step := range f.Fix {
		c, err := plan(ctx, f, step)
		var shell *NotNativeError
		if !errors.As(err, &shell) {
			return c, err
		}
	}
	return nil, fmt.Errorf("%w: none of this fix can be carried out from here, paste those that are printed", ErrNoStep)
}

func plan(ctx context.Context, f *finding.Finding, step finding.Step) (*Change, error) {
	c := &Change{Step: step, Netns: f.Netns.Inode}
	if _, err := actionOf(step.Op); err != nil {
		return nil, err
	}
	if err := c.sameNetns(); err != nil {
		return nil, err
	}
	undo, err := Current(ctx, step)
	if err != nil {
		return nil, fmt.Errorf("look at the host before the fix: %w", err)
	}
	told := func(s finding.Step) bool { return foretold(s, undo) }
	if undo.Shell() == step.Shell() {
		return nil, fmt.Errorf("%w the finding was told: `%s` is in force already", ErrChanged, step.Shell())
	}
	if !slices.ContainsFunc(f.Undo, told) {
		return nil, fmt.Errorf("%w the finding was told: `%s` would be the undo now, which the finding does not have; look again, then paste the step", ErrChanged, undo.Shell())
	}
	c.Undo = undo
	return c, nil
}

// foretold tells whether the undo that is right now is the one that was told. Of a route
// or a rule the finding says what tells it from others, the kernel all that it has.
func foretold(told, now finding.Step) bool {
	if a, ok := told.Op.(finding.RuleOp); ok && a.Priority == 0 {
		if b, ok := now.Op.(finding.RuleOp); ok {
			b.Priority = 0
			now.Op = b
		}
	}
	a, isRoute := told.Op.(finding.RouteOp)
	b, stillRoute := now.Op.(finding.RouteOp)
	if !isRoute || !stillRoute || told.Enter != now.Enter {
		return told.Shell() == now.Shell()
	}
	unsaid := func(one uint32, other *uint32) {
		if one == 0 {
			*other = 0
		}
	}
	unsaid(a.Metric, &b.Metric)
	unsaid(a.MTU, &b.MTU)
	b.MTULock = b.MTULock && b.MTU != 0
	unsaid(a.AdvMSS, &b.AdvMSS)
	if !a.Gateway.IsValid() {
		b.Gateway = a.Gateway
	}
	if !a.Source.IsValid() {
		b.Source = a.Source
	}
	if a.Protocol == "" {
		b.Protocol = ""
	}
	if a.Dev == "" {
		b.Dev = ""
	}
	b.OnLink = b.OnLink && a.OnLink
	return a.Shell() == b.Shell()
}

// Do carries the step out. An error leaves the host as it was.
func (c *Change) Do(ctx context.Context) error {
	if err := Apply(ctx, c.Step); err != nil {
		return err
	}
	left, err := Current(ctx, c.Undo)
	if err != nil {
		return errors.Join(fmt.Errorf("look at the host after the fix: %w", err), Apply(ctx, c.Undo))
	}
	c.Left = &left
	return nil
}

// TakeBack carries the undo out, unless the host is not as Do left it: what was changed
// since is somebody's, and would be lost.
func (c *Change) TakeBack(ctx context.Context) error {
	if err := c.sameNetns(); err != nil {
		return err
	}
	if c.Left != nil {
		now, err := Current(ctx, c.Undo)
		if err != nil {
			return fmt.Errorf("%w the fix: %w", ErrChanged, err)
		}
		if now.Shell() != c.Left.Shell() {
			return fmt.Errorf("%w the fix, which left `%s`: `%s` is in force now", ErrChanged, c.Left.Shell(), now.Shell())
		}
	}
	return Apply(ctx, c.Undo)
}

// sameNetns sees to it that the step's namespace is still the one that the finding is
// about: a name is used again, and a command may be run from elsewhere than the agent.
func (c *Change) sameNetns() error {
	if c.Netns == 0 || isFile(c.Step.Op) {
		return nil
	}
	path, err := pathOf(c.Step.Enter)
	if err != nil {
		return err
	}
	id := event.Netns(c.Netns)
	if path == "" {
		if own := host.New(host.Real()).Own(); own != id {
			return fmt.Errorf("%w: the finding is about net:[%d], which the agent ran in, and this command runs in net:[%d]: run it from there", ErrChanged, id, own)
		}
		return nil
	}
	err = host.Inside(path, id, func() error { return nil })
	if denied(err) {
		return fmt.Errorf("%w: %w", host.ErrForbidden, err)
	}
	return err
}

// isFile tells whether an operation is on a file, which lies in no network namespace.
func isFile(op finding.Op) bool {
	_, file := op.(finding.ResolvOp)
	return file
}
