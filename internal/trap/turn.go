// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trap

import (
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// TakeTurns gives the namespaces whose turn it is to be looked at: at most so many, those
// least lately looked at first, none sooner than every after its last turn. The table
// holds when that was, 0 for never; those given are noted as looked at now.
func TakeTurns(turns *flow.Table[event.Netns, event.Time], most int, every time.Duration, now event.Time) []event.Netns {
	var due []event.Netns
	for id, at := range turns.Entries {
		if len(due) == most || at != 0 && now.Sub(at) < every {
			break
		}
		due = append(due, id)
	}
	for _, id := range due {
		turns.Put(id, now)
	}
	return due
}
