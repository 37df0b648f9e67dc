// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// attendEvery is how often watched namespaces and attached hooks are looked for.
const attendEvery = 2 * time.Second

// attend notices that a hook is gone, or a namespace: one that was asked for by name, or
// one that has an open finding, which closes with it.
func (a *Agent) attend(ctx context.Context) {
	clock := time.NewTicker(attendEvery)
	defer clock.Stop()
	missing := map[event.Netns]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
			a.lookFor(missing)
			a.lookAtHooks()
		}
	}
}

// lookAtHooks tells of hooks that others have taken off.
func (a *Agent) lookAtHooks() {
	for _, h := range a.kernel.Fallen() {
		a.log.Warn("hook is gone", zap.String("event.dataset", "trapbpf.agent"), zap.String("event.kind", "event"),
			zap.String("hook", h.Name), zap.String("why", h.Blind))
		if a.config.Fallen != nil {
			a.config.Fallen(h)
		}
		a.take(&h)
	}
}

func (a *Agent) lookFor(missing map[event.Netns]bool) {
	for _, id := range append(inodes(a.watch), a.stream.netns()...) {
		if _, there := a.host.Locate(id); there {
			delete(missing, id)
			continue
		}
		if missing[id] {
			continue
		}
		missing[id] = true
		a.log.Warn("watched network namespace is gone", zap.Uint32("netns", uint32(id)))
		a.asker.ask(event.Want{Of: event.KindNamespace, Netns: id})
	}
}
