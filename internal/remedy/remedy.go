// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package remedy carries out the steps of a finding: what a person would paste into
// a shell, done by system calls, so that a host without sysctl(8) and ip(8) can be
// mended too.
//
// Nothing here decides to act. The caller has shown the step and was told to.
package remedy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/kernel"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// NotNativeError says that a step is for a person, or for another program.
type NotNativeError struct{ Op finding.Op }

// Error names the command to run instead.
func (e *NotNativeError) Error() string {
	return "not executable natively, run it in a shell: " + e.Op.Shell()
}

// ErrInexpressible tells that the present state has no step that would bring it back
// whole, such as a route over several gateways.
var ErrInexpressible = errors.New("the present state cannot be expressed as a step")

// action is one kind of operation, in the step's namespace.
type action interface {
	// apply changes the host.
	apply() error
	// restore gives the operation that would bring the present state back.
	restore() (finding.Op, error)
}

// Apply does a step in its namespace. It is done once, or not at all: an error leaves
// the host as it was. A *NotNativeError means that the step isn't one for Apply.
func Apply(ctx context.Context, step finding.Step) error {
	return perform(ctx, step, func(a action) error { return a.apply() })
}

// Native tells whether a step is one for Apply, and not for a person.
func Native(step finding.Step) bool {
	_, err := actionOf(step.Op)
	return err == nil
}

// Current gives the step that would bring the present state back if step were applied
// now: the sysctl's value, the route that is there, or the removal of what isn't. It
// changes nothing. Where that state cannot be written as a step the error is
// ErrInexpressible.
func Current(ctx context.Context, step finding.Step) (finding.Step, error) {
	undo := finding.Step{Enter: step.Enter, Does: "brings back what was there before"}
	err := perform(ctx, step, func(a action) error {
		op, err := a.restore()
		undo.Op = op
		return err
	})
	return undo, err
}

func perform(ctx context.Context, step finding.Step, do func(action) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	what, err := actionOf(step.Op)
	if err != nil {
		return err
	}
	path, err := pathOf(step.Enter)
	if err != nil {
		return err
	}
	entered := false
	err = host.Inside(path, 0, func() error {
		entered = true
		return do(what)
	})
	switch {
	case err == nil:
		return nil
	case !denied(err):
		return fmt.Errorf("%s: %w", step.Shell(), err)
	case entered:
		return fmt.Errorf("%w: CAP_NET_ADMIN is missing for `%s`: run it as root, with all capabilities: %w", kernel.ErrPrivilege, step.Shell(), err)
	default:
		return fmt.Errorf("%w: %w", host.ErrForbidden, err)
	}
}

func denied(err error) bool { return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) }

func actionOf(op finding.Op) (action, error) {
	switch op := op.(type) {
	case finding.Sysctl:
		return sysctl(op), nil
	case finding.RouteOp:
		return route(op), nil
	case finding.RuleOp:
		return rule(op), nil
	case finding.LinkOp:
		return link(op), nil
	case finding.ResolvOp:
		return resolv(op), nil
	case finding.NftOp:
		if known, ok := nftOf(op); ok {
			return known, nil
		}
		return nil, &NotNativeError{Op: op}
	case finding.Command:
		if known, ok := forgetOf(op); ok {
			return known, nil
		}
		return nil, &NotNativeError{Op: op}
	default:
		return nil, &NotNativeError{Op: op}
	}
}

// pathOf gives the file by which the step's namespace is entered. A name is one
// path element, as ip-netns(8) takes it.
func pathOf(enter finding.Enter) (string, error) {
	switch {
	case enter.Name == "":
		return enter.Path, nil
	case strings.Contains(enter.Name, "/") || enter.Name == "." || enter.Name == "..":
		return "", fmt.Errorf("%q is no name of a network namespace", enter.Name)
	default:
		return "/run/netns/" + enter.Name, nil
	}
}
