// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trap

import (
	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// OwnerOf is what a finding says of a socket's owner before anybody was asked.
func OwnerOf(o event.Owner) finding.Process {
	return finding.Process{PID: o.PID, Name: o.Comm, Cgroup: o.Cgroup}
}

// WantOwner asks who a socket's owner is, unless that is known. A PID that is known in
// another control group is another process.
func WantOwner(desk Desk, o event.Owner) {
	if o.PID == 0 {
		return
	}
	known := desk.Facts().Process(o.PID)
	if known == nil || o.Cgroup != 0 && known.Cgroup != 0 && known.Cgroup != o.Cgroup {
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
