// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"github.com/cilium/ebpf/link"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// fallen is why a hook is blind that once stood.
const fallen = "detached by somebody else while the agent watched: start the agent anew"

// Fallen looks whether every hook still stands, and gives those that do not, each once, as
// Hooks tells them from now on.
//
// Only control groups' links can be taken off by others (BPF_LINK_DETACH, `bpftool link
// detach`, or the group's end): the kernel then knows the link, but no group of it. Links of
// tracing programs have no such operation, and go with the agent's descriptors.
func (k *Kernel) Fallen() []event.Hook {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []event.Hook
	for _, r := range k.rows {
		if r.report.Rung == "" || !r.detached() {
			continue
		}
		r.report.Time, r.report.Rung, r.report.Blind = Now(), "", fallen
		all = append(all, r.report)
	}
	return all
}

// detached tells whether a link of the row leads nowhere.
func (r *row) detached() bool {
	for _, l := range r.links {
		if nowhere(l) {
			return true
		}
	}
	return false
}

// nowhere tells whether a link is one of a control group that it is not attached to any more.
func nowhere(l link.Link) bool {
	info, err := l.Info()
	if err != nil {
		return false // a kernel that does not tell: it stands for all that is known
	}
	group := info.Cgroup()
	return group != nil && group.CgroupId == 0
}
