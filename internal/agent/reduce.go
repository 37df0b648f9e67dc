// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"

	"go.uber.org/zap"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/privilege"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// reduce says what the agent cannot do for want of a capability, and gives up those that
// it does not need from now on. An agent that may not give them up goes on with them.
func (a *Agent) reduce() error {
	held, err := privilege.Held()
	if err != nil {
		return err
	}
	need := a.need()
	for _, row := range privilege.Missing(held, need) {
		say := a.log.Info
		if row.Grave(need) {
			say = a.log.Warn
		}
		say(row.Name+" missing: "+row.Without, zap.String("for", row.For))
	}
	if a.config.Reduce == nil {
		return nil
	}
	left, err := a.config.Reduce(privilege.Keep(held, need))
	if err != nil {
		a.log.Warn("capabilities not given up", zap.Error(err))
	}
	a.log.Info("capabilities kept", zap.Strings("capabilities", left.Names()))
	return nil
}

func (a *Agent) need() privilege.Need {
	return privilege.Need{
		Elsewhere: len(a.watch) == 0 || slices.ContainsFunc(a.watch, func(at host.Target) bool { return at.Path != "" }),
		Confirm:   a.config.Confirm,
		Foreign:   a.config.Foreign,
		Untold:    slices.ContainsFunc(a.kernel.Hooks(), func(h event.Hook) bool { return len(h.Untold) > 0 }),
	}
}
