// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// attendEvery is how often watched namespaces are looked for.
const attendEvery = 2 * time.Second

// attend notices that a namespace is gone: one that was asked for by name, or one
// that has an open finding, which closes with it.
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
		}
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
