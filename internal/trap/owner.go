// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trap

import (
	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// WantOwner asks who a socket's owner is, unless that is known.
func WantOwner(desk Desk, o event.Owner) {
	if o.PID != 0 && desk.Facts().Process(o.PID) == nil {
		desk.Want(event.Want{Of: event.KindProcess, PID: o.PID, Cgroup: o.Cgroup})
	}
}

// WantOwners asks who owns the connections of a path that are stuck. The path may be nil.
func WantOwners(desk Desk, p *flow.Path) {
	if p == nil {
		return
	}
	for s := range p.Stalls.All {
		WantOwner(desk, s.Last.Owner)
	}
}
